"""Courses that are open to everybody, without signing in: their list, their lessons, and a number that keeps a place.

Nobody is asked for a name. The place lies in the browser session; its number, on paper, brings it back on any device of this
machine. What a lesson's own page shows is in `lessons.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext, ngettext
from sqlalchemy import select

from eduhub import guard
from eduhub.accounts import tries
from eduhub.accounts.tries import Limit
from eduhub.courses.models import Course
from eduhub.errors import NotFound, PlaceNotKnown, SignInNeeded, TooManyTries
from eduhub.http import caches
from eduhub.learning import places as kept_places
from eduhub.web import kept
from eduhub.web.accounts import limits
from eduhub.web.edge import page_of, reading, writing
from eduhub.web.forms import Form, text_field
from eduhub.web.learning import catalogue, lesson_data, places
from eduhub.web.learning.catalogue import Row
from eduhub.web.learning.lessons import Seen

bp = Blueprint("open", __name__)
# A hundred million numbers: a stranger at one address tries 20, then 30 an hour. A village makes fewer places than that.
_FIND, _MAKE = Limit("place", 20, 120), Limit("place-new", 30, 120)


class PlaceForm(Form):
    """The number on somebody's paper."""

    number = text_field(lazy_gettext("The number on your paper"), lazy_gettext("Type the number."), longest=30)


@dataclass(frozen=True)
class OpenCourse:
    """A course in the list."""

    first: Row
    count: int


@bp.get("/open")
@guard.allow(guard.anyone)
@caches("no-store")
def courses() -> ResponseReturnValue:
    """The courses that are open to everybody."""
    with reading() as session:
        rows = catalogue.of_open(session, kept.now(session, places.here() or "", ""))
    by_course = (list(found) for _uid, found in groupby(rows, key=lambda row: row.course_uid))
    found = [OpenCourse(some[0], len(some)) for some in by_course]
    return render_template("open/courses.html", courses=found, place=places.here(), player_script=_script())


@bp.get("/open/<course_uid>")
@guard.allow(guard.anyone)
@caches("no-store")
def course(course_uid: str) -> ResponseReturnValue:
    """The lessons of an open course, with how far the place is."""
    with reading() as session:
        now = kept.now(session, places.here() or "", "")
        rows = [row for row in catalogue.of_open(session, now) if row.course_uid == course_uid]
        if not rows:  # it may be a course of the reader's class
            raise NotFound() if guard.viewer().person else SignInNeeded()
        page = page_of(rows)
        listed = Seen(session, places.here() or "").listed(now, page.rows)
    return render_template(
        "open/course.html", titles=rows[0].course_titles, rows=listed, page=page, place=places.here(), player_script=_script()
    )


@bp.route("/open/place", methods=["GET", "POST"])
@guard.allow(guard.anyone)
@caches("no-store")
def place() -> ResponseReturnValue:
    """Keep one's place, or come back to it with the number on the paper."""
    form, here = PlaceForm(), guard.here()
    if form.validate_on_submit():
        counted = [tries.counted(_FIND, here.keys.secret, limits.network())]
        try:
            with writing(travels=False) as session:
                tries.take(session, here.steady.now_s(), counted)
            with writing(travels=False) as session:
                found = kept_places.find(session, here.keys.secret, form.number.data)
                tries.give_back(session, here.steady.now_s(), counted)
            places.take(found.uid)
            return redirect(url_for("open.courses"), 303)
        except PlaceNotKnown as error:
            form.refuse(error, "number")
        except TooManyTries as error:
            _wait(form, error)
    return render_template("open/place.html", form=form, place=places.here()), 400 if form.errors else 200


@bp.post("/open/place/new")
@guard.allow(guard.anyone)
@caches("no-store")
def new_place() -> ResponseReturnValue:
    """A new place. Its number is the answer itself, not a page to come back to: only its hash is kept."""
    here = guard.here()
    counted = [tries.counted(_MAKE, here.keys.secret, limits.network())]
    try:
        with writing(travels=False) as session:
            tries.take(session, here.steady.now_s(), counted)
            made, code = kept_places.make(session, here.keys.secret)
    except TooManyTries as error:
        form = PlaceForm(formdata=None)
        _wait(form, error)
        return render_template("open/place.html", form=form, place=places.here()), 400
    places.take(made.uid)
    return render_template("open/number.html", number=kept_places.write(code))


@bp.post("/open/place/leave")
@guard.allow(guard.anyone)
@caches("no-store")
def leave() -> ResponseReturnValue:
    """The next one at this device begins anew."""
    places.leave()
    return redirect(url_for("open.courses"), 303)


@bp.app_context_processor
def _door() -> dict[str, Callable[[], bool]]:
    """For the pages on which people sign in: whether there is something for those who do not."""
    return {"has_open_courses": _has_open_courses}


def _has_open_courses() -> bool:
    with reading() as session:
        return session.scalars(select(Course.uid).where(Course.audience == "open").limit(1)).first() is not None


def _wait(form: PlaceForm, error: TooManyTries) -> None:
    minutes = -(-int(error.facts["seconds"]) // 60)
    form.form_errors.append(
        ngettext("Too many numbers were tried here. Wait %(num)s minute.", "Too many numbers were tried here. Wait %(num)s minutes.", minutes)
    )


def _script() -> str | None:
    return lesson_data.built("player.js")
