"""What a school's admin does at the hub works at the school's box too, but for what only the county does."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from eduhub import clock
from eduhub.accounts import credentials, people, roles
from eduhub.app import create_app
from eduhub.courses import editing
from eduhub.courses.models import Lesson
from eduhub.installation import Installation
from eduhub.schools import enrolment, groups, organisations
from eduhub.sync.models import Upstream
from eduhub.uids import new_uid
from tests.web.world import BEGAN, PASSWORD, Reader

FIVE_DAYS_S = 5 * 24 * 3600 + 1
MONDAY = "2026-11-23"


@dataclass
class Box:
    """A box with an admin, a teacher, a class of one child, and a course."""

    installation: Installation
    school: str
    group: str
    dolma: str
    tashi: str
    lesson: str

    def reader(self) -> Reader:
        return Reader(create_app(installation=self.installation).test_client()).sign_in("pema")


@pytest.fixture
def box(make_installation: Callable[..., Installation]) -> Box:
    made = make_installation(role="node")
    with made.database.write() as session:
        school = organisations.add(session, kind="school", names={"en": "Shuanghu school"}).uid
        for name, role in (("Pema", "school_admin"), ("Tashi", "teacher")):
            adult = people.add(session, org_uid=school, name=name, sign_in_name=name.lower())
            roles.grant(
                session, person_uid=adult.uid, role=role, scope_kind="organisation", scope_uid=school, org_uid=school,
                starts_on=BEGAN,
            )
        credentials.set_password(session, people.called(session, "pema")[0].uid, PASSWORD)
        group = groups.add(session, org_uid=school, stage="primary", intake_year=2024, class_number=2).uid
        dolma = people.add(session, org_uid=school, name="Dolma").uid
        enrolment.enrol(session, person_uid=dolma, group_uid=group, starts_on=BEGAN)
        course = editing.add_course(session, org_uid=school, titles={"en": "Science"}).uid
        editing.give_course(session, group_uid=group, course_uid=course, starts_on=BEGAN)
        lesson = editing.add_lesson(session, course_uid=course, titles={"en": "Ice"}, language="en").uid
        session.get_one(Lesson, lesson).state = "published"
        tashi = people.called(session, "tashi")[0].uid
        session.add(Upstream(
            url="http://hub.example", priority=1, node_uid=new_uid(), hub_uid=new_uid(), certificate={}, stream_sequence=0,
            stream_epoch=1, change_seq_sent=0, hub_time_ms=clock.now_ms() - FIVE_DAYS_S * 1000,
            hub_time_steady_s=int(made.steady.now_s()) - FIVE_DAYS_S,
            last_contact_ms=1, last_error=None,
        ))  # fmt: skip
    return Box(made, school, group, dolma, tashi, lesson)


def test_every_page_of_the_school_opens_at_its_box(box: Box) -> None:
    pema = box.reader()
    for path in (
        f"/schools/{box.school}", f"/schools/{box.school}/people", f"/schools/{box.school}/history", f"/groups/{box.group}",
        f"/groups/{box.group}/weeks/{MONDAY}", f"/groups/{box.group}/cards", f"/people/{box.dolma}", f"/people/{box.tashi}",
        f"/people/{box.dolma}/edit", f"/people/{box.dolma}/leave",
    ):  # fmt: skip
        assert pema.get(path).status_code == 200, path
    assert "The county has not been reached for 5 days" in pema.get(f"/schools/{box.school}").text
    assert "Erase for good" not in pema.get(f"/people/{box.dolma}").text


def test_the_week_is_planned_and_undone_at_the_box(box: Box) -> None:
    pema, path = box.reader(), f"/groups/{box.group}/weeks/{MONDAY}"
    done = pema.post(path, {"lesson_uid": box.lesson, "day": MONDAY, "period": "3"}, page=path, follow_redirects=True)
    assert 'class="planned"' in done.text
    act = re.findall(r'name="act" value="([^"]+)"', done.text)
    pema.post(f"/schools/{box.school}/history/undo", {"act": act}, page=path)
    assert 'class="planned"' not in pema.get(path).text


def test_a_teachers_task_is_the_countys_to_end(box: Box) -> None:
    pema = box.reader()
    with box.installation.database.read() as session:
        grant = roles.of(session, box.tashi, MONDAY)[0].uid
    page = pema.get(f"/people/{box.tashi}").text
    assert f"/roles/{grant}/end" not in page
    assert pema.post(f"/roles/{grant}/end", page=f"/people/{box.tashi}").status_code == 409
    assert "this is done at the county" in pema.get(f"/schools/{box.school}/history?kind=people").text
