"""Open courses without signing in, and a number on paper that keeps a place."""

import json
import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from eduhub.app import create_app
from eduhub.courses.models import Course, Lesson
from eduhub.errors import TooManyTries
from eduhub.installation import Installation
from eduhub.learning.models import Event, LearnerPlace, Progress
from eduhub.schools.models import Organisation
from eduhub.sync.models import OutboxRow
from eduhub.uids import new_uid
from tests.web.world import Reader, World, as_box

Browser = Callable[[], Reader]


@pytest.fixture
def station(installation: Installation, world: World) -> Installation:
    """The box of a village station, with a course that is open to everybody."""
    box = as_box(installation, world)
    with box.database.write() as session:
        session.get_one(Course, world.course).audience = "open"
        session.get_one(Organisation, world.school).kind = "station"
    return box


@pytest.fixture
def at_station(station: Installation) -> Flask:
    return create_app(installation=station)


@pytest.fixture
def passer_by(at_station: Flask) -> Reader:
    return Reader(at_station.test_client())


def number(reader: Reader) -> str:
    page = reader.post("/open/place/new", page="/open/place").text
    found = re.search(r'<p class="code">([0-9 ]+)</p>', page)
    assert found, page
    return found[1]


def data(reader: Reader, world: World) -> dict[str, object]:
    """What the lesson's page tells the player."""
    page = reader.get(f"/lessons/{world.lesson}").text
    return dict(json.loads(page.partition('id="lesson-data">')[2].partition("</script>")[0]))


def watch(reader: Reader, here: Installation, world: World, to_ms: int) -> int:
    """As the player sends it, with the token of the page."""
    found = data(reader, world)
    event = {
        "uid": new_uid(), "kind": "watched", "version": 1, "lesson": world.lesson, "timeline": found["timeline"], "from_ms": 0,
        "to_ms": to_ms, "watched_ms": to_ms, "stalls": 0, "context": found["context"], "made_ms": 1, "subjects": [],
    }  # fmt: skip
    answer = reader.client.post("/api/v1/events", json={"token": found["events"]["token"] or "", "events": [event]})  # type: ignore[index]
    return int(answer.status_code)


def test_at_a_station_the_first_page_is_the_list_of_open_courses(passer_by: Reader, world: World) -> None:
    assert passer_by.get("/").location == "/open"
    page = passer_by.get("/open").text
    assert f"/open/{world.course}" in page
    assert "1 lesson" in page
    assert "Why ice floats" in passer_by.get(f"/open/{world.course}").text
    lesson = passer_by.get(f"/lessons/{world.lesson}")
    assert lesson.status_code == 200
    assert f'href="/open/{world.course}"' in lesson.text
    assert 'href="/open/place"' in lesson.text


def test_what_is_not_open_is_on_none_of_these_pages(browser: Browser, world: World) -> None:
    reader = browser()
    assert "There is no open course here yet." in reader.get("/open").text
    assert "/open" not in reader.get("/card").text
    assert reader.get(f"/open/{world.course}").status_code == 401
    assert reader.get(f"/lessons/{world.lesson}").status_code == 401


def test_where_something_is_open_the_pages_for_signing_in_say_so(passer_by: Reader) -> None:
    for path in ("/card", "/sign-in"):
        assert 'href="/open"' in passer_by.get(path).text


def test_without_a_place_nothing_is_booked(passer_by: Reader, station: Installation, world: World) -> None:
    assert data(passer_by, world)["events"] == {"url": "/api/v1/events", "token": None}
    assert watch(passer_by, station, world, 30_000) == 401


