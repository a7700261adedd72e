"""One small file of each format and codec that the allow-lists accept and this ffmpeg can write.

They are what `mutating.py` breaks. A codec without an encoder here is left out: `missing` names it.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
_PICTURE = "testsrc2=s=96x80:r=10:d=1.2"
_VOICE = "sine=f=300:r=16000:d=1.2"


@dataclass(frozen=True)
class Seed:
    """A format with a picture codec, a sound codec, or both."""

    name: str
    muxer: str
    video: tuple[str, ...] = ()
    audio: tuple[str, ...] = ()
    size: str = "96x80"


_X264 = ("libx264", "-preset", "ultrafast", "-g", "5", "-bf", "2")
SEEDS = (
    Seed("mov-h264-aac", "mov", _X264, ("aac",)),
    Seed("mp4-h264-mp3", "mp4", _X264, ("libmp3lame",)),
    Seed("mp4-fragmented", "mp4", (*_X264, "-movflags", "+frag_keyframe+empty_moov"), ("aac",)),
    Seed("mp4-faststart", "mp4", (*_X264, "-movflags", "+faststart"), ("aac",)),
    Seed("mp4-hevc-alac", "mp4", ("libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"), ("alac",)),
    Seed("mp4-av1-opus", "mp4", ("libsvtav1", "-preset", "12"), ("libopus",)),
    Seed("mp4-mpeg4-ac3", "mp4", ("mpeg4",), ("ac3",)),
    Seed("3gp-h263-amr", "3gp", ("h263",), ("libopencore_amrnb", "-ar", "8000", "-ac", "1"), "176x144"),
    Seed("3g2-mpeg4-aac", "3g2", ("mpeg4",), ("aac",)),
    Seed("matroska-h264-flac", "matroska", _X264, ("flac",)),
    Seed("matroska-mpeg2-eac3", "matroska", ("mpeg2video",), ("eac3",), "96x80"),
    Seed("webm-vp8-vorbis", "webm", ("libvpx", "-deadline", "realtime"), ("libvorbis",)),
    Seed("webm-vp9-opus", "webm", ("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"), ("libopus",)),
    Seed("avi-mpeg4-mp3", "avi", ("mpeg4",), ("libmp3lame",)),
    Seed("avi-mjpeg-pcm", "avi", ("mjpeg", "-pix_fmt", "yuvj420p"), ("pcm_s16le",)),
    Seed("avi-msmpeg4-adpcm", "avi", ("msmpeg4",), ("adpcm_ms",)),
    Seed("mpegts-h264-aac", "mpegts", _X264, ("aac",)),
    Seed("mpegts-mpeg2-mp2", "mpegts", ("mpeg2video",), ("mp2",)),
    Seed("mpeg-mpeg1-mp2", "mpeg", ("mpeg1video", "-r", "25"), ("mp2", "-ar", "44100")),
    Seed("flv-flv1-mp3", "flv", ("flv",), ("libmp3lame", "-ar", "22050")),
    Seed("ogg-theora-vorbis", "ogg", ("libtheora",), ("libvorbis",)),
    Seed("asf-wmv2-wma2", "asf", ("wmv2",), ("wmav2",)),
    Seed("asf-wmv1-wma1", "asf", ("wmv1",), ("wmav1",)),
    Seed("wav-pcm", "wav", audio=("pcm_s16le",)),
    Seed("wav-adpcm", "wav", audio=("adpcm_ima_wav",)),
    Seed("wav-alaw", "wav", audio=("pcm_alaw",)),
    Seed("mp3", "mp3", audio=("libmp3lame",)),
    Seed("aac-adts", "adts", audio=("aac",)),
    Seed("flac", "flac", audio=("flac",)),
    Seed("amr", "amr", audio=("libopencore_amrnb", "-ar", "8000", "-ac", "1")),
    Seed("m4a", "ipod", audio=("aac",)),
)


def make_all(folder: Path) -> tuple[dict[str, bytes], list[str]]:
    """The bytes of each seed by its name, and the names of those that this ffmpeg cannot write."""
    made, missing = {}, []
    for seed in SEEDS:
        target = folder / seed.name
        if make(seed, target):
            made[seed.name] = target.read_bytes()
        else:
            missing.append(seed.name)
    return made, missing


def make(seed: Seed, target: Path) -> bool:
    command = [FFMPEG, "-nostdin", "-loglevel", "error", "-y"]
    if seed.video:
        command += ["-f", "lavfi", "-i", _PICTURE.replace("96x80", seed.size)]
    if seed.audio:
        command += ["-f", "lavfi", "-i", _VOICE]
    if seed.video:
        command += ["-c:v", *seed.video] + ([] if "-pix_fmt" in seed.video else ["-pix_fmt", "yuv420p"])
    if seed.audio:
        command += ["-c:a", *seed.audio]
    command += ["-strict", "-2", "-f", seed.muxer, str(target)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    return done.returncode == 0 and target.stat().st_size > 200
