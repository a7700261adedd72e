"""A course's admin has its lessons reviewed; the teacher hands in, the reviewer publishes or sends back with a word."""

import re
from collections.abc import Callable

import pytest

from eduhub.courses import materials
from eduhub.courses.models import Lesson, LessonReview
from eduhub.installation import Installation
from tests.courses.conftest import prepare
from tests.web.world import Reader, World, add_adult, hidden

Browser = Callable[[], Reader]


@pytest.fixture
def reviewed(installation: Installation, world: World, browser: Browser) -> World:
    """Pema has the course reviewed by Sonam; the draft has its recording."""
    with installation.database.write() as session:
        add_adult(session, "Sonam", world.school, "reviewer", "organisation", world.school)
        add_adult(session, "Nyima", world.other_school, "reviewer", "organisation", world.other_school)
        prepare(session, installation, world.draft)
    course = f"/teaching/courses/{world.course}"
    pema = browser().sign_in("pema")
    assert pema.post(f"{course}/review", {"asks": "yes"}, page=course).status_code == 303
    return world


def test_a_lesson_goes_from_the_teacher_to_the_reviewer_and_back_and_out(
    reviewed: World, browser: Browser, installation: Installation
) -> None:
    tashi, sonam = browser().sign_in("tashi"), browser().sign_in("sonam")
    page, review = f"/teaching/lessons/{reviewed.draft}", f"/reviewing/lessons/{reviewed.draft}"
    assert "Hand in for review" in tashi.get(page).text
    assert "Nothing waits for you." in sonam.get("/reviewing").text
    tashi.post(f"{page}/publish", page=page)
    assert "waits for the reviewer" in tashi.get(page).text
    assert sonam.get("/", follow_redirects=True).text.count("Steam") == 1
    refused = sonam.post(f"{review}/back", {"word": ""}, page=review)
    assert refused.status_code == 400
    assert "Write what should be changed." in refused.text
    sonam.post(f"{review}/back", {"word": "The sound is too low."}, page=review)
    assert "The sound is too low." in tashi.get(page).text
    assert "The sound is too low." in tashi.get("/teaching").text
    tashi.post(f"{page}/publish", page=page)
    assert sonam.post(f"{review}/publish", {"seen": hidden(sonam.get(review).text, "seen")}, page=review).status_code == 303
    with installation.database.read() as session:
        assert session.get_one(Lesson, reviewed.draft).state == "published"
    assert sonam.post(f"{review}/publish", page="/reviewing").status_code == 404  # from a page that is old


def test_a_teacher_cannot_publish_or_switch_review_off_and_a_reviewer_elsewhere_sees_nothing(
    reviewed: World, browser: Browser, installation: Installation
) -> None:
    tashi, nyima = browser().sign_in("tashi"), browser().sign_in("nyima")
    page = f"/teaching/lessons/{reviewed.draft}"
    tashi.post(f"{page}/publish", page=page)
    assert tashi.post(f"/reviewing/lessons/{reviewed.draft}/publish", page=page).status_code == 403
    assert tashi.post(f"/teaching/courses/{reviewed.course}/review", {"asks": "no"}, page=page).status_code == 403
    assert "Steam" not in nyima.get("/reviewing").text
    assert nyima.get(f"/reviewing/lessons/{reviewed.draft}").status_code == 403
    with installation.database.read() as session:
        assert session.get_one(Lesson, reviewed.draft).state == "draft"


def test_changed_words_of_a_published_lesson_wait_and_are_still_in_the_form(
    reviewed: World, browser: Browser, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    words = f"/teaching/lessons/{reviewed.lesson}/words"
    tashi.post(words, {"language": "zh", "title_zh": "冰", "title_en": "Ice floats on water"}, page=words)
    assert "Ice floats on water" in tashi.get(words).text
    with installation.database.read() as session:
        assert session.get_one(Lesson, reviewed.lesson).titles["en"] == "Why ice floats"
        assert session.get_one(LessonReview, reviewed.lesson).state == "waiting"
    assert "Ice floats on water" in browser().sign_in("sonam").get(f"/reviewing/lessons/{reviewed.lesson}").text


def change(installation: Installation, lesson_uid: str, what: str) -> None:
    """Tashi changes something of a lesson that waits."""
    with installation.database.write() as session:
        lesson = session.get_one(Lesson, lesson_uid)
        if what == "another recording":
            prepare(session, installation, lesson_uid, "take 2")
        elif what == "other words":
            lesson.titles = {"en": "Steam and fog"}
        else:
            materials.set_captions(session, installation.blobs, lesson_uid, "en", b"00:01.000 --> 00:02.000\nsteam\n")


@pytest.mark.parametrize("what", ["another recording", "other words", "captions"])
def test_what_changed_since_the_reviewer_looked_is_said_and_asked_again(
    reviewed: World, browser: Browser, installation: Installation, what: str
) -> None:
    page, review = f"/teaching/lessons/{reviewed.draft}", f"/reviewing/lessons/{reviewed.draft}"
    browser().sign_in("tashi").post(f"{page}/publish", page=page)
    sonam = browser().sign_in("sonam")
    seen = hidden(sonam.get(review).text, "seen")
    change(installation, reviewed.draft, what)
    answer = sonam.post(f"{review}/publish", {"seen": seen}, page=review)
    assert answer.status_code == 409
    assert "has changed since you looked at it" in answer.text
    with installation.database.read() as session:
        assert session.get_one(Lesson, reviewed.draft).state == "draft"
        assert session.get_one(LessonReview, reviewed.draft).state == "waiting"
    asked_again = hidden(answer.text, "seen")
    assert asked_again != seen
    assert sonam.post(f"{review}/publish", {"seen": asked_again}, page=review).status_code == 303


def test_whoever_comes_back_from_an_older_preview_is_told_so(
    reviewed: World, browser: Browser, installation: Installation
) -> None:
    page = f"/teaching/lessons/{reviewed.draft}"
    browser().sign_in("tashi").post(f"{page}/publish", page=page)
    sonam = browser().sign_in("sonam")
    back = re.search(rf'href="(/reviewing/lessons/{reviewed.draft}\?seen=[0-9a-f]+)"', sonam.get(f"{page}/preview").text)
    assert back
    assert sonam.get(back[1]).status_code == 200
    change(installation, reviewed.draft, "another recording")
    assert "has changed since you looked at it" in sonam.get(back[1]).text
