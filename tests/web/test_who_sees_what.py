"""Each sees their own: children their lessons, admins their school, nobody another's page."""

import hashlib
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from eduhub.app import create_app
from eduhub.courses.models import GroupCourse, Lesson
from eduhub.installation import Installation
from eduhub.schools import organisations
from eduhub.schools.models import Enrolment
from tests.web.world import Reader, World, add_adult, as_box, publish

Browser = Callable[[], Reader]


def test_a_child_finds_the_next_lesson_on_the_first_page(browser: Browser, world: World) -> None:
    page = browser().card(world.dolma_card).get("/")
    assert page.status_code == 200
    assert "Why ice floats" in page.text
    assert "Play · 2.6\u00a0MB" in page.text
    assert f"/lessons/{world.lesson}" in page.text


def test_a_child_is_given_a_pass_for_the_lesson_and_no_other_place(browser: Browser, world: World) -> None:
    dolma = browser().card(world.dolma_card)
    page = dolma.get(f"/lessons/{world.lesson}")
    cookie = next(text for text in page.headers.getlist("Set-Cookie") if text.startswith("eduhub_pass="))
    package = page.text.split('"package":"')[1][:64]
    assert f"Path=/p/{package}/" in cookie
    assert "HttpOnly" in cookie
    poster = page.text.split('class="player-still" alt="" src="')[1].split('"')[0]
    with dolma.get(poster) as picture:
        assert picture.status_code == 200
    with browser().get(poster) as refused:
        assert refused.status_code == 403


def test_a_child_of_another_school_does_not_see_the_lesson(browser: Browser, world: World) -> None:
    karma = browser().card(world.stranger_card)
    assert "Why ice floats" not in karma.get("/").text
    refused = karma.get(f"/lessons/{world.lesson}")
    assert refused.status_code == 403
    assert "lesson-data" not in refused.text
    assert karma.get(f"/courses/{world.course}").status_code == 404


def test_a_draft_is_not_shown_to_a_child(browser: Browser, world: World) -> None:
    assert browser().card(world.dolma_card).get(f"/lessons/{world.draft}").status_code == 403


def test_somebody_who_is_not_signed_in_is_asked_to_sign_in(browser: Browser, world: World) -> None:
    page = browser().get(f"/lessons/{world.lesson}")
    assert page.status_code == 401
    assert f"/sign-in?back=/lessons/{world.lesson}" in page.text.replace("%2F", "/")


def test_two_children_on_one_browser_do_not_see_each_others_page(browser: Browser, world: World) -> None:
    shared = browser().card(world.dolma_card)
    first = shared.get("/")
    assert "Dolma" in first.text
    assert first.headers["Cache-Control"].startswith("private")
    assert "Cookie" in first.headers["Vary"]
    shared.post("/sign-out", page="/")
    assert "Dolma" not in shared.get("/", follow_redirects=True).text
    shared.card(world.lhamo_card)
    second = shared.get("/", headers={"If-None-Match": first.headers.get("ETag", "")})
    assert second.status_code == 200
    assert "ལྷ་མོ།" in second.text
    assert "Dolma" not in second.text


def test_the_append_token_of_a_lesson_page_is_the_childs_own(browser: Browser, world: World) -> None:
    def token(card: str) -> str:
        page = browser().card(card).get(f"/lessons/{world.lesson}").text
        return page.split('"token":"')[1].split('"')[0]

    assert token(world.dolma_card) != token(world.lhamo_card)


@pytest.mark.parametrize(
    "address",
    ["/schools/{school}", "/schools/{school}/people", "/schools/{school}/children/new", "/schools/{school}/adults/new",
     "/schools/{school}/groups/new", "/groups/{group}", "/people/{dolma}"],
)  # fmt: skip
def test_the_admin_of_another_school_is_refused(browser: Browser, world: World, address: str) -> None:
    path = address.format(school=world.school, group=world.group, dolma=world.dolma)
    assert browser().sign_in("pema").get(path).status_code == 200
    refused = browser().sign_in("norbu").get(path)
    assert refused.status_code == 403
    assert "Dolma" not in refused.text
    assert browser().card(world.dolma_card).get(path).status_code == 403
    assert browser().get(path).status_code == 401


def test_another_schools_admin_cannot_take_a_child_out_or_issue_a_card(browser: Browser, world: World, installation: Installation) -> None:
    norbu = browser().sign_in("norbu")
    with installation.database.read() as session:
        span = session.scalars(select(Enrolment).where(Enrolment.person_uid == world.dolma)).one().uid
    assert norbu.post(f"/people/{world.dolma}/card").status_code == 403
    assert norbu.post(f"/enrolments/{span}/withdraw", {"reason": "withdrawn", "on": "2026-11-23"}).status_code == 403
    with installation.database.read() as session:
        found = session.get(Enrolment, span)
        assert found is not None
        assert found.ended_on is None


def test_a_child_of_another_school_cannot_be_put_into_a_class_by_its_uid(browser: Browser, world: World) -> None:
    pema = browser().sign_in("pema")
    sent = pema.post(f"/groups/{world.group}/children", {"person_uid": world.stranger}, page=f"/groups/{world.group}")
    assert sent.status_code == 404


