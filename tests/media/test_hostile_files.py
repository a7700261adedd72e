"""What a file may not do to us: read other files, take the memory, never end.

Each file is tried twice: on probing, and on the encoder alone as if probing had let it through.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from eduhub.config import Settings
from eduhub.errors import EncodeFailed, MediaRefused
from eduhub.media import jail, ladder, probe, transcode, workroom
from eduhub.media.facts import Probe, VideoFacts
from tests.media import clips
from tests.media.conftest import skip_without_bubblewrap

Clip = Callable[[Callable[[Path], Path]], Path]
JAILS = ("auto", "rlimits")
# What a file would have to look like for the encoder to be started on it.
PRETENDED = Probe(
    format="mov", bytes=1, duration_ms=1000, streams=1, missing_end_ms=0, audio=None,
    video=VideoFacts(
        index=0, codec="h264", width=160, height=120, rotation=0, interlaced=False, fps_milli=10_000,
        variable_rate=False, start_ms=0, end_ms=1000,
    ),
)  # fmt: skip
CHOSEN = ladder.choose(PRETENDED)
EVERYTHING = ladder.Step("all", CHOSEN.video, CHOSEN.audio, CHOSEN.stills)


def probe_file(source: Path, settings: Settings) -> Probe:
    with workroom.staged(source, settings.data_dir / "work") as work:
        return probe.probe(work, settings)


@pytest.mark.parametrize("kind", JAILS)
@pytest.mark.parametrize("attack", clips.ATTACKS)
def test_probing_refuses_it_with_a_reason_for_the_teacher(
    attack: Callable[[Path], Path], kind: str, clip: Clip, tmp_path: Path
) -> None:
    with pytest.raises(MediaRefused) as refused:
        probe_file(clip(attack), Settings(data_dir=tmp_path, jail=kind))
    assert refused.value.facts["reason"] in probe.REASONS
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("kind", JAILS)
@pytest.mark.parametrize("attack", clips.ATTACKS)
def test_the_encoder_itself_refuses_it_too(
    attack: Callable[[Path], Path], kind: str, clip: Clip, ffmpeg_program: str, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, jail=kind, ffmpeg=ffmpeg_program, encode_threads=1)
    with workroom.staged(clip(attack), tmp_path / "work") as work:
        with pytest.raises(EncodeFailed):
            transcode.transcode(work, PRETENDED, CHOSEN, EVERYTHING, settings)
        assert [path.name for path in work.iterdir() if path.suffix == ".mp4" and path.stat().st_size > 2000] == []


def test_the_pretended_facts_do_not_make_the_encoder_fail_by_themselves(
    clip: Clip, ffmpeg_program: str, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, ffmpeg=ffmpeg_program, encode_threads=1)
    with workroom.staged(clip(clips.silent), tmp_path / "work") as work:
        made = transcode.transcode(work, PRETENDED, CHOSEN, EVERYTHING, settings)
        assert set(made.tracks) == {"v240", "v360", "v720"}


def test_without_our_lists_the_playlist_would_have_shown_the_private_file(clip: Clip, tmp_path: Path) -> None:
    """The danger is real on this machine's packaged ffmpeg; otherwise the tests above prove nothing."""
    shown = clips.make(tmp_path / "shown.mp4", "-i", str(clip(clips.relative_concat)), "-c:v", "mpeg4")
    assert shown.stat().st_size > 1000


def test_sound_that_we_do_not_open_is_refused_and_not_left_out(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(MediaRefused) as refused:
        probe_file(clip(clips.seldom_sound), Settings(data_dir=tmp_path))
    assert refused.value.facts["reason"] == probe.BAD_AUDIO_CODEC


def test_what_never_ends_is_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    for endless in (pipe, Path("/dev/zero")):
        with pytest.raises(MediaRefused) as refused:
            probe_file(endless, Settings(data_dir=tmp_path))
        assert refused.value.facts["reason"] == probe.NOT_A_FILE


def test_an_input_that_never_ends_stops_the_encoder_at_its_time_limit(
    ffmpeg_program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = jail.Limits(cpu_s=2, wall_s=1.5, memory_bytes=4 << 30, file_bytes=1 << 20)
    monkeypatch.setattr(transcode, "_limits", lambda *_chosen: limits)
    endless = tmp_path / "endless"
    os.mkfifo(endless)
    writer = os.open(endless, os.O_RDWR)  # held open: the pipe has no end
    try:
        settings = Settings(data_dir=tmp_path, ffmpeg=ffmpeg_program, encode_threads=1)
        with workroom.staged(endless, tmp_path / "work") as work, pytest.raises(EncodeFailed, match="timeout"):
            transcode.transcode(work, PRETENDED, CHOSEN, EVERYTHING, settings)
    finally:
        os.close(writer)


def test_a_file_above_the_limit_is_not_read(clip: Clip, tmp_path: Path) -> None:
    sparse = tmp_path / "large.mp4"
    with sparse.open("wb") as file:
        file.truncate((1 << 20) + 1)
    with pytest.raises(MediaRefused) as refused:
        probe_file(sparse, Settings(data_dir=tmp_path, upload_max_mb=1))
    assert refused.value.facts["reason"] == probe.TOO_LARGE


def test_a_file_whose_end_is_missing_is_refused(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(MediaRefused) as refused:
        probe_file(clip(clips.cut_off), Settings(data_dir=tmp_path))
    assert refused.value.facts["reason"] == probe.END_MISSING


def test_a_name_that_looks_like_an_option_or_a_protocol_is_only_a_name(clip: Clip, tmp_path: Path) -> None:
    for name in ("-y", "concat:a|b", "file,crypto:x.mp4", "a\nb.mp4"):
        hostile = tmp_path / name
        hostile.write_bytes(clip(clips.silent).read_bytes())
        assert probe_file(hostile, Settings(data_dir=tmp_path)).duration_ms == 2000


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/hostname"), os.mkfifo, os.mkdir])
def test_what_a_decoder_that_was_taken_over_leaves_in_the_folder_is_neither_read_nor_written_through(
    make: Callable[[Path], None], clip: Clip, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, encode_threads=1)
    with workroom.staged(clip(clips.silent), tmp_path / "work") as work:
        make(work / "index.json")
        with pytest.raises(EncodeFailed, match=r"index\.json"):
            transcode.transcode(work, PRETENDED, CHOSEN, EVERYTHING, settings)


def test_whoever_takes_over_the_probing_cannot_put_another_file_in_the_place_of_the_source(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not jail.bubblewrap_works():
        skip_without_bubblewrap()
    evil = tmp_path / "child.py"
    evil.write_text("import os\nos.unlink('input')\nos.symlink('/etc/hostname', 'input')\n")
    monkeypatch.setattr(probe, "_CHILD", evil)
    source = clip(clips.silent)
    with workroom.staged(source, tmp_path / "work") as work:
        with pytest.raises(EncodeFailed, match="Read-only"):
            probe.probe(work, Settings(data_dir=tmp_path, jail="bubblewrap"))
        assert (work / workroom.INPUT).resolve() == source.resolve()
