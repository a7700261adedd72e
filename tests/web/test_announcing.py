"""What the page's script may ask for while it sends: only for one's own courses, and never a second file for one place."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from eduhub.courses.models import Lesson, LessonSource
from eduhub.installation import Installation
from eduhub.media import intents
from tests.web.world import Reader, World

Browser = Callable[[], Reader]


def told(page: str) -> dict[str, Any]:
    """What the page tells its script."""
    found = re.search(r'<script type="application/json" id="upload-data">(.*?)</script>', page)
    assert found
    return dict(json.loads(found[1]))


def test_a_lessons_page_tells_where_its_one_file_goes_and_the_same_again_later(
    browser: Browser, world: World, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    path = f"/teaching/lessons/{world.draft}"
    for _ in range(2):  # pressed twice: one file is awaited
        tashi.post(f"{path}/video", page=path)
    first, second = told(tashi.get(path).text), told(tashi.get(path).text)
    assert first["target"]["url"] == second["target"]["url"]
    intent = intents.read(installation.keys.secret, first["target"]["token"], installation.steady.now_s())
    assert first["target"]["url"] == f"/media/uploads/{intent.source_uid}"
    assert (intent.lesson_uid, intent.light) == (world.draft, False)
    assert first["target"]["session"] is None


def test_a_small_copy_is_announced_once_and_only_beside_a_file_on_its_way(
    browser: Browser, world: World, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    path = f"/teaching/lessons/{world.draft}"
    assert tashi.post(f"{path}/light", page=path).status_code == 404
    tashi.post(f"{path}/video", page=path)
    answers = [tashi.post(f"{path}/light", page=path).json for _ in range(2)]
    assert answers[0]["target"]["url"] == answers[1]["target"]["url"] != told(tashi.get(path).text)["target"]["url"]
    intent = intents.read(installation.keys.secret, answers[0]["target"]["token"], installation.steady.now_s())
    assert intent.light
    with installation.database.read() as session:
        purposes = session.scalars(select(LessonSource.purpose).where(LessonSource.lesson_uid == world.draft)).all()
    assert sorted(purposes) == ["light", "master"]


def test_a_dropped_file_becomes_a_lesson_at_the_end_of_the_course(
    browser: Browser, world: World, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    path = f"/teaching/courses/{world.course}"
    made = tashi.post(f"{path}/videos", {"title": "07 Snow", "language": "bo"}, page=path).json
    assert made["title"] == "07 Snow"
    assert tashi.get(made["page"]).status_code == 200
    with installation.database.read() as session:
        last = session.scalars(select(Lesson).where(Lesson.course_uid == world.course).order_by(Lesson.position.desc())).first()
        assert last is not None
        assert (last.titles, last.language) == ({"bo": "07 Snow"}, "bo")
    assert tashi.post(f"{path}/videos", {"title": " ", "language": "bo"}, page=path).status_code == 400


@pytest.mark.parametrize("name", ["norbu", "pema"])
def test_only_who_edits_the_course_may_announce(name: str, browser: Browser, world: World, installation: Installation) -> None:
    somebody = browser().sign_in(name)
    may = name == "pema"  # the admin of the course's own school
    with installation.database.read() as session:
        before = session.scalar(select(func.count()).select_from(LessonSource))
    sent = {"title": "07 Snow", "language": "bo"}
    answer = somebody.post(f"/teaching/courses/{world.course}/videos", sent, page="/schools/" + (world.school if may else world.other_school))
    assert (answer.status_code == 200) is may
    with installation.database.read() as session:
        assert (session.scalar(select(func.count()).select_from(LessonSource)) == before) is not may