def test_a_course_that_is_not_for_the_school_cannot_be_taken(browser: Browser, world: World, installation: Installation) -> None:
    norbu = browser().sign_in("norbu")
    path = f"/groups/{world.other_group}"
    assert norbu.post(f"{path}/courses", {"course_uid": world.course}, page=path).status_code == 403
    with installation.database.read() as session:
        assert session.scalars(select(GroupCourse).where(GroupCourse.group_uid == world.other_group)).all() == []


def test_only_the_operator_sees_the_operators_page(browser: Browser, world: World) -> None:
    assert browser().sign_in("tenzin").get("/operator").status_code == 200
    assert browser().sign_in("pema").get("/operator").status_code == 403


def test_a_teacher_edits_only_courses_on_which_they_have_a_role(browser: Browser, world: World) -> None:
    tashi = browser().sign_in("tashi")
    assert tashi.get(f"/teaching/courses/{world.course}").status_code == 200
    assert browser().sign_in("norbu").get(f"/teaching/courses/{world.course}").status_code == 403


def test_the_operator_of_a_region_sees_its_schools_and_no_others(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        far = organisations.add(session, kind="region", names={"en": "Golog"})
        organisations.add(session, kind="school", names={"en": "Maqen school"}, parent_uid=far.uid)
        add_adult(session, "Sonam", world.region, "region_operator", "organisation", world.region)
    sonam = browser().sign_in("sonam")
    assert sonam.get("/").headers["Location"] == "/operator"
    page = sonam.get("/operator").text
    assert "Shuanghu school" in page
    assert "Nyima school" in page
    assert "Golog" not in page
    assert "Maqen" not in page
    for closed in ("/operator/organisations/new", "/operator/boxes/code"):
        assert closed not in page
        assert sonam.get(closed).status_code == 403
    assert sonam.get(f"/schools/{world.other_school}").status_code == 200


def test_a_teacher_of_one_course_alone_is_not_offered_to_make_another(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        add_adult(session, "Yangchen", world.school, "teacher", "course", world.course)
    yangchen = browser().sign_in("yangchen")
    assert "/teaching/courses/new" not in yangchen.get("/teaching").text
    assert yangchen.get("/teaching/courses/new").status_code == 403
    assert "/teaching/courses/new" in browser().sign_in("tashi").get("/teaching").text


def test_only_whoever_may_change_a_lesson_is_given_its_teachers_parts(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.read() as session:
        lesson = session.get_one(Lesson, world.lesson)
    package = publish(installation, lesson, revision=2, notes=b"n" * 700)
    notes = f"/p/{package}/{hashlib.sha256(b'n' * 700).hexdigest()}"
    with installation.database.write() as session:  # a colleague, who reads whatever the school has
        add_adult(session, "Yangchen", world.school, "teacher", "organisation", world.school)
    for reader, status in ((browser().sign_in("tashi"), 200), (browser().sign_in("pema"), 200),
                           (browser().sign_in("yangchen"), 403), (browser().card(world.dolma_card), 403)):  # fmt: skip
        page = reader.get(f"/lessons/{world.lesson}")
        assert (notes.rsplit("/", 1)[1] in page.text) == (status == 200)
        with reader.get(notes) as answer:
            assert answer.status_code == status


def test_a_class_that_gets_the_teachers_tablet_does_not_find_the_teachers_parts_in_it(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.read() as session:
        lesson = session.get_one(Lesson, world.lesson)
    package = publish(installation, lesson, revision=2, notes=b"n" * 700)
    notes, voice = (f"/p/{package}/{hashlib.sha256(part).hexdigest()}" for part in (b"n" * 700, b"a" * 4000))
    tablet = browser().sign_in("tashi")
    tablet.get(f"/lessons/{world.lesson}")
    assert status(tablet, notes) == 200
    tablet.post("/sign-out", page="/account")
    assert status(tablet, notes) == 403
    tablet.sign_in("tashi").get(f"/lessons/{world.lesson}")
    tablet.card(world.dolma_card).get(f"/lessons/{world.lesson}")
    assert (status(tablet, notes), status(tablet, voice)) == (403, 200)
    tablet.post("/sign-out", page="/account")
    assert status(tablet, voice) == 200, "what a child's device is fetching goes on"


def status(reader: Reader, part: str) -> int:
    with reader.get(part) as answer:
        return answer.status_code


def test_a_box_has_no_pages_of_the_operator_and_the_teacher(installation: Installation, world: World) -> None:
    box: Flask = create_app(installation=as_box(installation, world))
    here = Reader(box.test_client())
    assert here.get("/operator").status_code == 404
    assert here.get("/teaching").status_code == 404
    assert here.get("/sync/v1/stream").status_code == 404  # a mirror gives lessons only
    assert here.get("/").headers["Location"] == "/card"


def test_a_hub_has_no_page_of_the_box(browser: Browser) -> None:
    assert browser().get("/box").status_code == 404