def test_a_number_brings_back_on_another_device_how_far_one_was(
    passer_by: Reader, at_station: Flask, station: Installation, world: World
) -> None:
    paper = number(passer_by)
    assert watch(passer_by, station, world, 30_000) == 200
    assert "49 % watched" in passer_by.get(f"/open/{world.course}").text
    other = Reader(at_station.test_client())
    assert "watched" not in other.get(f"/open/{world.course}").text
    assert other.post("/open/place", {"number": paper}, page="/open/place").status_code == 303
    assert "49 % watched" in other.get(f"/open/{world.course}").text
    assert data(other, world)["resume_ms"] == 30_000
    with station.database.read() as session:
        (event,) = session.scalars(select(Event)).all()
        (place,) = session.scalars(select(LearnerPlace)).all()
        assert (event.actor_uid, event.context, event.org_uid) == (place.uid, "station", world.school)
        assert session.scalars(select(OutboxRow.body).where(OutboxRow.kind == "event")).one()["actor"] == place.uid


def test_the_number_is_shown_once_and_not_kept(passer_by: Reader, station: Installation) -> None:
    paper = number(passer_by).replace(" ", "")
    for path in ("/open", "/open/place"):
        page = passer_by.get(path).text.replace(" ", "")
        assert paper not in page
    with station.database.read() as session:
        place = session.scalars(select(LearnerPlace)).one()
    assert paper not in f"{place.uid}{place.code_key}"


def test_two_at_one_device_have_each_their_own(passer_by: Reader, station: Installation, world: World) -> None:
    number(passer_by)
    watch(passer_by, station, world, 30_000)
    passer_by.post("/open/place/leave", page="/open")
    assert "watched" not in passer_by.get(f"/open/{world.course}").text
    number(passer_by)
    assert data(passer_by, world)["resume_ms"] == 0
    watch(passer_by, station, world, 5_000)
    with station.database.read() as session:
        seen = sorted(row.seen_ms for row in session.scalars(select(Progress)))
    assert seen == [5_000, 30_000]


def test_a_child_who_signs_in_leaves_the_place_of_whoever_was_there(passer_by: Reader, station: Installation, world: World) -> None:
    number(passer_by)
    watch(passer_by, station, world, 30_000)
    passer_by.card(world.dolma_card)
    assert data(passer_by, world)["resume_ms"] == 0
    assert data(passer_by, world)["context"] == "own_device"
    passer_by.post("/sign-out", page="/turn")
    assert data(passer_by, world)["events"] == {"url": "/api/v1/events", "token": None}


def test_a_wrong_number_says_so_and_whoever_tries_many_waits(passer_by: Reader) -> None:
    first = passer_by.post("/open/place", {"number": "123 456 789"}, page="/open/place")
    assert first.status_code == 400
    assert "This number is not known here." in first.text
    for _ in range(19):
        passer_by.post("/open/place", {"number": "123 456 789"}, page="/open/place")
    assert "Too many numbers were tried here." in passer_by.post("/open/place", {"number": "1"}, page="/open/place").text


def test_a_device_makes_no_hundred_places(passer_by: Reader, station: Installation) -> None:
    for _ in range(30):
        number(passer_by)
    assert "Too many numbers were tried here." in passer_by.post("/open/place/new", page="/open/place").text
    assert TooManyTries.status == 429
    with station.database.read() as session:
        assert len(session.scalars(select(LearnerPlace)).all()) == 30


def test_a_course_that_is_closed_again_is_gone_and_its_lesson_asks_for_signing_in(
    passer_by: Reader, station: Installation, world: World
) -> None:
    number(passer_by)
    with station.database.write() as session:
        session.get_one(Course, world.course).audience = "own"
    assert "There is no open course here yet." in passer_by.get("/open").text
    assert passer_by.get(f"/lessons/{world.lesson}").status_code == 401


def test_a_lesson_that_is_taken_back_leaves_the_list(passer_by: Reader, station: Installation, world: World) -> None:
    assert "1 lesson" in passer_by.get("/open").text
    with station.database.write() as session:
        session.get_one(Lesson, world.lesson).state = "withdrawn"
    assert "There is no open course here yet." in passer_by.get("/open").text
