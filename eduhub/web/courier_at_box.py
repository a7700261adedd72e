"""At a school's box: a stick is plugged in, and its lessons are taken. For those who teach or run a school.

Where there is no stick there is a telephone, or a computer, that has the county's file: it is sent here, and what goes home is fetched.
"""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.errors import NodeRefused, StickGone
from eduhub.http import caches
from eduhub.sync.courier import jobs, plugged
from eduhub.sync.courier.arriving import Came
from eduhub.sync.models import Node, Upstream
from eduhub.web import courier_words, stick_files
from eduhub.web.edge import note, reading, writing
from eduhub.web.forms import Form, sentence
from eduhub.web.rights import TEACHES_SOMEWHERE

bp = Blueprint("box_sticks", __name__)


@bp.get("/box/sticks")
@guard.allow(TEACHES_SOMEWHERE)
@caches("no-store")
def home() -> ResponseReturnValue:
    """Is a stick plugged in? One button; then how far it is, what came, and that it may be pulled out."""
    with reading() as session:
        trips = courier_words.trips(session)
    return render_template(
        "school/sticks.html", sticks=plugged.sticks(guard.here().settings), trips=trips, room=stick_files.room_for_file(), form=Form()
    )


@bp.post("/box/sticks")
@guard.allow(TEACHES_SOMEWHERE)
@caches("no-store")
def take() -> ResponseReturnValue:
    """Take the lessons from a stick, and put onto it what goes home; onto an empty one only that."""
    if Form().validate_on_submit():
        here = guard.here()
        try:
            stick = plugged.find(here.settings, request.form.get("stick", ""))
            with writing() as session:
                if stick.is_ours:
                    jobs.start_import(session, here, stick.key)
                else:
                    jobs.start_export(session, here, stick.key, [])
                _note(session, "courier.take", stick.key)
            flash(gettext("It has begun. Leave the stick plugged in."))
        except StickGone as error:
            flash(sentence(error))
    return redirect(url_for("box_sticks.home"), 303)


@bp.post("/box/sticks/file")
@guard.allow(TEACHES_SOMEWHERE)
@caches("no-store")
def file_came() -> ResponseReturnValue:
    """Take the lessons from a file that was fetched at the county."""

    def start(key: str, name: str, _came: Came) -> None:
        with writing() as session:
            job = jobs.start_taking(session, key, name)
            _note(session, "courier.take_file", job.uid)
        flash(gettext("The file is here, and its lessons are being taken from it. You may close this page."))

    if not stick_files.take_file(start):
        flash(gettext("Choose a file first."))
    return redirect(url_for("box_sticks.home"), 303)


@bp.post("/box/sticks/home")
@guard.allow(TEACHES_SOMEWHERE)
@caches("no-store")
def give_home() -> ResponseReturnValue:
    """What goes home, as a file to be fetched: sealed, with what the school needs."""
    if not Form().validate_on_submit():
        return redirect(url_for("box_sticks.home"), 303)
    with writing() as session:
        node_uid = session.scalars(select(Upstream.node_uid).order_by(Upstream.priority).limit(1)).first()
        if node_uid is None:
            raise NodeRefused("this box has not joined a hub")
        name = stick_files.file_name(session.get_one(Node, node_uid).name, "home")
        _note(session, "courier.give_home", node_uid)
    return stick_files.send_home(name)


def _note(session: Session, action: str, subject: str) -> None:
    person = guard.viewer().person
    note(session, action, person.org_uid if person else "", subject)
