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


# --- what cameras, phones and recorders make ------------------------------------------


def _left_white(target: Path, *, size: str = "160x96") -> Path:
    """1 s, the left half white."""
    return make(
        target, "-f", "lavfi", "-i", f"color=black:s={size}:r=10:d=1,drawbox=w=iw/2:h=ih:c=white:t=fill", "-c:v", "mpeg4"
    )


def turned_90(target: Path) -> Path:
    """Stored lying, to be turned left by a quarter: white comes to the bottom."""
    return _turned(target, 90)


def turned_180(target: Path) -> Path:
    """Stored upside down: white comes to the right."""
    return _turned(target, 180)


def turned_270(target: Path) -> Path:
    """To be turned right by a quarter: white comes to the top."""
    return _turned(target, 270)


def _turned(target: Path, degrees: int) -> Path:
    lying = _left_white(target.with_name("lying.mp4"))
    return make(target, "-display_rotation", str(degrees), "-i", str(lying), "-c", "copy")


def portrait(target: Path) -> Path:
    """Stored upright, without a note."""
    return _left_white(target, size="96x160")


def _moving(target: Path, size: str, fps: int, *options: str, seconds: float = 1) -> Path:
    return make(target, "-f", "lavfi", "-i", f"testsrc2=s={size}:r={fps}:d={seconds}", *options)


_QUICK = ("-c:v", "libx264", "-preset", "ultrafast")


def fifty(target: Path) -> Path:
    """A camera's 50 pictures a second."""
    return _moving(target, "160x96", 50, *_QUICK)


def sixty(target: Path) -> Path:
    """A game recorder's 60 pictures a second."""
    return _moving(target, "160x96", 60, *_QUICK)


def four_k(target: Path) -> Path:
    """A phone's 3840x2160, three pictures of it."""
    return _moving(target, "3840x2160", 5, *_QUICK, seconds=0.6)


def odd_window(target: Path) -> Path:
    """A window of 853x479, as screen recorders take it."""
    return make(
        target, "-f", "lavfi", "-i", "testsrc2=s=854x480:r=5:d=1,crop=853:479:0:0:exact=1,format=yuv444p", *_QUICK
    )


def interlaced(target: Path) -> Path:
    """A bar that moves 8 pixels a field: 25 pictures a second of two fields each."""
    moving = "color=black:s=160x96:r=50:d=1[b];color=white:s=16x96:r=50:d=1[w];[b][w]overlay=x='mod(8*n,144)',interlace"
    return make(
        target, "-f", "lavfi", "-i", moving, "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-q:v", "2", "-f", "mpegts"
    )


COLOUR = (40, 160, 200)


def _coloured(target: Path, colours: str, *options: str) -> Path:
    red, green, blue = COLOUR
    plain = f"color=0x{red:02x}{green:02x}{blue:02x}:s=160x96:r=5:d=1,format=gbrp,{colours}"
    return make(target, "-f", "lavfi", "-i", plain, *options)


def screen_in_rgb(target: Path) -> Path:
    """A screen recorder that keeps red, green and blue."""
    return _coloured(target, "format=gbrp", "-c:v", "libx264rgb", "-preset", "ultrafast")


def camera_of_422_10(target: Path) -> Path:
    """A camera's 10 bits and 4:2:2 in BT.709."""
    return _coloured(
        target, "scale=out_color_matrix=bt709,format=yuv422p10le,setparams=colorspace=bt709", *_QUICK
    )


def old_camera_of_601(target: Path) -> Path:
    """What says nothing of its colours and is small."""
    return _coloured(target, "scale=out_color_matrix=bt601,format=yuv420p", *_QUICK)


def full_range_mjpeg(target: Path) -> Path:
    """A cheap camera's JPEG pictures, with the full range of light."""
    return _coloured(
        target, "scale=out_color_matrix=bt601:out_range=full,format=yuvj420p", "-c:v", "mjpeg", "-q:v", "2", "-f", "avi"
    )


