"""At a school's box: a stick is plugged in, and its lessons are taken. For those who teach or run a school."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from eduhub import guard
from eduhub.errors import StickGone
from eduhub.http import caches
from eduhub.sync.courier import jobs, plugged
from eduhub.web import courier_words
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
    return render_template("school/sticks.html", sticks=plugged.sticks(guard.here().settings), trips=trips, form=Form())


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
                person = guard.viewer().person
                note(session, "courier.take", person.org_uid if person else "", stick.key)
            flash(gettext("It has begun. Leave the stick plugged in."))
        except StickGone as error:
            flash(sentence(error))
    return redirect(url_for("box_sticks.home"), 303)
