"""Parts of a recording are left out without a new upload: what is kept stays in step and joins without a click."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.errors import BadInput, MediaRefused
from eduhub.media import cutting, ladder
from eduhub.media.recipes import Recipe
from tests.media import clips
from tests.media.reading import VIDEO, beeps_of, flashes_of, samples
from tests.media.stepping import Steps, pixel
from tests.media.test_ladder import CAMERA, LECTURE

THREE_PIECES = Recipe(edit=((1200, 3000), (4600, 6400), (7800, 9800)))
ITS_FLASHES = (0.8, 2.2, 3.8)


@pytest.mark.ffmpeg
def test_voice_and_picture_of_what_is_kept_are_in_step_within_20_ms(ffmpeg_program: str, steps: Steps) -> None:
    made = steps(clips.flash_and_beep, "floor", *VIDEO, recipe=THREE_PIECES, ffmpeg=ffmpeg_program)
    assert made.chosen.duration_ms == 5600
    for name in VIDEO:
        assert flashes_of(made.frames(name)) == pytest.approx(ITS_FLASHES, abs=0.02), name
        assert [frame.key_frame for _time, frame in made.frames(name)].count(True) == 1
    for name in ("aac", "opus"):
        assert beeps_of(made.frames(name)) == pytest.approx(ITS_FLASHES, abs=0.02), name
        assert made.facts(name)["duration_ms"] == pytest.approx(5600, abs=65)
    assert len(made.frames("v720")) == 140


@pytest.mark.ffmpeg
def test_far_apart_pieces_are_found_by_seeking_and_the_rest_is_not_decoded(
    clip: Callable[[Callable[[Path], Path]], Path], steps: Steps
) -> None:
    short = clip(clips.flash_and_beep)

    def ten_minutes(target: Path) -> Path:
        return clips.make(target, "-stream_loop", "59", "-i", str(short), "-c:v", "copy", "-c:a", "libopus", "-f", "matroska")

    wanted = Recipe(edit=((301_200, 303_000), (304_600, 306_400), (567_800, 569_800)))
    made = steps(ten_minutes, "floor", "v720", recipe=wanted)
    assert flashes_of(made.frames("v720")) == pytest.approx(ITS_FLASHES, abs=0.02)
    assert beeps_of(made.frames("opus")) == pytest.approx(ITS_FLASHES, abs=0.02)
    parts = cutting.parts_of(made.probe, made.chosen.spans)
    assert [part.seek_ms for part in parts] == [291_200, 557_800]


@pytest.mark.ffmpeg
def test_a_slide_that_was_shown_long_before_the_cut_is_still_shown(steps: Steps) -> None:
    made = steps(clips.slide_that_stays, "v240", recipe=Recipe(edit=((60_000, 61_000), (85_000, 86_000), (95_000, 96_000))))
    lights = [pixel(frame, 0.5, 0.5)[1] > 128 for _time, frame in made.frames("v240")]
    each = made.chosen.video[0].fps
    assert lights == [True] * each + [False] * each + [True] * each


@pytest.mark.ffmpeg
def test_a_join_in_the_middle_of_a_wave_does_not_click(steps: Steps) -> None:
    spans = ((1000, 2010), (3330, 4440))
    made = steps(clips.loud_throughout, "floor", recipe=Recipe(edit=spans))
    heard = [value for _time, frame in made.frames("opus") for value in samples(frame)]
    steepest = max(abs(later - earlier) for earlier, later in pairwise(heard[4800:-4800]))
    # 97 Hz at half the full scale moves by 0.0064 a sample; without fading this one moves by 0.029.
    assert steepest < 0.02


def test_spans_are_put_on_the_grid_joined_and_cut_at_the_end() -> None:
    chosen = ladder.choose(LECTURE, Recipe(edit=((4, 1996), (2001, 3000), (59_000, 70_000))))
    assert chosen.spans == ((0, 3000), (59_000, 60_000))
    assert chosen.duration_ms == 4000


def test_nothing_left_is_a_reason_and_too_many_pieces_are_refused() -> None:
    with pytest.raises(MediaRefused) as refused:
        ladder.choose(LECTURE, Recipe(edit=((70_000, 80_000),)))
    assert refused.value.facts["reason"] == ladder.NOTHING_LEFT
    with pytest.raises(BadInput):
        ladder.choose(LECTURE, Recipe(edit=tuple((100 * n, 100 * n + 50) for n in range(51))))


@given(st.lists(st.integers(0, 360_000), min_size=2, max_size=40, unique=True), st.sampled_from(["mov,mp4", "mpegts"]))
def test_however_it_is_cut_every_piece_is_taken_once_and_behind_its_seek(edges: list[int], kind: str) -> None:
    edges = sorted(10 * edge for edge in edges)
    spans = tuple(zip(edges[::2], edges[1::2], strict=False))
    video = replace(CAMERA, end_ms=3_600_000)
    parts = cutting.parts_of(replace(LECTURE, format=kind, duration_ms=3_600_000, video=video), spans)
    assert tuple(span for part in parts for span in part.spans or ()) == spans
    assert len(parts) <= 6
    for part in parts:
        assert part.seek_ms == 0 or part.seek_ms + 10_000 <= (part.spans or ((0, 0),))[0][0]
        assert part.seek_ms == 0 or kind != "mpegts"
