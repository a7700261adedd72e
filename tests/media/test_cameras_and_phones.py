"""What cameras, phones and screen recorders make, each a little odd: how it looks as a lesson."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eduhub.media import colours, program
from tests.media import clips, seeds
from tests.media.reading import beeps_of, flashes_of, samples
from tests.media.stepping import Steps, pixel, run

pytestmark = pytest.mark.ffmpeg


@pytest.mark.parametrize(
    ("recipe", "turned", "size", "white", "black"),
    [(clips.turned_90, {90, 270}, (96, 160), (0.5, 0.9), (0.5, 0.1)),
     (clips.turned_180, {180}, (160, 96), (0.9, 0.5), (0.1, 0.5)),
     (clips.turned_270, {90, 270}, (96, 160), (0.5, 0.1), (0.5, 0.9)),
     (clips.portrait, {0}, (96, 160), (0.1, 0.5), (0.9, 0.5))],
)  # fmt: skip
def test_a_phone_held_any_way_gives_an_upright_picture(
    recipe: Callable[[Path], Path], turned: set[int], size: tuple[int, int], white: tuple[float, float],
    black: tuple[float, float], steps: Steps,
) -> None:
    made = steps(recipe, "v240")
    assert made.probe.video is not None
    assert made.probe.video.rotation in turned
    _time, frame = made.frames("v240")[0]
    assert (frame.width, frame.height) == size
    assert min(pixel(frame, *white)) > 240
    assert max(pixel(frame, *black)) < 15


@pytest.mark.parametrize(("recipe", "fps"), [(clips.fifty, 25), (clips.sixty, 20)])
def test_fifty_and_sixty_pictures_a_second_are_halved_or_taken_by_thirds(
    recipe: Callable[[Path], Path], fps: int, steps: Steps
) -> None:
    frames = steps(recipe, "v360").frames("v360")
    assert [round(time * fps) for time, _frame in frames] == list(range(fps))


def test_four_k_becomes_720_and_smaller(steps: Steps) -> None:
    made = steps(clips.four_k, "v720")
    assert [(rung.width, rung.height) for rung in made.chosen.video] == [(426, 240), (640, 360), (1280, 720)]
    _time, frame = made.frames("v720")[0]
    assert (frame.width, frame.height) == (1280, 720)


def test_an_odd_window_becomes_even_by_a_pixel_at_most(steps: Steps) -> None:
    made = steps(clips.odd_window, "v720")
    _time, frame = made.frames("v720")[0]
    assert (frame.width, frame.height) in {(852, 478), (854, 480), (852, 480), (854, 478)}


def test_interlaced_pictures_have_no_combs(steps: Steps) -> None:
    made = steps(clips.interlaced, "v360")
    assert made.probe.video is not None
    assert made.probe.video.interlaced
    _time, frame = made.frames("v360")[12]
    luma = frame.planes[0]
    lines = [bytes(luma)[row * luma.line_size : row * luma.line_size + 160] for row in range(40, 56)]
    # A comb is a bar that stands 8 pixels further in every other line.
    edges = [next((x for x, value in enumerate(line) if value > 128), 0) for line in lines]
    assert max(edges) - min(edges) <= 3


@pytest.mark.parametrize(
    "recipe", [clips.screen_in_rgb, clips.camera_of_422_10, clips.old_camera_of_601, clips.full_range_mjpeg]
)
def test_colours_stay_as_they_are_and_are_named_in_the_file(recipe: Callable[[Path], Path], steps: Steps) -> None:
    _time, frame = steps(recipe, "v360").frames("v360")[0]
    assert frame.format.name == "yuv420p"
    assert [int(said) for said in (frame.colorspace, frame.color_trc, frame.color_primaries, frame.color_range)] == [1] * 4
    assert pixel(frame, 0.5, 0.5) == pytest.approx(clips.COLOUR, abs=6)


@pytest.mark.parametrize(("recipe", "kind"), [(clips.hdr_pq, "pq"), (clips.hdr_hlg, "hlg")])
def test_hdr_becomes_a_usual_picture_with_light_paper_and_room_for_lamps(
    recipe: Callable[[Path], Path], kind: str, ffmpeg_program: str, steps: Steps
) -> None:
    assert program.ask(Path(ffmpeg_program), "test").filters >= colours.NEEDED_FILTERS
    check_light(steps(recipe, "v360", ffmpeg=ffmpeg_program), kind, paper=(200, 235))


def check_light(made: Any, kind: str, paper: tuple[int, int]) -> None:
    assert made.probe.video.hdr == kind
    _time, frame = made.frames("v360")[0]
    assert [int(said) for said in (frame.colorspace, frame.color_trc, frame.color_primaries, frame.color_range)] == [1] * 4
    black, white, lamp = (pixel(frame, x, 0.5) for x in (0.15, 0.5, 0.85))
    assert max(black) <= 3
    assert paper[0] <= min(white) <= max(white) <= paper[1]
    assert min(lamp) >= min(white) + 15
    assert max(white) - min(white) <= 3  # still grey


@pytest.mark.parametrize(("recipe", "kind"), [(clips.hdr_pq, "pq"), (clips.hdr_hlg, "hlg")])
def test_without_the_filters_for_light_a_curve_keeps_writing_legible(
    recipe: Callable[[Path], Path], kind: str, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colours, "NEEDED_FILTERS", frozenset({"not built in"}))
    check_light(steps(recipe, "v360"), kind, paper=(165, 220))


def test_what_a_phone_cut_away_is_not_shown_and_the_rest_stays_in_step(steps: Steps) -> None:
    made = steps(clips.cut_by_the_phone, "floor", "v720")
    expected = [second - 1.3 for second in clips.FLASHES_S]
    assert made.probe.duration_ms == pytest.approx(8700, abs=60)
    flashes, beeps = flashes_of(made.frames("v720")), beeps_of(made.frames("aac"))
    assert flashes == pytest.approx(expected, abs=0.04)
    assert flashes == pytest.approx(beeps, abs=0.04)


def test_sound_that_an_edit_list_delays_comes_late(steps: Steps) -> None:
    made = steps(clips.late_sound_by_edit_list, "floor")
    assert made.probe.edited
    loud = [time for time, frame in made.frames("aac") if max(map(abs, samples(frame))) > 0.02]
    assert loud[0] == pytest.approx(1, abs=0.06)
    assert not steps(clips.silent).probe.edited


def test_of_several_pictures_the_largest_is_used(steps: Steps) -> None:
    made = steps(clips.two_pictures)
    assert made.probe.video is not None
    assert (made.probe.video.index, made.probe.video.width) == (1, 320)


def test_nine_microphones_are_all_heard(steps: Steps) -> None:
    made = steps(clips.nine_channels, "floor")
    assert made.probe.audio is not None
    assert made.probe.audio.channels == 9
    peaks = [max(map(abs, samples(frame))) for _time, frame in made.frames("aac")]
    assert statistics.median(peaks) == pytest.approx(0.3, rel=0.15)  # nine times 0.1 over the root of nine


@pytest.mark.parametrize("name", ["avi-mjpeg-pcm", "avi-mpeg4-mp3", "mpegts-mpeg2-mp2", "asf-wmv2-wma2", "3gp-h263-amr", "amr"])
def test_old_kinds_of_file_become_lessons_too(name: str, tmp_path: Path) -> None:
    seed = next(seed for seed in seeds.SEEDS if seed.name == name)
    if not seeds.make(seed, tmp_path / "lesson"):
        pytest.skip(f"this ffmpeg cannot write {name}")
    made = run(tmp_path / "lesson", tmp_path, *(("floor", "v240") if seed.video else ("floor",)))
    assert made.probe.duration_ms == pytest.approx(1200, abs=150)
    assert made.facts("opus")["duration_ms"] == pytest.approx(1200, abs=200)
    if seed.video:
        assert 9_000 <= made.facts("v240")["fps_milli"] <= 15_000
