"""What the player's menus say a lesson costs, and the small pictures above the slider, as the server writes them."""

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import render_template

from eduhub.app import create_app
from eduhub.courses.models import Course, Lesson
from eduhub.delivery.package import Part
from eduhub.installation import Installation
from eduhub.web.learning import lesson_data
from eduhub.web.learning.lesson_cards import LessonCard
from tests.web.world import World

MB = 1_000_000
CUT = {"columns": 10, "tiles": 80, "tile_width": 160, "tile_height": 90, "every_s": 30}


def part(name: str, kind: str, megabytes: int, **facts: Any) -> Part:
    """One part of that size, one pretends; its bytes are nowhere."""
    rest = {
        "role": "main", "language": None, "audience": "learner", "licence": None, "type": "x/y", "codec": None, "sha256": "a" * 64,
        "pieces": "b" * 64, "floor": False,
    }  # fmt: skip
    return Part(**{**rest, **facts, "name": name, "kind": kind, "bytes": megabytes * MB})


AAC = part("aac", "audio", 10, codec="mp4a.40.2")
OPUS = part("opus", "audio", 5, codec="opus")
SPOKEN = (part("v240", "video", 18, height=240), part("v360", "video", 30, height=360), AAC, OPUS, part("stills", "stills", 2))


def card_of(installation: Installation, world: World, *parts: Part) -> LessonCard:
    with installation.database.read() as session:
        lesson, course = session.get_one(Lesson, world.lesson), session.get_one(Course, world.course)
        session.expunge_all()
    return LessonCard(
        lesson=lesson, course=course, package_id="c" * 64, timeline_uid="t", parts=parts, duration_ms=2_400_000, bytes=0, poster=None,
        download=None,
    )


def written(installation: Installation, world: World, *parts: Part) -> tuple[lesson_data.Controls, str]:
    """The controls of a lesson of these parts, and the page's template with them."""
    with create_app(installation=installation).test_request_context(headers={"Accept-Language": "en"}):
        card = card_of(installation, world, *parts)
        controls = lesson_data.controls(card)
        return controls, render_template("learning/controls.html", card=card, controls=controls, materials={"tracks": []})


def test_a_quality_costs_its_picture_and_the_smallest_voice(installation: Installation, world: World) -> None:
    controls, page = written(installation, world, *SPOKEN)
    assert dict(controls.qualities)["v240"] == "240p · 23\N{NO-BREAK SPACE}MB"
    assert dict(controls.qualities)["sound"] == "Sound alone · 5\N{NO-BREAK SPACE}MB"
    assert ">Play · 23\N{NO-BREAK SPACE}MB</button>" in page


def test_where_opus_does_not_play_the_cost_with_aac_is_beside_it(installation: Installation, world: World) -> None:
    controls, page = written(installation, world, *SPOKEN)
    assert controls.without_opus == {
        "v240": "240p · 28\N{NO-BREAK SPACE}MB", "v360": "360p · 40\N{NO-BREAK SPACE}MB", "stills": "Pictures and sound · 12\N{NO-BREAK SPACE}MB", "sound": "Sound alone · 10\N{NO-BREAK SPACE}MB",
    }  # fmt: skip
    assert '<option value="v240" data-aac="240p · 28\N{NO-BREAK SPACE}MB">240p · 23\N{NO-BREAK SPACE}MB</option>' in page
    assert 'data-aac="Play · 28\N{NO-BREAK SPACE}MB">Play · 23\N{NO-BREAK SPACE}MB</button>' in page


@pytest.mark.parametrize("voices", [(AAC,), (OPUS,), ()])
def test_with_one_kind_of_voice_there_is_one_cost(installation: Installation, world: World, voices: tuple[Part, ...]) -> None:
    controls, page = written(installation, world, SPOKEN[0], *voices)
    assert not controls.without_opus
    assert "data-aac" not in page


def test_the_voice_that_costs_is_that_of_the_lessons_language(installation: Installation, world: World) -> None:
    tibetan = replace(OPUS, name="opus-bo", language="bo", bytes=1 * MB)
    controls, _ = written(installation, world, *SPOKEN, tibetan)
    assert dict(controls.qualities)["v240"] == "240p · 23\N{NO-BREAK SPACE}MB"
    assert controls.without_opus["v240"] == "240p · 28\N{NO-BREAK SPACE}MB"


def test_the_sheet_of_small_pictures_is_named_with_its_cut(installation: Installation, world: World) -> None:
    controls, page = written(installation, world, *SPOKEN, part("strip", "strip", 1, extra=CUT))
    assert controls.sheet is not None
    assert json.loads(controls.sheet) == [f"/p/{'c' * 64}/{'a' * 64}", 10, 80, 160, 90, 30]
    assert "data-sheet" in page


@pytest.mark.parametrize("cut", [{}, {**CUT, "columns": 0}, {**CUT, "tile_width": "160"}, {**CUT, "tiles": True}, {**CUT, "every_s": 2.5}])
def test_a_sheet_that_does_not_say_how_it_is_cut_is_not_named(installation: Installation, world: World, cut: dict[str, Any]) -> None:
    controls, page = written(installation, world, *SPOKEN, part("strip", "strip", 1, extra=cut))
    assert controls.sheet is None
    assert "data-sheet" not in page
    assert 'class="player-strip"' in page, "the time is shown there all the same"
