"""Write the demo's region, schools, people, groups, courses and plan. One transaction, no media."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts import credentials, people, roles
from eduhub.courses import editing, plan
from eduhub.courses.models import PlanRow
from eduhub.ops.demo.lectures import CLEAN_WATER, ICE, WATER, Lecture
from eduhub.ops.demo.people import ADULTS, CHILDREN, INTAKE_AGE_YEARS, REGION, SCHOOLS, Adult
from eduhub.schools import enrolment, groups, organisations
from eduhub.schools.models import Group, SchoolCalendar

_FRIDAY = 4


@dataclass(frozen=True)
class SignIn:
    """One row of the table of demo sign-ins."""

    who: str
    role: str
    school: str
    how: str  # "name / password", or the code of a card


@dataclass(frozen=True)
class DemoSchool:
    """What the loader must remember of it."""

    first_person_uid: str
    lesson_uids: dict[str, str]  # by the key of the lecture
    sign_ins: list[SignIn]

    def as_json(self) -> dict[str, Any]:
        """For the file beside the data."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "DemoSchool":
        """The reverse."""
        return cls(
            found["first_person_uid"], dict(found["lesson_uids"]), [SignIn(**row) for row in found["sign_ins"]]
        )


class _Places:
    """The organisations and groups, by the keys of people.py."""

    def __init__(self, session: Session) -> None:
        self.region = organisations.add(session, kind="region", names=REGION).uid
        self.schools = {
            key: organisations.add(session, kind="school", names=names, parent_uid=self.region).uid
            for key, names in SCHOOLS.items()
        }
        self.groups: dict[str, str] = {}
        for key, uid in self.schools.items():
            calendar = session.get(SchoolCalendar, uid)
            assert calendar is not None
            intake = calendar.current_school_year - INTAKE_AGE_YEARS
            group = groups.add(session, org_uid=uid, stage="primary", intake_year=intake, class_number=1)
            self.groups[key] = group.uid


def write(session: Session) -> DemoSchool:
    """Write it all."""
    places = _Places(session)
    since = (clock.now().date() - timedelta(days=1)).isoformat()  # a day ago in every time zone
    science, lesson_uids = _courses(session, places)
    adult_uids, sign_ins = [], []
    for adult in ADULTS:
        uid = _add_adult(session, places, adult, science, since)
        adult_uids.append(uid)
        school = SCHOOLS[adult.school]["en"] if adult.school else REGION["en"]
        sign_ins.append(SignIn(adult.name, adult.role, school, f"{adult.sign_in_name} / {adult.password}"))
    sign_ins += _add_children(session, places, since)
    for key in SCHOOLS:
        editing.give_course(session, group_uid=places.groups[key], course_uid=science, starts_on=since)
    demo = DemoSchool(adult_uids[0], lesson_uids, sign_ins)
    for group_uid in places.groups.values():
        plan_this_week(session, demo, group_uid)
    return demo


def plan_this_week(session: Session, demo: DemoSchool, group_uid: str) -> None:
    """Plan the present week of a demo group, if nothing is planned on a day of it."""
    org_uid = session.get_one(Group, group_uid).org_uid
    today = date.fromisoformat(plan.school_day(session, org_uid, clock.now()))
    monday = today - timedelta(days=today.weekday())
    planned = plan.for_group(session, group_uid, monday.isoformat(), (monday + timedelta(days=6)).isoformat())
    if any(row.day is not None for row in planned):
        return
    has_next = bool(planned)
    for lesson, day, period in _week(today):
        if day is not None or not has_next:
            plan.add(session, group_uid=group_uid, lesson_uid=demo.lesson_uids[lesson.key], day=day, period=period)


def groups_of(session: Session, demo: DemoSchool) -> list[str]:
    """The groups that the demo's lessons were ever planned for."""
    planned = select(PlanRow.group_uid).where(PlanRow.lesson_uid.in_(demo.lesson_uids.values()))
    return sorted(set(session.scalars(planned)))


def _courses(session: Session, places: _Places) -> tuple[str, dict[str, str]]:
    science = editing.add_course(
        session, org_uid=places.schools["shuanghu"], audience="listed", listed_org_uids=[places.schools["nyima"]],
        titles={"zh": "科学 四年级", "en": "Science, fourth year", "bo": "ཚན་རིག ལོ་རིམ་བཞི་པ།"},
    )  # fmt: skip
    health = editing.add_course(
        session, org_uid=places.region, audience="open",
        titles={"zh": "健康生活", "en": "Healthy living", "bo": "བདེ་ཐང་གི་འཚོ་བ།"},
    )  # fmt: skip
    water = editing.add_unit(session, course_uid=science.uid, titles={"zh": "水", "en": "Water", "bo": "ཆུ།"})
    home = editing.add_unit(session, course_uid=health.uid, titles={"zh": "在家里", "en": "At home", "bo": "ཁྱིམ་དུ།"})
    wanted = ((WATER, science.uid, water.uid), (ICE, science.uid, water.uid), (CLEAN_WATER, health.uid, home.uid))
    lessons = {
        lecture.key: editing.add_lesson(
            session, course_uid=course, unit_uid=unit, titles=lecture.titles, texts=lecture.texts,
            language=lecture.language,
        ).uid
        for lecture, course, unit in wanted
    }  # fmt: skip
    return science.uid, lessons


def _add_adult(session: Session, places: _Places, adult: Adult, course_uid: str, since: str) -> str:
    home = places.schools[adult.school] if adult.school else places.region
    person = people.add(
        session, org_uid=home, name=adult.name, sign_in_name=adult.sign_in_name, language=adult.language
    )
    credentials.set_password(session, person.uid, adult.password)
    scopes: dict[str, tuple[str, str | None]] = {
        "all": ("all", None),
        "region": ("organisation", places.region),
        "course": ("course", course_uid),
        "group": ("group", places.groups.get(adult.school or "")),
    } | {key: ("organisation", uid) for key, uid in places.schools.items()}
    kind, scope_uid = scopes[adult.scope]
    wanted = [(kind, scope_uid)]
    if adult.scope == "course":  # whoever teaches a course also works at the school
        wanted.append(("organisation", home))
    for scope_kind, uid in wanted:
        roles.grant(
            session, person_uid=person.uid, role=adult.role, scope_kind=scope_kind, scope_uid=uid, org_uid=home,
            starts_on=since,
        )  # fmt: skip
    return person.uid


def _add_children(session: Session, places: _Places, since: str) -> Iterator[SignIn]:
    for key, children in CHILDREN.items():
        for name, language in children:
            child = people.add(session, org_uid=places.schools[key], name=name, language=language)
            roles.grant(
                session, person_uid=child.uid, role="student", scope_kind="organisation",
                scope_uid=places.schools[key], org_uid=places.schools[key], starts_on=since,
            )  # fmt: skip
            enrolment.enrol(session, person_uid=child.uid, group_uid=places.groups[key], starts_on=since)
            yield SignIn(name, "student", SCHOOLS[key]["en"], f"card {credentials.issue_card(session, child.uid)}")


def _week(today: date) -> Iterator[tuple[Lecture, str | None, int | None]]:
    """This week's plan: one lesson today, the other on Friday, or 'next' when the week is over."""
    yield WATER, today.isoformat(), 2
    friday = today + timedelta(days=_FRIDAY - today.weekday())
    if friday > today:
        yield ICE, friday.isoformat(), 3
    else:
        yield ICE, None, None
