"""What is made of our own renditions: the poster, and the one file for saving to a phone.

This module must not know the database.
"""

from collections.abc import Sequence
from pathlib import Path

import ffmpeg
from PIL import Image

from eduhub.config import Settings
from eduhub.media import allowed, jail, program, segment, transcode, workroom

POSTER_WIDTH = 480
_POSTER_QUALITY = 60


def poster(stills: Sequence[Path], target: Path) -> tuple[Path, int, int]:
    """A small picture that stands for the lesson: its path, width and height.

    The still that compresses worst has the most on it; a dark or empty one is never taken
    unless there is nothing else.
    """
    fullest = max(stills, key=lambda path: path.stat().st_size)
    with Image.open(fullest, formats=("WEBP",)) as picture:
        picture.load()
        small = picture.convert("RGB")
    if small.width > POSTER_WIDTH:
        small = small.resize((POSTER_WIDTH, max(1, round(small.height * POSTER_WIDTH / small.width))))
    small.save(target, "WEBP", quality=_POSTER_QUALITY, method=6)
    return target, small.width, small.height


def download(work: Path, tracks: Sequence[segment.Track], settings: Settings) -> Path:
    """Mux the lightest video with the AAC sound into `download.mp4`, its index in front.

    Raises EncodeFailed, EncodeInterrupted, DiskFull, ToolMissing.
    """
    video = [track for track in tracks if track.kind == "video"]
    audio = [track for track in tracks if track.init.codec.startswith("mp4a")]
    chosen = [*video[:1], *audio[:1]]
    # ffmpeg's reader adds the reordering of B-frames to every time of a track, and takes the first
    # time of each input away again, so both begin at 0.
    inputs = [ffmpeg.input(track.path.name, **allowed.input_options()) for track in chosen]
    made = ffmpeg.output(
        *inputs, "download.mp4", c="copy", f="mp4", movflags="+faststart", map_metadata="-1", fflags="+bitexact"
    ).global_args("-nostdin", "-hide_banner", "-loglevel", "error", "-y")
    size, seconds = sum(track.bytes for track in chosen), chosen[0].duration_ms // 1000
    found = program.find(settings)
    finished = jail.run(jail.kind_of_jail(settings), jail.Command(
        (str(found.path), *(str(argument) for argument in made.get_args())), work,
        jail.Limits(cpu_s=60 + seconds // 10, wall_s=300 + seconds // 2, memory_bytes=4 << 30,
                    file_bytes=2 * size + (16 << 20)),
        readable=(found.path, found.path.resolve()),
    ))
    transcode.check(finished)
    workroom.check_made(work)
    return work / "download.mp4"
