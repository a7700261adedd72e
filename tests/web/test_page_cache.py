"""What is kept for many never shows one to another, and never shows what is over."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from eduhub import changes, clock
from eduhub.accounts import roles, sign_ins
from eduhub.accounts.models import RoleGrant, SignIn
from eduhub.app import create_app
from eduhub.courses import editing, plan
from eduhub.courses.models import Lesson
from eduhub.delivery import holding, keys
from eduhub.installation import Installation
from eduhub.learning import events, progress
from eduhub.schools import enrolment
from eduhub.schools.models import Enrolment
from eduhub.uids import new_uid
from eduhub.web.learning import catalogue
from tests.web.world import Reader, World, as_box, publish, settle

Browser = Callable[[], Reader]


class Kept:
    """A browser that keeps one page and asks whether it still holds."""

    def __init__(self, reader: Reader, path: str) -> None:
        self.reader, self.path = reader, path
        self.first = reader.get(path)
        assert self.first.status_code == 200, self.first.text
        assert self.holds(), "nothing was changed yet"

    def again(self) -> TestResponse:
        return self.reader.get(self.path, headers={"If-None-Match": self.first.headers["ETag"]})

    def holds(self) -> bool:
        answer = self.again()
        assert answer.status_code in {200, 304}
        return answer.status_code == 304


@pytest.fixture
def dolma(browser: Browser, world: World) -> Reader:
    return browser().card(world.dolma_card)


@pytest.fixture
def wall_clock() -> Iterator[None]:
    """The wall clock runs again afterwards."""
    yield
    clock.freeze(None)


@pytest.fixture(params=["/", "/courses/{course}"])
def path(request: pytest.FixtureRequest, world: World) -> str:
    return str(request.param).format(course=world.course)


@pytest.fixture
def second_lesson(installation: Installation, world: World) -> str:
    """One more lesson of the course, so that no list is empty without the first."""
    with installation.database.write() as session:
        made = editing.add_lesson(session, course_uid=world.course, titles={"en": "Why steam rises"}, language="en")
    publish(installation, made)
    return made.uid


@pytest.mark.usefixtures("second_lesson")
def test_an_untouched_page_is_not_made_again(dolma: Reader, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(dolma, path)
    monkeypatch.setattr(catalogue, "of_person", lambda *_arguments: pytest.fail("it was looked up"))
    answer = kept.again()
    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["ETag"] == kept.first.headers["ETag"]
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert {"Cookie", "Accept-Language"} <= set(answer.vary)


def test_a_form_of_a_page_that_was_kept_still_works(dolma: Reader, world: World) -> None:
    kept = Kept(dolma, "/")
    token = kept.first.text.split('name="csrf_token" value="')[1].split('"')[0]
    assert kept.holds()
    answer = dolma.client.post("/language", data={"csrf_token": token, "language": "bo", "back": "/"})
    assert answer.status_code == 303
    assert not kept.holds(), "the page speaks another language now"
    assert 'lang="bo"' in kept.again().text


def test_a_child_of_another_class_sees_its_own_page(browser: Browser, world: World, dolma: Reader) -> None:
    kept = Kept(dolma, "/")
    karma = browser().card(world.stranger_card)
    answer = karma.get("/", headers={"If-None-Match": kept.first.headers["ETag"]})
    assert answer.status_code == 200
    assert "Why ice floats" not in answer.text
    assert "Dolma" not in answer.text


def test_two_children_of_one_class_share_the_lessons_and_nothing_else(
    browser: Browser, world: World, dolma: Reader, installation: Installation
) -> None:
    watch(installation, world, world.dolma, 30_000)
    first = dolma.get("/")
    assert "49 % watched" in first.text
    second = browser().card(world.lhamo_card).get("/", headers={"If-None-Match": first.headers["ETag"]})
    assert second.status_code == 200
    assert "ལྷ་མོ།" in second.text
    assert "Why ice floats" in second.text
    assert "watched" not in second.text
    assert "Dolma" not in second.text


def test_the_next_child_at_the_same_browser_gets_no_304_from_the_last_ones_page(browser: Browser, world: World) -> None:
    shared = browser().card(world.dolma_card)
    kept = Kept(shared, "/")
    shared.post("/sign-out", page="/")
    signed_out = shared.get("/", headers={"If-None-Match": kept.first.headers["ETag"]})
    assert signed_out.status_code == 303
    shared.card(world.lhamo_card)
    assert "ལྷ་མོ།" in kept.again().text
    shared.post("/sign-out", page="/")
    shared.card(world.dolma_card)
    assert not kept.holds(), "another sign-in has other tokens, also for the same child"


def test_what_a_child_watched_stands_on_the_next_page(
    dolma: Reader, world: World, path: str, installation: Installation, second_lesson: str
) -> None:
    kept = Kept(dolma, path)
    watch(installation, world, world.lhamo, 30_000)
    assert kept.holds(), "what another child does is nothing to this one"
    watch(installation, world, world.dolma, 30_000)
    assert "49 % watched" in kept.again().text


def test_a_child_who_left_the_class_sees_its_lessons_no_more(dolma: Reader, world: World, installation: Installation) -> None:
    kept = Kept(dolma, "/")
    with installation.database.write() as session:
        span = session.scalars(select(Enrolment).where(Enrolment.person_uid == world.dolma)).one()
        enrolment.withdraw(session, span.uid, clock.today("Asia/Shanghai"), "withdrawn")
    assert "Why ice floats" not in kept.again().text
    assert dolma.get(f"/courses/{world.course}").status_code == 404


def test_a_lesson_comes_and_goes_with_publishing(dolma: Reader, world: World, path: str, installation: Installation) -> None:
    kept = Kept(dolma, path)
    with installation.database.write() as session:
        made = editing.add_lesson(session, course_uid=world.course, titles={"en": "Why steam rises"}, language="en")
    assert "Why steam rises" not in kept.again().text
    package = publish(installation, made)
    shown = Kept(dolma, path)
    assert "Why steam rises" in shown.first.text
    with installation.database.write() as session:  # its bytes only: nothing that travels is written
        holding.withdraw(session, package)
    assert "Why steam rises" not in shown.again().text


def test_a_part_that_arrives_or_goes_is_seen(dolma: Reader, world: World, installation: Installation) -> None:
    kept = Kept(dolma, "/")
    with installation.database.write() as session:
        lesson = session.get_one(Lesson, world.lesson)
        package = holding.current(session, lesson.uid)
        assert package is not None
        session.expunge_all()
    with installation.database.write() as session:
        holding.retire(session, now_steady_s=0, pass_hours=1)
    assert kept.holds(), "nothing was withdrawn or superseded"
    with installation.database.write() as session:
        holding.withdraw(session, package.id)
        holding.retire(session, now_steady_s=0, pass_hours=1)
    assert "Why ice floats" not in kept.again().text


def test_what_was_taken_back_before_the_commit_changes_nothing(dolma: Reader, world: World, installation: Installation) -> None:
    kept = Kept(dolma, "/")
    with pytest.raises(ZeroDivisionError), installation.database.write() as session:  # noqa: PT012
        session.get_one(Lesson, world.lesson).state = "withdrawn"
        session.flush()
        raise ZeroDivisionError
    assert kept.holds()


def test_a_row_that_was_removed_without_a_word_is_gone_from_the_page(
    dolma: Reader, world: World, installation: Installation, second_lesson: str
) -> None:
    """As on a box from which a course was taken: its row goes, and the log gets shorter."""
    kept = Kept(dolma, "/")
    with installation.database.write() as session:
        changes.erase_values(session, "lesson", world.lesson)
    assert "Why ice floats" not in kept.again().text


def test_the_plan_of_the_next_day_is_shown_on_the_next_day(
    dolma: Reader, world: World, installation: Installation, second_lesson: str, wall_clock: None
) -> None:
    with installation.database.write() as session:
        plan.add(session, group_uid=world.group, lesson_uid=second_lesson, day="2026-12-08", period=3)
    at("2026-11-30T12:00")
    kept = Kept(dolma, "/")
    assert "In your plan" not in kept.first.text
    at("2026-11-30T23:00")  # the first of December at the school
    assert "In your plan" in kept.again().text


def test_a_page_ends_with_the_role_it_was_for(browser: Browser, world: World, installation: Installation) -> None:
    tashi = browser().sign_in("tashi")
    kept = Kept(tashi, "/teaching")
    assert "Science" in kept.first.text
    with installation.database.write() as session:
        for grant in session.scalars(select(RoleGrant).where(RoleGrant.role == "teacher")):
            roles.end(session, grant.uid, clock.today("Asia/Shanghai"))
    assert kept.reader.get("/teaching", headers={"If-None-Match": kept.first.headers["ETag"]}).status_code == 403


def test_a_page_ends_with_the_sign_in_wherever_it_was_ended(
    dolma: Reader, world: World, path: str, installation: Installation
) -> None:
    kept = Kept(dolma, path)
    with installation.database.write() as session:
        sign_ins.end_all(session, world.dolma)
        assert session.scalars(select(SignIn).where(SignIn.ended_ms.is_(None))).first() is None
    refused = dolma.get(path, headers={"If-None-Match": kept.first.headers["ETag"]})
    assert refused.status_code in {303, 401}
    assert "Dolma" not in refused.text


def test_a_teacher_and_a_child_get_their_own_of_one_address(browser: Browser, world: World, dolma: Reader) -> None:
    kept = Kept(dolma, f"/courses/{world.course}")
    tashi = browser().sign_in("tashi")
    headers = {"If-None-Match": kept.first.headers["ETag"]}
    assert tashi.get(kept.path, headers=headers).status_code == 404, "he takes no course himself"
    assert tashi.get("/", headers=headers).headers["Location"] == "/teaching"


def test_a_word_that_is_shown_once_is_not_on_a_kept_page(dolma: Reader) -> None:
    kept = Kept(dolma, "/")
    with dolma.client.session_transaction() as session:
        session["_flashes"] = [("message", "Saved.")]
    told = kept.again()
    assert told.status_code == 200
    assert "Saved." in told.text
    assert kept.holds()


def test_another_release_or_template_makes_every_page_anew(dolma: Reader, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(dolma, "/")
    monkeypatch.setattr("eduhub.web.kept._release", lambda: "another")
    assert not kept.holds()


def test_a_box_that_is_told_other_hours_to_fetch_says_them_on_the_next_page(
    make_installation: Callable[..., Installation],
) -> None:
    box = make_installation(role="node", sync_window="22:00-06:00")
    with box.database.write() as session:
        keys.make_hub_keys(session, box.keys)
    world = settle(box)
    as_box(box, world)
    reader = Reader(create_app(installation=box).test_client())
    kept = Kept(reader.card(world.dolma_card), "/")
    later = replace(box, settings=replace(box.settings, sync_window="01:00-05:00"))  # the same box, started again
    kept.reader.client.application = create_app(installation=later)
    assert not kept.holds()


def test_thirty_children_who_open_the_page_at_once_make_its_lessons_once(
    app: Flask, world: World, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    real = catalogue._of_groups
    monkeypatch.setattr(catalogue, "_of_groups", lambda *arguments: (made.append(1), real(*arguments))[1])
    readers = [Reader(app.test_client()).card(world.dolma_card if one % 2 else world.lhamo_card) for one in range(10)]
    start = threading.Barrier(10)
    names: list[bool] = []

    def open_it(number: int) -> None:
        start.wait()
        page = readers[number].get("/").text
        names.append(("Dolma" in page) is bool(number % 2) and ("ལྷ་མོ།" in page) is not bool(number % 2))

    threads = [threading.Thread(target=open_it, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == [True] * 10
    assert made == [1]


# --- what tests do ------------------------------------------------------------------


def watch(installation: Installation, world: World, person_uid: str, until_ms: int) -> None:
    """A child watches the lesson from its beginning."""
    with installation.database.write() as session:
        lesson = session.get_one(Lesson, world.lesson)
        made = {
            "uid": new_uid(), "kind": "watched", "version": 1, "org": world.school, "actor": person_uid, "subjects": [person_uid],
            "context": "own_device", "lesson": lesson.uid, "timeline": lesson.timeline_uid, "part": None, "from_ms": 0,
            "to_ms": until_ms, "watched_ms": until_ms, "stalls": 0, "made_ms": 1_790_000_000_000,
        }  # fmt: skip
        appended = events.append(session, [made], source=changes.machine_uid(session), hub=True)
        assert len(appended.accepted) == 1, appended
        for row in appended.accepted:
            progress.apply(session, row)


def at(utc: str) -> None:
    """Set the wall clock."""
    clock.freeze(int(datetime.fromisoformat(f"{utc}+00:00").timestamp() * 1000))
