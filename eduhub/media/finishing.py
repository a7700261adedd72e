"""What is made of our own renditions, in the jail: poster and strip, and the one file for saving to a phone.

The stills were written by a program that read a stranger's file. A decoder that was taken over could
have written anything in their place, so nothing outside the jail decodes them.

This module must not know the database.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import ffmpeg

from eduhub.config import Settings
from eduhub.media import allowed, graph, jail, program, transcode, workroom
from eduhub.media.ladder import Stills, Strip, fit

POSTER_SHORT_SIDE, POSTER_WIDTH = 480, 480
_POSTER_QUALITY, _STRIP_QUALITY = 60, 50
_PICTURES = {"protocol_whitelist": "file", "format_whitelist": "image2", "codec_whitelist": "webp", "f": "image2"}


def poster_size(stills: Stills) -> tuple[int, int]:
    """Width and height of the poster: at most POSTER_WIDTH wide."""
    short_side = min(stills.width, stills.height)
    if stills.width > POSTER_WIDTH:
        short_side = max(1, round(short_side * POSTER_WIDTH / stills.width))
    return fit(stills.width, stills.height, short_side)


def pictures(
    work: Path, found: Sequence[Path], stills: Stills, strip: Strip, settings: Settings, *,
    on_tick: Callable[[], None] = lambda: None,
) -> tuple[Path, Path]:
    """Make `poster.webp` and `strip.webp` of the stills. Raises EncodeFailed, EncodeInterrupted, DiskFull, ToolMissing.

    The poster is the still that compresses worst, which has the most on it; a dark or empty one is never taken
    unless there is nothing else.
    """
    fullest = max(found, key=lambda path: path.stat().st_size)
    width, height = poster_size(stills)
    one = ffmpeg.input(fullest.name, pattern_type="none", **_PICTURES)
    every = ffmpeg.input(graph.STILL_PATTERN, start_number="1", framerate="1", **_PICTURES)
    sheet = (
        every.filter("select", f"not(mod(n,{strip.each}))")
        .filter("scale", strip.tile_width, strip.tile_height, flags="bicubic")
        .filter("tile", f"{strip.columns}x{strip.rows}", nb_frames=strip.tiles)
    )
    picture = one.filter("scale", width, height, flags="bicubic").filter("format", "yuv420p")
    made = ffmpeg.merge_outputs(
        _webp(picture, "poster.webp", _POSTER_QUALITY), _webp(sheet.filter("format", "yuv420p"), "strip.webp", _STRIP_QUALITY)
    )
    size = 2 * strip.columns * strip.rows * strip.tile_width * strip.tile_height + (4 << 20)
    _run(work, made, settings, jail.Limits(cpu_s=120 + len(found), wall_s=600 + 2 * len(found), memory_bytes=4 << 30,
                                           file_bytes=size), (), on_tick)
    return transcode.found(work, "poster.webp"), transcode.found(work, "strip.webp")


def _webp(picture: ffmpeg.nodes.FilterableStream, name: str, quality: int) -> ffmpeg.nodes.OutputStream:
    return ffmpeg.output(
        picture, name, vcodec="libwebp", quality=str(quality), compression_level="6", fps_mode="passthrough",
        f="image2", update="1", map_metadata="-1", fflags="+bitexact", flags="+bitexact", **{"frames:v": "1"},
    )


def download(
    work: Path, paths: Sequence[Path], settings: Settings, *, duration_ms: int,
    on_tick: Callable[[], None] = lambda: None,
) -> Path:
    """Mux our own tracks, a video and a sound or either alone, into `download.mp4`, its index in front.

    The tracks may lie anywhere (a blob, say). Raises EncodeFailed, EncodeInterrupted, DiskFull, ToolMissing, and
    what `on_tick` raises.
    """
    tracks = [path.resolve(strict=True) for path in paths]
    # ffmpeg's reader adds the reordering of B-frames to every time of a track, and takes the first
    # time of each input away again, so both begin at 0.
    inputs = [ffmpeg.input(str(track), **allowed.input_options()) for track in tracks]
    made = ffmpeg.output(
        *inputs, "download.mp4", c="copy", f="mp4", movflags="+faststart", map_metadata="-1", fflags="+bitexact"
    )
    size, seconds = sum(track.stat().st_size for track in tracks), duration_ms // 1000
    limits = jail.Limits(cpu_s=60 + seconds // 10, wall_s=300 + seconds // 2, memory_bytes=4 << 30,
                         file_bytes=size + size // 4 + (16 << 20))
    _run(work, made, settings, limits, tracks, on_tick)
    return transcode.found(work, "download.mp4")


def _run(
    work: Path, made: ffmpeg.nodes.OutputStream, settings: Settings, limits: jail.Limits, readable: Sequence[Path],
    on_tick: Callable[[], None],
) -> None:
    program_found, watch = program.find(settings), transcode.watched(work, 2 * limits.file_bytes)

    def tick() -> None:
        watch()
        on_tick()

    quiet = made.global_args("-nostdin", "-hide_banner", "-loglevel", "error", "-y")
    finished = jail.run(jail.kind_of_jail(settings), jail.Command(
        (str(program_found.path), *(str(argument) for argument in quiet.get_args())), work, limits,
        readable=(program_found.path, program_found.path.resolve(), *readable),
    ), on_tick=tick)
    transcode.check(finished)
    watch()
    workroom.check_made(work)