def hdr_pq(target: Path) -> Path:
    """HDR10: black, paper white (203 cd/m2) and a lamp (1000 cd/m2)."""
    return _hdr(target, "smpte2084", 572, 723)


def hdr_hlg(target: Path) -> Path:
    """A phone's HLG: black, paper white and a lamp."""
    return _hdr(target, "arib-std-b67", 721, 940)


def _hdr(target: Path, transfer: str, white: int, lamp: int) -> Path:
    light = (
        f"color=black:s=192x108:r=5:d=1,format=yuv420p10le,geq=lum='if(lt(X,64),64,if(lt(X,128),{white},{lamp}))':cb=512:cr=512,"
        f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=tv"
    )
    return make(
        target, "-f", "lavfi", "-i", light, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"
    )


def cut_by_the_phone(target: Path) -> Path:
    """`flash_and_beep` without its first 1.3 s, as phones cut: by an edit list, all pictures still in the file."""
    whole = flash_and_beep(target.with_name("whole.mov"))
    return make(target, "-ss", "1.3", "-i", str(whole), "-c:v", "copy", "-c:a", "aac", "-f", "mp4")


def late_sound_by_edit_list(target: Path) -> Path:
    """2 s of pictures whose sound begins after 1 s, by an empty edit."""
    return make(
        target, *_sources("testsrc2=s=160x96:r=10:d=2", "color=black:d=1")[:4], "-itsoffset", "1", "-f", "lavfi", "-i",
        "sine=f=300:d=1", "-map", "0:v", "-map", "1:a", "-c:v", "mpeg4", "-c:a", "aac",
    )  # fmt: skip


def three_voices(target: Path) -> Path:
    """300 Hz in Chinese, 900 Hz in Tibetan (the default one), and a track in a codec that we do not open."""
    return make(
        target, "-f", "lavfi", "-i", "testsrc2=s=160x96:r=5:d=2", "-f", "lavfi", "-i", "sine=f=300:d=2", "-f", "lavfi",
        "-i", "sine=f=900:d=2", "-f", "lavfi", "-i", "sine=f=2000:d=2", "-map", "0", "-map", "1", "-map", "2", "-map", "3",
        "-c:v", "mpeg4", "-c:a", "aac", "-c:a:2", "tta", "-metadata:s:a:0", "language=zho", "-metadata:s:a:1",
        "language=bod", "-metadata:s:a:1", "title=Tibetan voice", "-disposition:a:0", "0", "-disposition:a:1", "default",
        "-f", "matroska",
    )  # fmt: skip


def two_pictures(target: Path) -> Path:
    """The speaker, small, and the slides, large."""
    return make(
        target, *_sources("testsrc2=s=80x64:r=5:d=1", "testsrc2=s=320x180:r=5:d=1"), "-map", "0", "-map", "1",
        "-c:v", "mpeg4", "-f", "matroska",
    )  # fmt: skip


def slide_that_stays(target: Path) -> Path:
    """100 s in four pictures: white at 0, black at 70, white at 90, and the last at 99."""
    shown = (
        "color=white:s=64x48:r=1:d=100,drawbox=c=black:t=fill:enable='between(t,70,89)',"
        "select='eq(n,0)+eq(n,70)+eq(n,90)+eq(n,99)'"
    )
    return make(
        target, *_sources(shown, "sine=f=300:d=100:r=8000"), "-fps_mode", "vfr", "-c:v", "libx264", "-preset", "ultrafast",
        "-c:a", "libopus", "-f", "matroska",
    )  # fmt: skip


def loud_throughout(target: Path) -> Path:
    """6 s of a steady tone: every cut falls into the middle of a wave."""
    return make(target, "-f", "lavfi", "-i", "aevalsrc=0.5*sin(2*PI*97*t):s=48000:d=6", "-c:a", "pcm_s16le", "-f", "wav")


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
