"""Our lists speak ffmpeg's names: a name that no build knows would be a hole or a dead letter."""

from pathlib import Path

from eduhub.media import allowed, program


def test_every_format_and_decoder_is_known_to_this_ffmpeg(ffmpeg_program: str) -> None:
    path = Path(ffmpeg_program)
    assert set(allowed.FORMATS) <= program.names(path, "demuxers")
    # Builds choose between several decoders for these; one of each is enough.
    alternatives = {"libvpx", "libvpx-vp9", "libdav1d", "libaom-av1", "libopus", "libvorbis"}
    assert set(allowed.DECODERS) - alternatives <= program.names(path, "decoders")


def test_nothing_that_opens_other_files_is_on_the_list() -> None:
    openers = {"hls", "applehttp", "dash", "concat", "concatf", "image2", "imf", "sdp", "rtsp", "lavfi", "tty", "webm_dash_manifest"}
    assert not openers & set(allowed.FORMATS)
    assert allowed.PROTOCOLS == ("file",)


def test_the_packaged_ffmpeg_has_every_encoder_of_the_ladder(ffmpeg_program: str) -> None:
    assert program.ask(Path(ffmpeg_program), "test").missing == []
