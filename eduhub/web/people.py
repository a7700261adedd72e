"""Pages of the school's admin about people: children with their cards, adults with their passwords."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from markupsafe import Markup
from segno import make_qr
from sqlalchemy.orm import Session
from wtforms import HiddenField, PasswordField, SelectField

from eduhub import guard
from eduhub.accounts import credentials, people, roles
from eduhub.accounts.models import Person
from eduhub.errors import BadInput, PasswordTooWeak, SignInNameTaken
from eduhub.http import caches
from eduhub.schools import enrolment
from eduhub.schools.models import Group, Organisation
from eduhub.uids import new_uid, parse_uid
from eduhub.web import roster, shown
from eduhub.web.edge import note, page_of, reading, row_of, today, writing
from eduhub.web.forms import Form, needed, pairs, text_field
from eduhub.web.rights import PERSON, SCHOOL

bp = Blueprint("people", __name__)


class ChildForm(Form):
    """A new child."""

    uid = HiddenField()  # made with the form: sent twice, it is still one child
    name = text_field(lazy_gettext("Name"), lazy_gettext("Type the child's name."))
    group_uid = SelectField(lazy_gettext("Class"))


class AdultForm(Form):
    """A new teacher or admin."""

    name = text_field(lazy_gettext("Name"), lazy_gettext("Type the name."))
    role = SelectField(
        lazy_gettext("What they do"),
        choices=pairs([("teacher", lazy_gettext("Teacher")), ("school_admin", lazy_gettext("School admin"))]),
    )
    sign_in_name = text_field(lazy_gettext("Sign-in name"), lazy_gettext("Type a sign-in name."), longest=100)
    password = PasswordField(
        lazy_gettext("First password"), validators=needed(lazy_gettext("Type a first password.")),
        render_kw={"autocomplete": "new-password"},
    )


def role_word(row: roster.PersonRow) -> str:
    """What somebody is at the school, in words: the classes of a child, the tasks of an adult."""
    words = {
        "teacher": gettext("Teacher"), "school_admin": gettext("School admin"), "operator": gettext("Operator"),
        "region_operator": gettext("Region operator"), "assistant": gettext("Assistant"),
        "reviewer": gettext("Reviewer"),
    }
    if row.is_child:
        return ", ".join(row.group_names) or gettext("In no class.")
    return ", ".join(sorted({words.get(role, role) for role in row.role_names}))


@bp.get("/schools/<org_uid>/people")
@guard.allow(SCHOOL)
@caches("no-store")
def everybody(org_uid: str) -> ResponseReturnValue:
    """Everybody of the school; `?without_class=1` only the children who are in no class."""
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        rows = roster.people_of(session, org_uid, today(session, org_uid))
    if request.args.get("without_class"):
        rows = [row for row in rows if row.is_alone]
    page = page_of([{"person": row.person, "what": role_word(row)} for row in rows])
    return render_template("school/people.html", school=school, people=page.rows, page=page)


@bp.route("/schools/<org_uid>/children/new", methods=["GET", "POST"])
@guard.allow(SCHOOL)
@caches("no-store")
def new_child(org_uid: str) -> ResponseReturnValue:
    """A child with a card, which is shown once, as the answer."""
    form = ChildForm(group_uid=request.args.get("group", ""), uid=new_uid())
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        day = today(session, org_uid)
        rows = roster.groups_of(session, org_uid, day)
        form.group_uid.choices = pairs([("", gettext("(none)"))] + [(row.group.uid, row.name) for row in rows])
    if form.validate_on_submit():
        try:
            with writing() as session:
                known = session.get(Person, parse_uid(form.uid.data or new_uid()))
                if known is not None:
                    return _has_a_card(row_of(session, Person, known.uid, org_uid=org_uid))
                person = people.add(session, org_uid=org_uid, name=form.name.data, uid=form.uid.data)
                _settle_child(session, person, form.group_uid.data, day)
                token = credentials.issue_card(session, person.uid)
            return _card_page(school, person, token)
        except BadInput as error:
            form.refuse(error, "name")
    page = render_template(
        "school/form.html", form=form, heading=gettext("Add a child"), act=gettext("Add and make the card"),
        intro=gettext("The child gets a card to sign in with: no password, no e-mail address."),
        where=[(url_for("school.home", org_uid=org_uid), shown.plain(school.names))], hints={},
    )
    return page, 400 if form.errors else 200


def _settle_child(session: Session, person: Person, group_uid: str, day: str) -> None:
    roles.grant(
        session, person_uid=person.uid, role="student", scope_kind="organisation", scope_uid=person.org_uid,
        org_uid=person.org_uid, starts_on=day,
    )
    if group_uid:
        enrolment.enrol(session, person_uid=person.uid, group_uid=group_uid, starts_on=day)
    note(session, "accounts.add_child", person.org_uid, person.uid)


@bp.route("/schools/<org_uid>/adults/new", methods=["GET", "POST"])
@guard.allow(SCHOOL)
@caches("no-store")
def new_adult(org_uid: str) -> ResponseReturnValue:
    """A teacher or an admin, with a sign-in name and a first password."""
    form = AdultForm()
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
    if form.validate_on_submit():
        try:
            with writing() as session:
                person = people.add(
                    session, org_uid=org_uid, name=form.name.data, sign_in_name=form.sign_in_name.data
                )
                credentials.set_password(session, person.uid, form.password.data)
                roles.grant(
                    session, person_uid=person.uid, role=form.role.data, scope_kind="organisation",
                    scope_uid=org_uid, org_uid=org_uid, starts_on=today(session, org_uid),
                )
                note(session, "accounts.add_adult", org_uid, person.uid)
            flash(gettext("%(name)s can sign in now.", name=person.name))
            return redirect(url_for("people.person", person_uid=person.uid), 303)
        except PasswordTooWeak as error:
            form.refuse(error, "password")
        except (SignInNameTaken, BadInput) as error:
            form.refuse(error, "sign_in_name")
    page = render_template(
        "school/form.html", form=form, heading=gettext("Add a teacher or an admin"), act=gettext("Add"), intro="",
        where=[(url_for("school.home", org_uid=org_uid), shown.plain(school.names))],
        hints={
            "sign_in_name": gettext("What they type to sign in, for example tashi."),
            "password": gettext("At least 8 letters, not an easy one. Tell it to them yourself."),
        },
    )
    return page, 400 if form.errors else 200


@bp.get("/people/<person_uid>")
@guard.allow(PERSON)
@caches("no-store")
def person(person_uid: str) -> ResponseReturnValue:
    """One person of the school."""
    with reading() as session:
        found = row_of(session, Person, person_uid)
        school = row_of(session, Organisation, found.org_uid)
        day = today(session, found.org_uid)
        row = next(row for row in roster.people_of(session, found.org_uid, day) if row.person.uid == found.uid)
        spans = roster.spans_of(session, found.uid, day)
        groups = [(line.group.uid, line.name) for line in roster.groups_of(session, found.org_uid, day)]
        card_uid = credentials.card_of(session, found.uid)
    return render_template(
        "school/person.html", person=found, school=school, is_child=row.is_child, what=role_word(row), spans=spans,
        groups=groups, card_uid=card_uid,
    )


@bp.post("/people/<person_uid>/enrolments")
@guard.allow(PERSON)
@caches("no-store")
def enrol(person_uid: str) -> ResponseReturnValue:
    """Put a child into a class of the school."""
    with writing() as session:
        found = row_of(session, Person, person_uid)
        group = row_of(session, Group, request.form.get("group_uid", ""), org_uid=found.org_uid)
        enrolment.enrol(
            session, person_uid=found.uid, group_uid=group.uid, starts_on=today(session, found.org_uid)
        )
        note(session, "schools.enrol", found.org_uid, found.uid)
    return redirect(url_for("people.person", person_uid=person_uid), 303)


@bp.post("/people/<person_uid>/card")
@guard.allow(PERSON)
@caches("no-store")
def new_card(person_uid: str) -> ResponseReturnValue:
    """A new card; the old one is dead. The card is the answer itself: only its hash is kept.

    The form names the card that it replaces, so that a page loaded again does not make another one.
    """
    with writing() as session:
        found = row_of(session, Person, person_uid)
        school = row_of(session, Organisation, found.org_uid)
        if not roster.is_child(session, found.uid, today(session, found.org_uid)):
            raise BadInput("a card is for a child")
        token = credentials.issue_card_after(session, found.uid, request.form.get("replaces", ""))
        if token is None:
            return _has_a_card(found)
        note(session, "accounts.issue_card", found.org_uid, found.uid)
    return _card_page(school, found, token)


def _has_a_card(person: Person) -> ResponseReturnValue:
    """The answer to a form that was sent again: nothing was done."""
    flash(gettext("%(name)s has a new card already. Make another one only if it is lost.", name=person.name))
    return redirect(url_for("people.person", person_uid=person.uid), 303)


def _card_page(school: Organisation, person: Person, token: str) -> ResponseReturnValue:
    address = request.url_root.rstrip("/") + url_for("accounts.card")
    # Letters of a QR code's denser alphabet are capitals, and the scheme and host may be written so.
    drawn = make_qr(f"{address}#{token}", error="m").svg_inline(scale=4, border=2, omitsize=True, svgclass=None, lineclass=None)
    code = " ".join(token[at : at + 5] for at in range(0, len(token), 5))
    return render_template(
        "school/card.html", school=school, person=person, code=code, square=Markup(drawn), address=address  # noqa: S704 - drawn by segno from hex-like digits
    )
