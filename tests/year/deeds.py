"""What people do at a machine, through the functions that its pages call, and what they are told when it is done.

Each deed takes the machine's installation, a source of chance and `tell`, which is called after the commit: what was told
must not be lost. Who and what it is about is drawn from what that machine itself holds.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.accounts import credentials, people
from eduhub.accounts.models import Person, RoleGrant
from eduhub.courses import plan
from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow
from eduhub.delivery import keys
from eduhub.delivery.models import PackageRow
from eduhub.errors import EduHubError
from eduhub.installation import Installation
from eduhub.learning import events, progress
from eduhub.rosters import consent, erasing, moving
from eduhub.schools import calendars
from eduhub.schools.models import Enrolment, Group, Organisation, SchoolCalendar, Site
from eduhub.sync.allowance import policies, schedule_clock
from eduhub.sync.boxes import joining
from eduhub.sync.homeward import outbox
from eduhub.sync.models import CoursePolicy, SitePolicy
from eduhub.uids import new_uid
from tests.year import lessons

Tell = Callable[[dict[str, Any]], None]
Deed = Callable[[Installation, random.Random, Tell], None]
STEP_MS = 5_000


# --- at a box -----------------------------------------------------------------------


def learn(here: Installation, lot: random.Random, tell: Tell) -> None:
    """A lesson: some children watch, each sends what was watched in a batch or two."""
    with here.database.read() as session:
        node = joining.own_node(session)
        shown = session.scalars(
            select(PackageRow).where(PackageRow.floor_held.is_(True), PackageRow.withdrawn.is_(False)).order_by(PackageRow.id)
        ).all()
        children = _children(session, node.org_uid if node else "")
        teachers = session.scalars(select(RoleGrant.person_uid).where(RoleGrant.role == "teacher")).all()
    if node is None or not shown or not children:
        return
    package = lot.choice(shown)
    for child in lot.sample(children, min(len(children), lot.randrange(1, 4))):
        batch = _stretches(node.org_uid, child, package, lot)
        if teachers and lot.random() < 0.1:  # on the class's screen, and the teacher says who was there
            subjects = sorted(lot.sample(children, min(3, len(children))))
            batch.append(_watched(node.org_uid, teachers[0], package, lot) | {"subjects": subjects, "context": "class_screen"})
        if lot.random() < 0.5:
            _send(here, batch[:1], tell)  # and the rest a little later
        _send(here, batch, tell)
        if lot.random() < 0.15:
            _send(here, batch, tell)  # the phone has not heard the answer


def _stretches(org_uid: str, child: str, package: PackageRow, lot: random.Random) -> list[dict[str, Any]]:
    """Some reports of a player, most of which follow the one before without a gap."""
    batch = [_watched(org_uid, child, package, lot)]
    for _ in range(lot.randrange(0, 4)):
        after = _watched(org_uid, child, package, lot)
        from_ms = batch[-1]["to_ms"]
        if lot.random() < 0.6 and from_ms < lessons.LENGTH_MS:
            after |= {"from_ms": from_ms, "to_ms": from_ms + STEP_MS, "watched_ms": STEP_MS}
        batch.append(after)
    return batch


def _watched(org_uid: str, person_uid: str, package: PackageRow, lot: random.Random) -> dict[str, Any]:
    from_ms = STEP_MS * lot.randrange(0, 11)
    to_ms = min(lessons.LENGTH_MS, from_ms + STEP_MS * lot.randrange(1, 6))
    return {
        "uid": new_uid(), "kind": "watched", "version": 1, "org": org_uid, "actor": person_uid, "subjects": [],
        "context": "own_device", "lesson": package.lesson_uid, "timeline": package.timeline_uid, "part": None,
        "from_ms": from_ms, "to_ms": to_ms, "watched_ms": to_ms - from_ms, "stalls": 0, "made_ms": clock.now_ms(),
    }  # fmt: skip


def _send(here: Installation, batch: list[dict[str, Any]], tell: Tell) -> None:
    """As api/learning.py takes a batch."""
    with here.database.read() as session:
        judged = events.judge(session, batch, of_pages=True)
    with here.database.write() as session:
        done = events.store(session, judged)
        progress.apply_all(session, done.accepted)
        counting = {row.uid for row in done.accepted}
        outbox.add_events(session, here.steady, [one for one in batch if one["uid"] in done.new], counting=counting)
    bodies = {str(one["uid"]): one for one in batch}
    tell({"events": {uid: bodies[uid] for uid in done.held}, "quarantined": done.quarantined})


# --- at a box or at the hub -----------------------------------------------------------


def admit(here: Installation, lot: random.Random, tell: Tell) -> None:
    """A new child with a card, in a class."""

    def do(session: Session, org_uid: str, day: str) -> None:
        group = _one(session, select(Group.uid).where(Group.org_uid == org_uid).order_by(Group.uid), lot)
        person = people.add(session, org_uid=org_uid, name=f"Child {lot.randrange(10**6)}")
        moving.settle(session, person, day)
        if group is not None:
            moving.into_group(session, person, group, day)
        credentials.issue_card(session, person.uid)

    _edit(here, lot, tell, do)


def rename(here: Installation, lot: random.Random, tell: Tell) -> None:
    """Another name, or consent given or taken back."""

    def do(session: Session, org_uid: str, day: str) -> None:
        person = _one(session, select(Person).where(Person.uid.in_(_own(session, org_uid))).order_by(Person.uid), lot)
        if person is None:
            return
        if lot.random() < 0.7:
            person.name = f"Child {lot.randrange(10**6)}"
            person.language = lot.choice(["zh", "bo", None])
        else:
            consent.note(session, person, on=day if lot.random() < 0.7 else None, by_uid=None)

    _edit(here, lot, tell, do)


def leave(here: Installation, lot: random.Random, tell: Tell) -> None:
    """A child leaves the school."""

    def do(session: Session, org_uid: str, day: str) -> None:
        children = _own(session, org_uid)
        if len(children) > 3:
            moving.leave(session, lot.choice(children), day, "withdrawn")

    _edit(here, lot, tell, do)


def come_back(here: Installation, lot: random.Random, tell: Tell) -> None:
    """A child who has left comes back. Only the hub still knows such a child."""

    def do(session: Session, org_uid: str, day: str) -> None:
        learning = set(_children(session, org_uid))
        gone = session.scalars(
            select(Enrolment.person_uid).where(Enrolment.org_uid == org_uid, Enrolment.ended_on.is_not(None)).distinct()
        )
        found = sorted(uid for uid in gone if uid not in learning and session.get(Person, uid) is not None)
        group = _one(session, select(Group.uid).where(Group.org_uid == org_uid).order_by(Group.uid), lot)
        person = session.get(Person, lot.choice(found)) if found else None
        if person is not None and group is not None and person.org_uid == org_uid:
            moving.into_group(session, person, group, day)
            credentials.issue_card(session, person.uid)

    _edit(here, lot, tell, do)


def replan(here: Installation, lot: random.Random, tell: Tell) -> None:
    """A row of the plan is added, moved or dropped."""

    def do(session: Session, org_uid: str, day: str) -> None:
        group = _one(session, select(Group.uid).where(Group.org_uid == org_uid).order_by(Group.uid), lot)
        rows = session.scalars(
            select(PlanRow).where(PlanRow.org_uid == org_uid, PlanRow.dropped_on.is_(None)).order_by(PlanRow.uid)
        ).all()
        if rows and lot.random() < 0.6:
            row = lot.choice(rows)
            if lot.random() < 0.5:
                plan.move(session, row.uid, day=day, period=lot.randrange(1, 7))
            else:
                plan.drop(session, row.uid, day)
            return
        lesson = _one(session, select(Lesson.uid).where(Lesson.state == "published").order_by(Lesson.uid), lot)
        if group is not None and lesson is not None:
            plan.add(session, group_uid=group, lesson_uid=lesson, day=day, period=lot.randrange(1, 7))

    _edit(here, lot, tell, do)


def retime(here: Installation, lot: random.Random, tell: Tell) -> None:
    """The school's hours change."""

    def do(session: Session, org_uid: str, _day: str) -> None:
        calendar = session.get(SchoolCalendar, org_uid)
        if calendar is not None:
            calendar.class_hours = [{"period": 1, "starts": f"08:{lot.randrange(10, 60)}", "ends": "09:40"}]

    _edit(here, lot, tell, do)


