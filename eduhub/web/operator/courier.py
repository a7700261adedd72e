"""Hub: fill sticks for schools' boxes, and read those that come back. For the operator, and a region's for its schools.

A hub stands where nobody can plug a stick in: so what a stick would carry is a file, too, to be fetched and to be sent.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.errors import NotFound, StickGone
from eduhub.http import caches
from eduhub.schools.models import Organisation
from eduhub.sync.courier import jobs, plugged
from eduhub.sync.models import Node
from eduhub.web import courier_words, stick_files, stick_making
from eduhub.web.edge import note, reading, writing
from eduhub.web.forms import Form, sentence
from eduhub.web.rights import OVERSEES, organisations_overseen

bp = Blueprint("sticks", __name__)


@bp.get("/operator/sticks")
@guard.allow(OVERSEES)
@caches("no-store")
def home() -> ResponseReturnValue:
    """The sticks that are plugged in, the boxes that one can be filled for, and what came of the last ones."""
    with reading() as session:
        boxes = _boxes(session)
        known = None if guard.viewer().is_operator else {box.node.uid: box.node.name for box in boxes}
        trips = courier_words.trips(session, known)
    found = plugged.sticks(guard.here().settings)
    return render_template("operator/sticks.html", sticks=found, boxes=boxes, trips=trips, sizes=stick_making.sizes(), form=Form())


@bp.post("/operator/sticks/fill")
@guard.allow(OVERSEES)
@caches("no-store")
def fill() -> ResponseReturnValue:
    """Fill a stick for the boxes that are chosen."""
    if not Form().validate_on_submit():
        return redirect(url_for("sticks.home"), 303)
    chosen = request.form.getlist("box")
    with writing() as session:
        known = {box.node.uid: box for box in _boxes(session)}
        if not set(chosen) <= set(known):
            raise NotFound("no such box")
        if not chosen:
            flash(gettext("Choose the schools' boxes that the stick is for."))
            return redirect(url_for("sticks.home"), 303)
        if _begin(lambda: jobs.start_export(session, guard.here(), request.form.get("stick", ""), chosen)):
            for node_uid in chosen:
                note(session, "courier.fill", known[node_uid].school.uid, node_uid)
    return redirect(url_for("sticks.home"), 303)


@bp.post("/operator/sticks/read")
@guard.allow(OVERSEES)
@caches("no-store")
def read() -> ResponseReturnValue:
    """Take home what a stick brings."""
    if Form().validate_on_submit():
        with writing() as session:
            stick = request.form.get("stick", "")
            if _begin(lambda: jobs.start_import(session, guard.here(), stick)):
                note(session, "courier.read", "", stick)
    return redirect(url_for("sticks.home"), 303)


@bp.post("/operator/sticks/pack")
@guard.allow(OVERSEES)
@caches("no-store")
def pack() -> ResponseReturnValue:
    """Make a file of what a stick for the chosen boxes would carry."""
    if Form().validate_on_submit():
        with writing() as session:
            stick_making.begin(session, {box.node.uid: box.node for box in _boxes(session)}, request.form.getlist("box"))
    return redirect(url_for("sticks.home"), 303)


@bp.get("/operator/sticks/files/<file_uid>")
@guard.allow(OVERSEES)
@caches("no-store")
def fetch(file_uid: str) -> ResponseReturnValue:
    """The file, or what is asked for of it."""
    with reading() as session:
        file = stick_making.file_for(session, file_uid, {box.node.uid for box in _boxes(session)})
    return stick_files.send(file)


@bp.post("/operator/sticks/home")
@guard.allow(OVERSEES)
@caches("no-store")
def home_came() -> ResponseReturnValue:
    """Take home what a browser sends of a stick, or of the file that a box made."""
    with reading() as session:
        boxes = None if guard.viewer().is_operator else frozenset(box.node.uid for box in _boxes(session))
    stick_making.take_home(boxes)
    return redirect(url_for("sticks.home"), 303)


@dataclass(frozen=True)
class BoxLine:
    """A box that a stick can be filled for."""

    node: Node
    school: Organisation


def _boxes(session: Session) -> list[BoxLine]:
    schools = {org.uid: org for org in organisations_overseen(session)}
    nodes = session.scalars(
        select(Node).where(Node.org_uid.in_(schools), Node.revoked_on.is_(None), Node.ended_on.is_(None)).order_by(Node.name)
    )
    return [BoxLine(node, schools[node.org_uid]) for node in nodes]


def _begin(start: Callable[[], object]) -> bool:
    """Whether it has begun."""
    try:
        start()
    except StickGone as error:
        flash(sentence(error))
        return False
    flash(gettext("It has begun. Leave the stick plugged in."))
    return True
