"""Hub: the page of a school's box, for its admin: when it called, what of the coming week is there, and why not."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.courses import weeks
from eduhub.courses.models import Lesson, PlanRow
from eduhub.http import caches
from eduhub.schools.models import Organisation
from eduhub.sync import arrivals
from eduhub.sync.models import Node, NodeContact
from eduhub.web import box_states
from eduhub.web.edge import reading, row_of, today
from eduhub.web.rights import SCHOOL
from eduhub.web.states import State
from eduhub.web.teaching import arrival

bp = Blueprint("school_boxes", __name__)
DAYS_AHEAD = 7
DAYS_SHOWN = 14  # of what has arrived


@dataclass(frozen=True)
class Planned:
    """A lesson of the coming days, and how far it is at the box."""

    lesson: Lesson
    day: str  # the first on which it is planned; '' for one that is 'next'
    state: State
    is_there: bool


@bp.get("/schools/<org_uid>/boxes/<node_uid>")
@guard.allow(SCHOOL)
@caches("no-store")
def one(org_uid: str, node_uid: str) -> ResponseReturnValue:
    """One box of the school."""
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        node = row_of(session, Node, node_uid, org_uid=org_uid)
        contact = session.get(NodeContact, node.uid)
        planned = _planned(session, node, today(session, org_uid))
        days = arrivals.by_day(session, node.uid, org_uid)[:DAYS_SHOWN]
        return render_template(
            "school/box_at_hub.html", school=school, node=node, contact=contact, heard=box_states.heard(node, contact),
            planned=planned, missing=[row for row in planned if not row.is_there], days=days,
            most=max((day.bytes for day in days), default=1) or 1,
        )


def _planned(session: Session, node: Node, day: str) -> Sequence[Planned]:
    until = weeks.shifted(day, DAYS_AHEAD)
    first: dict[str, str] = {}
    rows = session.execute(
        select(PlanRow.lesson_uid, PlanRow.day)
        .where(PlanRow.org_uid == node.org_uid, PlanRow.dropped_on.is_(None))
        .where(PlanRow.day.is_(None) | PlanRow.day.between(day, until))
    )
    for lesson_uid, on in rows:
        first[lesson_uid] = min(first.get(lesson_uid, "9"), on or "9")
    lessons = {row.uid: row for row in session.scalars(select(Lesson).where(Lesson.uid.in_(first), Lesson.state == "published"))}
    found = arrivals.of_box(session, node.uid, list(lessons.values()))
    order = sorted(lessons, key=lambda uid: (first[uid], uid))
    return [
        Planned(
            lessons[uid], "" if first[uid] == "9" else first[uid], arrival.state_of(found[uid].state), found[uid].is_shown
        )
        for uid in order
        if uid in found
    ]