def set_policy(here: Installation, lot: random.Random, tell: Tell) -> None:
    """What the school's box may use and fetches: less disk than lessons need, hours, megabytes a day, fewer parts, courses not wanted."""

    def do(session: Session, org_uid: str, _day: str) -> None:
        site = _one(session, select(Site).where(Site.org_uid == org_uid).order_by(Site.uid), lot)
        course = _one(session, select(Course.uid).order_by(Course.uid), lot)
        if site is None:
            return
        if course is not None and lot.random() < 0.3:
            policies.set_course(session, site, course, wanted=lot.choice([None, "none", "planned", "all"]))
            return
        policies.set_site(session, site, **lot.choice([
            {"disk_mb": lot.randrange(50, 400)}, {"disk_mb": None}, {"windows": "22:00-06:00"}, {"windows": None},
            {"max_height": lot.choice([0, 240, 480, None])}, {"day_mb": lot.choice([5, 50, None])},
        ]))  # fmt: skip

    _edit(here, lot, tell, do)


def lift_policies(here: Installation, tell: Tell) -> None:
    """An operator takes every limit back."""
    with changes.writing(here.database) as session:
        for site in session.scalars(select(Site).where(Site.uid.in_(select(SitePolicy.uid)))):
            policies.set_site(session, site, **dict.fromkeys(policies.SITE_FIELDS))
        for course in session.scalars(select(CoursePolicy)):
            course.wanted = None
    tell({"done": True})


