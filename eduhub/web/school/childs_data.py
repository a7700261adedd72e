"""What is kept of a child: consent, everything as a file for a guardian, and, at the hub, erasure."""

import json

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy.orm import Session
from wtforms import StringField

from eduhub import guard
from eduhub.accounts.models import Person
from eduhub.errors import BadInput
from eduhub.http import caches
from eduhub.rosters import consent, erasing, export
from eduhub.schools.models import Organisation
from eduhub.web import shown
from eduhub.web.edge import note, reading, row_of, today, writing
from eduhub.web.forms import Form, needed
from eduhub.web.rights import PERSON
from eduhub.web.school import roster

bp = Blueprint("childs_data", __name__)
at_the_hub = Blueprint("erasing_a_child", __name__)  # a box's tombstones would go nowhere


class EraseForm(Form):
    """The name, typed: what cannot be undone is not done by one tap."""

    name = StringField(lazy_gettext("Type the name"), validators=needed(lazy_gettext("Type the name.")))


@bp.post("/people/<person_uid>/export")
@guard.allow(PERSON)
@caches("no-store")
def everything(person_uid: str) -> ResponseReturnValue:
    """Everything that is kept of a child, as a file. A form and no link: it is noted who took it."""
    with writing() as session:
        found = _child(session, person_uid)
        note(session, "accounts.export_child", found.org_uid, person_uid)
    with reading() as session:  # all of a child takes a while, and others want to write
        kept, day = export.of_child(session, person_uid), today(session, found.org_uid)
    answer = make_response(json.dumps(kept, ensure_ascii=False, indent=1))
    answer.headers["Content-Type"] = "application/json; charset=utf-8"
    answer.headers["Content-Disposition"] = f'attachment; filename="child-{day}.json"'
    return answer


@bp.post("/people/<person_uid>/consent")
@guard.allow(PERSON)
@caches("no-store")
def take_consent(person_uid: str) -> ResponseReturnValue:
    """Note that a guardian agreed, or does no longer."""
    with writing() as session:
        found = _child(session, person_uid)
        day, by_uid = today(session, found.org_uid), session.info["by_uid"]
        agreed = request.form.get("agreed") == "yes"
        consent.note(session, found, on=day if agreed else None, by_uid=by_uid if agreed else None)
        note(session, "schools.consent" if agreed else "schools.consent_ended", found.org_uid, person_uid)
    flash(gettext("Saved."))
    return redirect(url_for("people.person", person_uid=person_uid), 303)


@at_the_hub.route("/people/<person_uid>/erase", methods=["GET", "POST"])
@guard.allow(PERSON)
@caches("no-store")
def erase(person_uid: str) -> ResponseReturnValue:
    """Remove a child for good, here and at the school's boxes."""
    with reading() as session:
        found = _child(session, person_uid)
        school = row_of(session, Organisation, found.org_uid)
    form = EraseForm()
    if form.validate_on_submit():
        if roster.letters(form.name.data) == roster.letters(found.name):
            with writing() as session:
                erasing.erase_child(session, person_uid)
                note(session, "accounts.erase_child", found.org_uid, person_uid)
            flash(gettext("The child is erased here. The school's box erases it when it calls next."))
            return redirect(url_for("people.everybody", org_uid=school.uid), 303)
        form["name"].errors = [gettext("This is another name.")]
    page = render_template(
        "school/form.html", form=form, heading=gettext("Erase %(name)s for good", name=found.name), act=gettext("Erase for good"),
        intro=gettext("Name, classes, card and everything that was learned are removed. This cannot be undone. "
                      "Download everything first if somebody may ask for it."),
        where=[(url_for("school.home", org_uid=school.uid), shown.plain(school.names)),
               (url_for("people.person", person_uid=found.uid), found.name)],
        hints={"name": found.name}, for_good=True,
    )  # fmt: skip
    return page, 400 if form.errors else 200


def _child(session: Session, person_uid: str) -> Person:
    found = row_of(session, Person, person_uid)
    if not roster.is_child(session, found.uid, today(session, found.org_uid)):
        raise BadInput("this is for children")
    return found
