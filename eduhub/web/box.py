"""What a school's box shows of itself: whether everything for the coming days is here, and the link."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.courses.models import Lesson, PlanRow
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.errors import error_table
from eduhub.http import caches
from eduhub.sync import outbox, replacing, schedule_clock
from eduhub.sync.models import Upstream
from eduhub.web import box_states, languages, shown
from eduhub.web.edge import reading, today
from eduhub.web.states import State

bp = Blueprint("box", __name__)
DAYS_AHEAD = 7


@dataclass(frozen=True)
class Missing:
    """A planned lesson that is not whole here."""

    lesson: Lesson
    held_bytes: int
    all_bytes: int


@bp.get("/box")
@guard.allow(guard.signed_in)
@caches("no-store")
def status() -> ResponseReturnValue:
    """'Everything for the coming days is here', or what is missing."""
    viewer = guard.viewer()
    with reading() as session:
        upstream = session.scalars(select(Upstream).order_by(Upstream.priority)).first()
        return render_template(
            "school/box.html", missing=_missing(session, today(session, viewer.person.org_uid if viewer.person else None)),
            link=_link(upstream, schedule_clock.silent_ms(session, guard.here().steady)),
            lessons=session.scalar(
                select(func.count(func.distinct(PackageRow.lesson_uid))).where(PackageRow.floor_held, ~PackageRow.withdrawn)
            ),
            bytes=session.scalar(select(func.coalesce(func.sum(PartRow.bytes), 0)).where(PartRow.held)),
            waiting=outbox.waiting(session), fetched=box_states.fetch_hours(),
            replaced=[] if viewer.is_child else _replaced(session),
        )


def _missing(session: Session, day: str) -> list[Missing]:
    """Planned lessons of the coming days whose wanted parts are not all held; sizes of the newest package."""
    until = (date.fromisoformat(day) + timedelta(days=DAYS_AHEAD)).isoformat()
    planned = select(PlanRow.lesson_uid).where(
        PlanRow.dropped_on.is_(None), PlanRow.day.is_(None) | PlanRow.day.between(day, until)
    )
    missing = []
    for lesson in session.scalars(select(Lesson).where(Lesson.uid.in_(planned), Lesson.state == "published")):
        newest = session.scalars(
            select(PackageRow).where(PackageRow.lesson_uid == lesson.uid, ~PackageRow.withdrawn)
            .order_by(PackageRow.revision.desc())
        ).first()
        sizes = [] if newest is None else session.execute(
            select(PartRow.bytes, PartRow.held).where(PartRow.package_id == newest.id, PartRow.wanted)
        ).all()
        held, total = sum(size for size, here in sizes if here), sum(size for size, _ in sizes)
        if newest is None or held < total:
            missing.append(Missing(lesson, held, total))
    return missing


def _replaced(session: Session) -> list[str]:
    """What is known of the box whose place this one took, in the page's language."""
    told = replacing.held(session)
    return [] if told is None else [
        gettext(said.text) % (said.facts | {"time": shown.when(said.time_ms)}) for said in replacing.in_words(told)
    ]


def _link(upstream: Upstream | None, silent_ms: int | None) -> State:
    if upstream is None:
        return State(gettext("This box does not belong to a county yet."), "no", "bad")
    heard = State(gettext("not reached yet"), "wait", "slow")
    if silent_ms is not None:
        ago = box_states.ago(silent_ms)
        heard = replace(ago, word=gettext("last reached: %(time)s", time=ago.word))
    if upstream.last_error is None:
        return heard
    sentences = {error.code: (error.happened, error.kept) for error in error_table()}
    happened, kept = sentences.get(upstream.last_error, sentences["sync.link_down"])
    return State(heard.word, "wait", "slow", languages.in_a_row(gettext(happened), gettext(kept)))
