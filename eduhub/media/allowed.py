"""Which files we let ffmpeg open and decode: formats, decoders, protocols, sizes.

Both lists are as short as the cameras, phones and screen recorders of schools allow. What
is not named is refused before any of its code runs: a playlist (`hls`, `dash`, `concat`)
would make ffmpeg read other people's files, and seldom used decoders are where the memory
errors are. Names are ffmpeg's own and are checked against its builds in
tests/media/test_allow_lists.py. See docs/formats/uploads.md.

This module must not know files, processes or the database.
"""

PROTOCOLS = ("file",)

# Demuxers. None of them opens a second file (mov's external references are off by default).
FORMATS = (
    "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "ogg", "asf",
    "wav", "mp3", "aac", "flac", "amr",
)

# Formats whose header states a duration; the others are estimates, which a whole file may miss.
FORMATS_WITH_DURATION = ("mov", "matroska", "avi", "asf", "flv")

VIDEO_DECODERS = (
    "h264", "hevc", "vp8", "libvpx", "vp9", "libvpx-vp9", "av1", "libdav1d", "libaom-av1", "mpeg4", "mpeg2video",
    "mpeg1video", "h263", "flv", "mjpeg", "theora", "wmv1", "wmv2", "wmv3", "vc1", "msmpeg4v2", "msmpeg4",
)

AUDIO_DECODERS = (
    "aac", "aac_latm", "mp3", "mp3float", "mp2", "mp2float", "opus", "libopus", "vorbis", "libvorbis", "flac", "alac",
    "ac3", "eac3", "amrnb", "amrwb", "wmav1", "wmav2", "adpcm_ms", "adpcm_ima_wav", "pcm_s16le", "pcm_s16be",
    "pcm_s24le", "pcm_s32le", "pcm_u8", "pcm_f32le", "pcm_alaw", "pcm_mulaw",
)

DECODERS = VIDEO_DECODERS + AUDIO_DECODERS

MAX_PIXELS = 7680 * 4320
MAX_STREAMS = 32
MAX_CHANNELS = 64  # what ffmpeg can mix by number
MOST_MIXED_CHANNELS = 8  # it knows no layout of some larger numbers


def input_options() -> dict[str, str]:
    """The options that stand before every `-i`."""
    return {
        "protocol_whitelist": ",".join(PROTOCOLS),
        "format_whitelist": ",".join(FORMATS),
        "codec_whitelist": ",".join(DECODERS),
        "max_pixels": str(MAX_PIXELS),
    }
