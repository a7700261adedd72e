"""Hub: the page of a school's box, for its admin: when it called, what of the coming week is there, and why not."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock, guard
from eduhub.courses import weeks
from eduhub.courses.models import Lesson, PlanRow
from eduhub.http import caches
from eduhub.schools.models import Organisation
from eduhub.sync.boxes import losing, nodes
from eduhub.sync.homeward import arrivals
from eduhub.sync.models import Node, NodeContact
from eduhub.sync.releases import state_word
from eduhub.sync.status import overview
from eduhub.web import box_states, release_words, told_shown
from eduhub.web.edge import note, reading, row_of, today, writing
from eduhub.web.forms import Form, text_field
from eduhub.web.rights import OVERSEES_SCHOOL, SCHOOL
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
    is_wanted: bool = True  # False: the school has chosen to fetch nothing of its course


@bp.get("/schools/<org_uid>/boxes/<node_uid>")
@guard.allow(SCHOOL)
@caches("no-store")
def one(org_uid: str, node_uid: str) -> ResponseReturnValue:
    """One box of the school."""
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        node = row_of(session, Node, node_uid, org_uid=org_uid)
        contact = session.get(NodeContact, node.uid)
        oversees = guard.may(OVERSEES_SCHOOL, org_uid=org_uid)
        planned = _planned(session, node, today(session, org_uid))
        days = arrivals.by_day(session, node.uid, org_uid)[:DAYS_SHOWN]
        return render_template(
            "school/box_at_hub.html", school=school, node=node, contact=contact, heard=box_states.heard(node, contact),
            planned=planned, missing=[row for row in planned if row.is_wanted and not row.is_there], days=days,
            most=max((day.bytes for day in days), default=1) or 1, oversees=oversees, form=NameForm(), wrong=request.args.get("wrong") == "name",
            **_said(session, node, today(session, org_uid)),
        )


class NameForm(Form):
    """The box's name, typed by whoever does what cannot be undone."""

    name = text_field(lazy_gettext("Type the name of the box"))


@bp.post("/schools/<org_uid>/boxes/<node_uid>/replace")
@guard.allow(OVERSEES_SCHOOL)
@caches("no-store")
def replace(org_uid: str, node_uid: str) -> ResponseReturnValue:
    """A code with which a spare box takes this one's place. It is the answer itself: only its hash is kept."""
    with writing() as session:
        node = row_of(session, Node, node_uid, org_uid=org_uid)
        code = nodes.replacing_code(session, guard.here(), node, by_uid=session.info["by_uid"])
        note(session, "sync.replace_box", org_uid, node.uid)
        return render_template("operator/code.html", code=code, name=node.name, address=guard.here().settings.origin)


@bp.post("/schools/<org_uid>/boxes/<node_uid>/stolen")
@guard.allow(SCHOOL)
@caches("no-store")
def stolen(org_uid: str, node_uid: str) -> ResponseReturnValue:
    """Shut a box out at once: somebody else has it. Whether every card is made anew is for the operator to say."""
    return _shut_out(org_uid, node_uid, lost=False)


@bp.post("/schools/<org_uid>/boxes/<node_uid>/lost")
@guard.allow(OVERSEES_SCHOOL)
@caches("no-store")
def lost(org_uid: str, node_uid: str) -> ResponseReturnValue:
    """The same, and every card that the box may know the hash of opens nothing any more."""
    return _shut_out(org_uid, node_uid, lost=True)


def _shut_out(org_uid: str, node_uid: str, *, lost: bool) -> ResponseReturnValue:
    with writing() as session:
        node = row_of(session, Node, node_uid, org_uid=org_uid)
        page = url_for("school_boxes.one", org_uid=org_uid, node_uid=node.uid)
        if (NameForm().name.data or "").strip().lower() != node.name:
            return redirect(f"{page}?wrong=name#shut-out", 303)
        ended = 0
        if lost:
            ended = losing.lose(session, guard.here(), node)
        else:
            losing.shut_out(session, guard.here(), node)
        note(session, "sync.lose_box" if lost else "sync.report_stolen", org_uid, node.uid)
    flash(gettext("The box %(name)s is shut out.", name=node.name))
    if ended:
        flash(gettext("Cards that open nothing any more: %(cards)s. Print new ones.", cards=ended), "slow")
        return redirect(url_for("cards.to_print", org_uid=org_uid), 303)
    return redirect(page, 303)


def _said(session: Session, node: Node, day: str) -> dict[str, object]:
    """What the box last said of itself."""
    now_ms = clock.now_ms()
    seen = next((box for box in overview.of(session, [node.org_uid]) if box.node_uid == node.uid), None)
    if seen is None or seen.told is None:
        return {"said": None}
    update = state_word.read(seen.told.release)
    return {
        "update": update, "update_state": release_words.of(update),
        "said": told_shown.line_of(seen, now_ms), "told": seen.told, "said_days": told_shown.days_of(seen.told, day),
        "link": told_shown.plot(seen.told), "rules": told_shown.rules(seen.told),
    }


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
            lessons[uid], "" if first[uid] == "9" else first[uid], arrival.state_of(found[uid].state), found[uid].is_shown,
            found[uid].state != arrivals.NOT_WANTED,
        )
        for uid in order
        if uid in found
    ]