def _edit(here: Installation, lot: random.Random, tell: Tell, do: Callable[[Session, str, str], None]) -> None:
    """One form that is saved, and the changes that it made."""
    with changes.writing(here.database) as session:
        node = joining.own_node(session) if here.settings.role == "node" else None
        org_uid = node.org_uid if node is not None else _one(session, select(Organisation.uid).where(
            Organisation.kind == "school").order_by(Organisation.uid), lot)  # fmt: skip
        if org_uid is None:
            return
        before = changes.latest_seq(session)
        do(session, org_uid, _day(session, here, org_uid))
        session.flush()
        made = changes.made_here(session, after_seq=before, limit=1000)
        named = [[one.table_name, one.row_uid, one.field, one.counter, one.machine_uid] for one in made]
        children = [[one.table_name, one.row_uid, one.value] for one in made if one.field == "person_uid"]
    tell({"changes": named, "children": children})


def _day(session: Session, here: Installation, org_uid: str) -> str:
    """As a page knows it."""
    zone = calendars.zone_of(session, org_uid)
    at_ms = schedule_clock.now_ms(session, here.steady) if here.settings.role == "node" else clock.now_ms()
    return schedule_clock.day(zone, at_ms) or clock.today(zone)


def _children(session: Session, org_uid: str) -> list[str]:
    spans = select(Enrolment.person_uid).where(Enrolment.org_uid == org_uid, Enrolment.ended_on.is_(None))
    return sorted(set(session.scalars(select(Person.uid).where(Person.uid.in_(spans)))))


def _own(session: Session, org_uid: str) -> list[str]:
    """Children who learn here and belong here: others are not this school's to change."""
    learning = _children(session, org_uid)
    return sorted(session.scalars(select(Person.uid).where(Person.uid.in_(learning), Person.org_uid == org_uid)))


