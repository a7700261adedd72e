"""The page of a school's box: whether everything for tomorrow is here, what is missing and when it comes, and the link.

A child is told what is here and whether the link is; disk, battery, versions and what may be done are for adults.
"""

from dataclasses import replace

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

import eduhub
from eduhub import guard
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.errors import error_table
from eduhub.http import caches
from eduhub.sync import allowing, joining, outbox, readiness, replacing, schedule_clock, wishes
from eduhub.sync.models import Upstream
from eduhub.sync.releases import state as release_state
from eduhub.web import box_shown, box_states, languages, shown
from eduhub.web.edge import reading, uid_of, writing
from eduhub.web.rights import TEACHES_SOMEWHERE
from eduhub.web.states import State

bp = Blueprint("box", __name__)
NEARLY_FULL_PERCENT = 90


@bp.get("/box")
@guard.allow(guard.signed_in)
@caches("no-store")
def status() -> ResponseReturnValue:
    """'Everything for tomorrow is here', or what is missing and when it comes."""
    viewer, here = guard.viewer(), guard.here()
    with reading() as session:
        node = joining.own_node(session)
        org_uid = node.org_uid if node is not None else None
        upstream = session.scalars(select(Upstream).order_by(Upstream.priority)).first()
        page = box_shown.page_of(session, here, org_uid)
        of_adults = {} if viewer.is_child else _of_adults(session, org_uid)
        return render_template(
            "school/box.html", page=page, link=_link(upstream, schedule_clock.silent_ms(session, here.steady)),
            fetched=box_shown.hours(session, here), joined=node is not None, **of_adults,
        )


@bp.post("/box/first/<lesson_uid>")
@guard.allow(TEACHES_SOMEWHERE)
@caches("no-store")
def fetch_first(lesson_uid: str) -> ResponseReturnValue:
    """A lesson is wanted now, before all others; `off` takes the wish back. Leads back to the page it was said on."""
    uid, said_at = uid_of(lesson_uid), request.form.get("school", "")
    back = url_for("box_traffic.receipt", org_uid=uid_of(said_at)) if said_at else url_for("box.status")
    with writing(travels=False) as session:
        if request.form.get("off"):
            wishes.take_back(session, uid)
        else:
            wishes.make(session, guard.here().steady, uid)
            flash(gettext("This lesson comes next."))
    return redirect(back, 303)


def _of_adults(session: Session, org_uid: str | None) -> dict[str, object]:
    """What children are not bothered with."""
    here = guard.here()
    free, total, battery = box_shown.machine(here)
    lessons = select(func.count(func.distinct(PackageRow.lesson_uid))).where(PackageRow.floor_held, ~PackageRow.withdrawn)
    percent = round(100 * (total - free) / total) if total else 0
    limits = allowing.standing(session, here).limits
    return {
        "may_wish": guard.may(TEACHES_SOMEWHERE), "month_bytes": limits.month_bytes, "day_bytes": limits.day_bytes,
        "update": box_shown.update_state(release_state.state_here(session, here)), "dropped": readiness.dropped(session),
        "today": box_shown.link_today(session, here, org_uid), "free": free, "total": total, "percent": percent,
        "is_nearly_full": percent >= NEARLY_FULL_PERCENT, "battery": battery, "waiting": outbox.waiting(session),
        "lessons": session.scalar(lessons), "version": eduhub.__version__, "replaced": _replaced(session),
        "bytes": session.scalar(select(func.coalesce(func.sum(PartRow.bytes), 0)).where(PartRow.held)),
    }


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
