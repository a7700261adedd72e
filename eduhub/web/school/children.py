"""How a school's children sign in beside their cards: the admin's choice, and the pictures that a child has chosen."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField

from eduhub import guard
from eduhub.accounts import picture_secrets
from eduhub.accounts.models import Person
from eduhub.http import caches
from eduhub.schools import children_sign_in
from eduhub.schools.children_sign_in import Allowed
from eduhub.schools.models import Organisation
from eduhub.web.edge import note, reading, row_of, writing
from eduhub.web.forms import Form
from eduhub.web.rights import PERSON, SCHOOL

bp = Blueprint("children", __name__)


class WaysInForm(Form):
    """What the school allows at its own box."""

    by_pictures = BooleanField(lazy_gettext("Children may sign in from the list of their class, with three pictures"))
    turns_without_card = BooleanField(
        lazy_gettext("On a shared device, children who used it lately change over without card and pictures")
    )


@bp.route("/schools/<org_uid>/children-sign-in", methods=["GET", "POST"])
@guard.allow(SCHOOL)
@caches("no-store")
def ways_in(org_uid: str) -> ResponseReturnValue:
    """What the school allows its children at its own box, beside their cards."""
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        allowed = children_sign_in.of_school(session, org_uid)
    form = WaysInForm(obj=allowed)
    if form.validate_on_submit():
        with writing() as session:
            chosen = Allowed(form.by_pictures.data, form.turns_without_card.data)
            children_sign_in.choose(session, org_uid, chosen)
            note(session, "schools.children_sign_in", org_uid, org_uid)
        flash(gettext("Saved."))
        return redirect(url_for("children.ways_in", org_uid=org_uid), 303)
    return render_template("school/children_sign_in.html", form=form, school=school)


@bp.post("/people/<person_uid>/pictures/forget")
@guard.allow(PERSON)
@caches("no-store")
def forget_pictures(person_uid: str) -> ResponseReturnValue:
    """Take away the pictures a child signs in with here; the card stays good, and beside it new ones can be chosen."""
    with writing() as session:
        person = row_of(session, Person, person_uid)
        picture_secrets.forget(session, person.uid)
        note(session, "accounts.forget_pictures", person.org_uid, person.uid)
    flash(gettext("%(name)s can choose new pictures after signing in with the card.", name=person.name))
    return redirect(url_for("people.person", person_uid=person_uid), 303)