def _one(session: Session, asked: Any, lot: random.Random) -> Any:
    found: Sequence[Any] = session.scalars(asked).all()
    return lot.choice(found) if found else None


# --- at the hub alone -------------------------------------------------------------------


def publish(here: Installation, lot: random.Random, tell: Tell) -> None:
    """A teacher publishes a new lesson, or improves one, or takes one back."""
    with changes.writing(here.database) as session:
        course = _one(session, select(Course.uid).order_by(Course.uid), lot)
        known = select(Lesson).where(Lesson.package_id.in_(select(PackageRow.id))).order_by(Lesson.uid)
        shown = session.scalars(known.where(Lesson.state == "published")).all()
        lost = session.scalars(
            select(Lesson).where(Lesson.package_id.not_in(select(PackageRow.id)), Lesson.state == "published").order_by(Lesson.uid)
        ).all()
        withdrawn = session.scalars(known.where(Lesson.state == "withdrawn")).all()
        what = lot.random()
        if lost:
            lessons.bring_back(session, here, lot.choice(lost))
        elif withdrawn and what < 0.1:
            lessons.bring_back(session, here, lot.choice(withdrawn))
        elif len(shown) > 4 and what < 0.25:
            lessons.withdraw(session, here, lot.choice(shown))
        elif shown and what < 0.6:
            lessons.improve(session, here, lot.choice(shown), lot)
        elif course is not None:
            lessons.publish(session, here, course, lot)
    tell({"done": True})


def take_course(here: Installation, lot: random.Random, tell: Tell) -> None:
    """A class takes a course, or ends one."""
    with changes.writing(here.database) as session:
        taken = session.scalars(select(GroupCourse).where(GroupCourse.ended_on.is_(None)).order_by(GroupCourse.uid)).all()
        group, course = _one(session, select(Group).order_by(Group.uid), lot), _one(session, select(Course).order_by(Course.uid), lot)
        today = clock.today()
        if len(taken) > 6 and lot.random() < 0.4:
            lot.choice(taken).ended_on = today
        elif group is not None and course is not None:
            session.add(GroupCourse(org_uid=group.org_uid, group_uid=group.uid, course_uid=course.uid, starts_on=today))
    tell({"done": True})


def erase(here: Installation, lot: random.Random, tell: Tell) -> None:
    """A family wants a child forgotten."""
    with changes.writing(here.database) as session:
        org_uid = _one(session, select(Organisation.uid).where(Organisation.kind == "school").order_by(Organisation.uid), lot)
        children = _own(session, org_uid) if org_uid is not None else []
        if len(children) < 3:
            return
        gone = lot.choice(children)
        erasing.erase_child(session, gone)
    tell({"erased": gone})


def new_key(here: Installation, lot: random.Random, tell: Tell) -> None:
    """The publishing key is changed; half the time the old one is revoked, as if it had been seen by others."""
    old = here.keys.publishing.id
    with here.database.write() as session:
        keys.rotate(session, here.keys, here.keys.root)
    here.keys.adopt_next_publishing()
    if lot.random() < 0.5:
        with here.database.write() as session:
            keys.revoke(session, here.keys, here.keys.root, old)
    tell({"done": True})


AT_BOX: dict[str, Deed] = {
    "learn": learn, "admit": admit, "rename": rename, "leave": leave, "replan": replan, "retime": retime, "policy": set_policy,
}  # fmt: skip
AT_HUB: dict[str, Deed] = {
    "admit": admit, "rename": rename, "leave": leave, "come_back": come_back, "replan": replan, "retime": retime,
    "publish": publish, "take_course": take_course, "erase": erase, "new_key": new_key, "policy": set_policy,
}  # fmt: skip
KNOWN_ERRORS = (EduHubError,)
