"""Which renditions a source gets. Pure: no file is touched."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.errors import BadInput
from eduhub.media import ladder
from eduhub.media.facts import AudioFacts, Probe, VideoFacts

CAMERA = VideoFacts(
    index=0, codec="h264", width=1920, height=1080, rotation=0, interlaced=False, fps_milli=25_000,
    variable_rate=False, start_ms=0, end_ms=60_000,
)  # fmt: skip
VOICE = AudioFacts(index=1, codec="aac", channels=2, sample_rate=48_000, start_ms=0, end_ms=60_000)
LECTURE = Probe(
    format="mov", bytes=1, duration_ms=60_000, streams=2, missing_end_ms=0, video=CAMERA, audio=VOICE
)  # fmt: skip


def test_a_lecture_gets_three_videos_two_sounds_and_stills() -> None:
    chosen = ladder.choose(LECTURE)
    assert [(rung.name, rung.width, rung.height, rung.fps, rung.crf, rung.maxrate_bps) for rung in chosen.video] == [
        ("v240", 426, 240, 15, 32, 120_000), ("v360", 640, 360, 25, 28, 250_000), ("v720", 1280, 720, 25, 26, 600_000),
    ]  # fmt: skip
    assert [rung.name for rung in chosen.audio] == ["aac", "opus"]
    assert chosen.stills is not None
    assert (chosen.stills.width, chosen.stills.height, chosen.stills.every_s) == (1280, 720, 30)
    assert chosen.floor == ("index", "stills", "poster", "aac")


def test_the_floor_is_the_first_step_and_each_video_is_one_of_its_own() -> None:
    chosen = ladder.choose(LECTURE)
    assert [step.name for step in chosen.steps] == ["floor", "v240", "v360", "v720"]
    floor = chosen.steps[0]
    assert ([rung.name for rung in floor.audio], floor.video, floor.stills) == (["aac", "opus"], (), chosen.stills)
    assert [chosen.has_download(step) for step in chosen.steps] == [False, True, False, False]
    with pytest.raises(BadInput):
        chosen.step("v1080")


@pytest.mark.parametrize(
    ("minutes", "tiles", "every_s", "columns"), [(0.25, 1, 30, 1), (3, 6, 30, 6), (45, 90, 30, 10), (360, 90, 240, 10)]
)
def test_the_strip_of_a_long_lecture_has_wider_gaps_and_never_more_than_a_hundred_pictures(
    minutes: float, tiles: int, every_s: int, columns: int
) -> None:
    strip = ladder.choose(replace(LECTURE, duration_ms=round(60_000 * minutes))).strip
    assert strip is not None
    assert (strip.tiles, strip.every_s, strip.columns) == (tiles, every_s, columns)
    assert (strip.tile_width, strip.tile_height) == (160, 90)


def test_facts_come_back_from_the_database_as_they_were_also_those_of_0_1() -> None:
    assert Probe.from_json(LECTURE.as_json()) == replace(LECTURE, sounds=(VOICE,))
    old = LECTURE.as_json()
    del old["sounds"], old["edited"], old["video"]["hdr"], old["video"]["matrix"], old["audio"]["language"]
    assert ladder.choose(Probe.from_json(old)) == ladder.choose(LECTURE)


def test_a_small_source_is_never_enlarged_and_gets_finer_steps_instead() -> None:
    chosen = ladder.choose(replace(LECTURE, video=replace(CAMERA, width=320, height=240)))
    assert {(rung.width, rung.height) for rung in chosen.video} == {(320, 240)}
    assert [rung.crf for rung in chosen.video] == [32, 28, 24]


def test_an_upright_source_keeps_its_short_side() -> None:
    chosen = ladder.choose(replace(LECTURE, video=replace(CAMERA, width=1080, height=1920)))
    assert [(rung.width, rung.height) for rung in chosen.video] == [(240, 426), (360, 640), (720, 1280)]


def test_sound_alone_has_the_voice_as_floor() -> None:
    chosen = ladder.choose(replace(LECTURE, video=None))
    assert (chosen.video, chosen.stills, chosen.floor) == ((), None, ("index", "aac"))


def test_silence_has_the_stills_as_floor() -> None:
    chosen = ladder.choose(replace(LECTURE, audio=None))
    assert (chosen.audio, chosen.floor) == ((), ("index", "stills", "poster"))


@pytest.mark.parametrize(
    ("fps_milli", "most", "expected"),
    [(25_000, 25, 25), (29_970, 25, 25), (30_000, 15, 15), (60_000, 25, 20), (50_000, 25, 25), (23_976, 25, 24),
     (15_000, 25, 15), (24_000, 15, 12), (25_000, 15, 15), (500, 25, 1), (240_000, 25, 24)],
)  # fmt: skip
def test_rates_become_whole_and_even_where_little_is_lost(fps_milli: int, most: int, expected: int) -> None:
    assert ladder.whole_rate(fps_milli, most) == expected


@given(
    width=st.integers(16, 16384), height=st.integers(16, 16384), fps_milli=st.integers(10, 240_000),
    duration_ms=st.integers(500, 6 * 3_600_000),
)
def test_every_ladder_is_even_within_the_source_and_from_light_to_heavy(
    width: int, height: int, fps_milli: int, duration_ms: int
) -> None:
    video = replace(CAMERA, width=width, height=height, fps_milli=fps_milli)
    chosen = ladder.choose(replace(LECTURE, video=video, duration_ms=duration_ms))
    assert [rung.name for rung in chosen.video] == ["v240", "v360", "v720"]
    for rung in chosen.video:
        assert rung.width % 2 == rung.height % 2 == 0
        assert 2 <= rung.width <= width + 1
        assert 2 <= rung.height <= height + 1
        assert rung.fps <= max(1, round(fps_milli / 1000))
    assert [rung.maxrate_bps for rung in chosen.video] == sorted(rung.maxrate_bps for rung in chosen.video)
    assert all(a.width * a.height <= b.width * b.height
               for a, b in zip(chosen.video, chosen.video[1:], strict=False))
    assert all(a.crf > b.crf for a, b in zip(chosen.video, chosen.video[1:], strict=False))
    assert chosen.video[0].fps <= 15
    assert max(rung.fps for rung in chosen.video) <= 25
