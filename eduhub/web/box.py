"""The page of a school's box: whether everything for tomorrow is here, what is missing and when it comes, and the link.

A child is told what is here and whether the link is; disk, battery, versions and what may be done are for adults.
"""

from dataclasses import replace

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

import eduhub
from eduhub import guard
from eduhub.errors import error_table
from eduhub.http import caches
from eduhub.sync.allowance import allowing, budgets, wishes
from eduhub.sync.allowance.allowing import Standing
from eduhub.sync.boxes import replacing
from eduhub.sync.models import Upstream
from eduhub.sync.releases import state as release_state
from eduhub.web import box_room, box_shown, box_states, languages, shown
from eduhub.web.edge import reading, uid_of, writing
from eduhub.web.rights import SCHOOL, TEACHES_SOMEWHERE
from eduhub.web.states import State

bp = Blueprint("box", __name__)


@bp.get("/box")
@guard.allow(guard.signed_in)
@caches("no-store")
def status() -> ResponseReturnValue:
    """'Everything for tomorrow is here', or what is missing and when it comes."""
    viewer, here = guard.viewer(), guard.here()
    with reading() as session:
        now = allowing.standing(session, here)
        of_adults = {} if viewer.is_child else _of_adults(session, now)
        return render_template(
            "school/box.html", page=box_shown.page_of(session, now), link=_link(now.upstream, now.silent_ms),
            fetched=budgets.written(now.limits.windows), joined=now.node is not None, **of_adults,
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


def _of_adults(session: Session, now: Standing) -> dict[str, object]:
    """What children are not bothered with."""
    here = guard.here()
    free, total, battery = box_shown.machine(here)
    percent, kept = round(100 * (total - free) / total) if total else 0, box_room.kept(session)
    gone, full = box_room.gone(session), box_room.full(kept.unfit, percent, now.rules.disk_bytes)
    may_look = bool(gone or full) and now.org_uid is not None and guard.may(SCHOOL, org_uid=now.org_uid)
    return {
        "may_wish": guard.may(TEACHES_SOMEWHERE), "month_bytes": now.limits.month_bytes, "day_bytes": now.limits.day_bytes,
        "update": box_shown.update_state(release_state.state_here(session, here)), "gone": gone,
        "today": box_shown.link_today(session, here, now), "free": free, "total": total, "percent": percent, "kept": kept,
        "full": full, "battery": battery, "version": eduhub.__version__,
        "replaced": _replaced(session), "beside": box_room.beside(session, here), "receipt_of": now.org_uid if may_look else None,
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
