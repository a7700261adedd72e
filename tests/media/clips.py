"""Clips that the tests make themselves, each once a run: small, short, and each odd in one way."""

import subprocess
import zlib
from pathlib import Path

import imageio_ffmpeg

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
FLASHES_S = (2, 5, 8)


def make(target: Path, *arguments: str) -> Path:
    """Run ffmpeg over its own test sources."""
    command = [FFMPEG, "-nostdin", "-loglevel", "error", "-y", *arguments, str(target)]
    subprocess.run(command, check=True, timeout=120, stdin=subprocess.DEVNULL)
    return target


def _sources(video: str, audio: str) -> list[str]:
    return ["-f", "lavfi", "-i", video, "-f", "lavfi", "-i", audio]


def lesson(target: Path) -> Path:
    """14.4 s, 320x180 at 25, stereo: two whole groups of pictures and a rest."""
    return make(
        target, *_sources("testsrc2=s=320x180:r=25:d=14.4", "sine=f=300:r=44100:d=14.4"), "-c:v", "libx264",
        "-preset", "ultrafast", "-bf", "2", "-c:a", "aac", "-ac", "2",
    )  # fmt: skip


def flash_and_beep(target: Path) -> Path:
    """10 s of black and silence, with 120 ms of white and of 1 kHz that begin together at FLASHES_S."""
    at = "+".join(f"between(t,{second},{second}.119)" for second in FLASHES_S)
    return make(
        target,
        *_sources(f"color=black:s=160x120:r=25:d=10,drawbox=c=white:t=fill:enable='{at}'",
                  f"aevalsrc='0.5*sin(6283.2*t)*({at})':s=48000:d=10"),
        "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-c:a", "pcm_s16le", "-f", "mov",
    )  # fmt: skip


def sound_alone(target: Path) -> Path:
    """3 s of sound with a cover picture, as a phone's recorder makes it."""
    return make(
        target, *_sources("testsrc2=s=64x64:r=1:d=1", "sine=f=300:d=3"), "-c:v", "mjpeg", "-pix_fmt", "yuvj420p",
        "-frames:v", "1", "-disposition:v:0", "attached_pic", "-c:a", "aac", "-f", "mp4",
    )  # fmt: skip


def silent(target: Path) -> Path:
    """2 s of pictures without sound."""
    return make(target, "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=2", "-c:v", "mpeg4")


def upright(target: Path) -> Path:
    """2 s from a phone held upright: stored lying, 160x120, with a note to turn it."""
    lying = silent(target.with_name("lying.mp4"))
    return make(target, "-display_rotation", "90", "-i", str(lying), "-c", "copy")


def odd_size(target: Path) -> Path:
    """2 s with sides that H.264 cannot halve, 161x121."""
    return make(
        target, "-f", "lavfi", "-i", "testsrc2=s=162x122:r=10:d=2,crop=161:121:0:0:exact=1,format=yuv444p",
        "-c:v", "libx264", "-preset", "ultrafast",
    )  # fmt: skip


def varying_rate(target: Path) -> Path:
    """6 s of a screen recording: 30 pictures a second for 2 s, then one a second."""
    return make(
        target, *_sources("testsrc2=s=160x120:r=30:d=6,select='lt(t,2)+not(mod(n,30))'", "sine=f=300:d=6"),
        "-fps_mode", "vfr", "-c:v", "libvpx", "-b:v", "100k", "-c:a", "libopus", "-f", "webm",
    )  # fmt: skip


def late_picture(target: Path) -> Path:
    """4 s of sound; the picture begins after 1 s and ends after 3 s."""
    return make(
        target, "-f", "lavfi", "-i", "sine=f=300:d=4", "-itsoffset", "1", "-f", "lavfi", "-i",
        "testsrc2=s=160x120:r=25:d=2", "-map", "1:v", "-map", "0:a", "-c:v", "libx264", "-preset", "ultrafast",
        "-c:a", "libopus", "-f", "matroska",
    )  # fmt: skip


def voice_in_the_middle(target: Path) -> Path:
    """2 s of 5.1 sound whose voice is in the centre alone, at 0.25 of the full scale."""
    return make(
        target, "-f", "lavfi", "-i", "aevalsrc='0|0|0.25*sin(1885*t)|0|0|0':c=5.1:s=48000:d=2", "-c:a", "flac",
    )  # fmt: skip


def nine_channels(target: Path) -> Path:
    """More microphones than anybody can mix."""
    tones = "|".join(["0.1*sin(1885*t)"] * 9)
    return make(target, "-f", "lavfi", "-i", f"aevalsrc='{tones}':s=16000:d=1", "-c:a", "pcm_s16le", "-f", "wav")


def cut_off(target: Path) -> Path:
    """A file whose header says 10 s and whose second half never arrived."""
    whole = make(
        target.with_name("whole.mp4"), *_sources("testsrc2=s=160x120:r=25:d=10", "sine=d=10"), "-c:v", "libx264",
        "-preset", "ultrafast", "-c:a", "aac", "-movflags", "+faststart",
    )  # fmt: skip
    target.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return target


# --- hostile files --------------------------------------------------------------------


def private_file(folder: Path) -> Path:
    """What another school keeps: an MPEG-TS that no lesson of this school may show."""
    return make(
        folder / "private.ts", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=1", "-c:v", "mpeg2video", "-f", "mpegts"
    )


def hls_playlist(target: Path) -> Path:
    """A playlist named .mp4 that points at the private file."""
    private = private_file(target.parent)
    target.write_text(
        f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1.0,\nfile://{private}\n"
        "#EXT-X-ENDLIST\n", encoding="ascii",
    )  # fmt: skip
    return target


def relative_concat(target: Path) -> Path:
    """An ffconcat script named .mp4 that names the private file beside it."""
    private_file(target.parent)
    target.write_text("ffconcat version 1.0\nfile private.ts\n", encoding="ascii")
    return target


def huge_picture(target: Path) -> Path:
    """One PNG-sized header's worth of JPEG that decodes to 15360x8640."""
    return make(target, "-f", "lavfi", "-i", "color=gray:s=15360x8640:r=1:d=1", "-c:v", "mjpeg", "-f", "avi")


def seldom_codec(target: Path) -> Path:
    """MagicYUV, a decoder with a history, in an AVI."""
    return make(target, "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=1", "-c:v", "magicyuv", "-f", "avi")


def seldom_sound(target: Path) -> Path:
    """Allowed pictures with sound in a codec outside the list."""
    return make(
        target, *_sources("testsrc2=s=160x120:r=10:d=1", "sine=d=1"), "-c:v", "mpeg4", "-c:a", "tta", "-f", "matroska"
    )


def dash_manifest(target: Path) -> Path:
    """A DASH manifest named .mp4."""
    private = private_file(target.parent)
    target.write_text(
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S">'
        f'<Period><AdaptationSet mimeType="video/mp2t"><Representation id="1" bandwidth="1"><BaseURL>file://{private}'
        "</BaseURL></Representation></AdaptationSet></Period></MPD>", encoding="ascii",
    )  # fmt: skip
    return target


def compressed_noise(target: Path) -> Path:
    """Bytes that are no media at all."""
    target.write_bytes(zlib.compress(b"no lesson " * 5000) * 20)
    return target


ATTACKS = (hls_playlist, relative_concat, dash_manifest, huge_picture, seldom_codec, compressed_noise)
