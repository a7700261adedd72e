"""What an admin changes about a person: name, language and picture, class, task; and that a child left."""

from datetime import date

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from wtforms import DateField, SelectField, validators

from eduhub import guard
from eduhub.accounts import people, roles
from eduhub.accounts.models import Person, RoleGrant
from eduhub.errors import BadInput, CannotUndo
from eduhub.http import caches
from eduhub.rosters import moving, undoing
from eduhub.schools.models import Organisation
from eduhub.web import languages, shown
from eduhub.web.accounts import child_pictures
from eduhub.web.edge import note, reading, row_of, today
from eduhub.web.forms import Form, pairs, text_field
from eduhub.web.rights import PERSON, ROLE_GRANT
from eduhub.web.school import enrolling, history, roster
from eduhub.web.school.history_words import role_words

bp = Blueprint("changing_people", __name__)


class PersonForm(Form):
    """What can be changed of somebody."""

    name = text_field(lazy_gettext("Name"), lazy_gettext("Type the name."))
    language = SelectField(
        lazy_gettext("Language of the pages"),
        choices=pairs([("", lazy_gettext("as the device says")), *languages.NAMES.items()]),
    )
    picture = SelectField(
        lazy_gettext("Picture"), choices=pairs([("", lazy_gettext("(none)")), *child_pictures.WORDS.items()]),
    )


class LeavingForm(Form):
    """Why and when a child leaves the school."""

    reason = SelectField(
        lazy_gettext("Why"),
        choices=pairs([
            ("transferred", lazy_gettext("goes to another school")), ("graduated", lazy_gettext("finished school")),
            ("withdrawn", lazy_gettext("left the school")),
        ]),
    )  # fmt: skip
    on = DateField(lazy_gettext("From which day on"), validators=[validators.InputRequired(lazy_gettext("Choose a day."))])


@bp.route("/people/<person_uid>/edit", methods=["GET", "POST"])
@guard.allow(PERSON)
@caches("no-store")
def edit(person_uid: str) -> ResponseReturnValue:
    """Change the name, the language of the pages, the picture."""
    with reading() as session:
        found = row_of(session, Person, person_uid)
        school = row_of(session, Organisation, found.org_uid)
        is_child = roster.is_child(session, found.uid, today(session, found.org_uid))
    form = PersonForm(name=found.name, language=found.language or "", picture=found.picture or "")
    if found.picture and found.picture not in child_pictures.WORDS:  # from a release that has others: it can stay
        form.picture.choices = [*(form.picture.choices or ()), *pairs([(found.picture, found.picture)])]
    if not is_child:
        del form.picture
    if form.validate_on_submit():
        try:
            with history.undoable() as (session, say):
                picture = {"picture": form.picture.data or None} if form.picture else {}
                people.change(session, person_uid, name=form.name.data, language=form.language.data or None, **picture)
                note(session, "accounts.change_person", found.org_uid, person_uid)
                say(found.org_uid, gettext("Saved."))
            return redirect(url_for("people.person", person_uid=person_uid), 303)
        except BadInput as error:
            form.refuse(error, "name")
    page = render_template(
        "school/form.html", form=form, heading=gettext("Change %(name)s", name=found.name), act=gettext("Save"), intro="",
        where=[(url_for("school.home", org_uid=school.uid), shown.plain(school.names)),
               (url_for("people.person", person_uid=found.uid), found.name)], hints={},
    )  # fmt: skip
    return page, 400 if form.errors else 200


@bp.post("/people/<person_uid>/move")
@guard.allow(PERSON)
@caches("no-store")
def move(person_uid: str) -> ResponseReturnValue:
    """Into another class, out of the one before, in one step."""
    enrolling.put(moving.to_group, person_uid, request.form.get("group_uid", ""), "schools.move_child")
    return redirect(url_for("people.person", person_uid=person_uid), 303)


@bp.route("/people/<person_uid>/leave", methods=["GET", "POST"])
@guard.allow(PERSON)
@caches("no-store")
def leave(person_uid: str) -> ResponseReturnValue:
    """A child who left the school: out of every class, and the card is useless."""
    with reading() as session:
        found = row_of(session, Person, person_uid)
        school = row_of(session, Organisation, found.org_uid)
        day = today(session, found.org_uid)
        if not roster.is_child(session, found.uid, day):
            raise BadInput("an adult's tasks are ended instead")
    form = LeavingForm(on=date.fromisoformat(day))
    if form.validate_on_submit():
        with history.undoable() as (session, say):
            moving.leave(session, person_uid, form.on.data.isoformat(), form.reason.data)
            note(session, "schools.leave", found.org_uid, person_uid)
            say(found.org_uid, gettext("%(name)s has left the school.", name=found.name))
        return redirect(url_for("people.person", person_uid=person_uid), 303)
    page = render_template(
        "school/form.html", form=form, heading=gettext("%(name)s leaves the school", name=found.name),
        act=gettext("Leaves the school"),
        intro=gettext("Out of every class, and the card is useless at once. What the child has done is kept."),
        where=[(url_for("school.home", org_uid=school.uid), shown.plain(school.names)),
               (url_for("people.person", person_uid=found.uid), found.name)], hints={},
    )  # fmt: skip
    return page, 400 if form.errors else 200


@bp.post("/roles/<grant_uid>/end")
@guard.allow(ROLE_GRANT)
@caches("no-store")
def end_role(grant_uid: str) -> ResponseReturnValue:
    """End an adult's task at the school, from today on."""
    with history.undoable() as (session, say):
        grant = row_of(session, RoleGrant, grant_uid)
        asking, person = guard.viewer().person, row_of(session, Person, grant.person_uid)
        why = may_not_end(grant, asking.uid if asking else None)
        if why:
            raise CannotUndo(reason=why)
        roles.end(session, grant.uid, max(today(session, grant.org_uid), grant.starts_on))
        note(session, "accounts.end_role", grant.org_uid, grant.person_uid)
        role = role_words().get(grant.role, grant.role)
        say(grant.org_uid, gettext("%(name)s: %(role)s no more.", name=person.name, role=role))
    return redirect(url_for("people.person", person_uid=person.uid), 303)


def may_not_end(grant: RoleGrant, by_uid: str | None) -> str:
    """Why somebody may not end a grant; '' when they may."""
    return undoing.why_not_end(grant, undoing.Asker(by_uid, "", guard.here().settings.role == "hub")) or ""
