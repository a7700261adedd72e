"""Pages of the school's admin about people: children with their cards, adults with their passwords."""

from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy.orm import Session
from wtforms import HiddenField, PasswordField, SelectField

from eduhub import guard
from eduhub.accounts import credentials, people, roles
from eduhub.accounts.models import Person
from eduhub.errors import BadInput, PasswordTooWeak, SignInNameTaken
from eduhub.http import caches
from eduhub.rosters import consent, moving
from eduhub.schools.models import Organisation
from eduhub.uids import new_uid, parse_uid
from eduhub.web import shown
from eduhub.web.accounts import access
from eduhub.web.edge import note, page_of, reading, row_of, today, writing
from eduhub.web.forms import Form, needed, pairs, text_field
from eduhub.web.rights import PERSON, SCHOOL
from eduhub.web.school import cards, changing_people, enrolling, roster
from eduhub.web.school.history_words import role_words

bp = Blueprint("people", __name__)


class ChildForm(Form):
    """A new child."""

    uid = HiddenField()  # made with the form: sent twice, it is still one child
    name = text_field(lazy_gettext("Name"), lazy_gettext("Type the child's name."))
    group_uid = SelectField(lazy_gettext("Class"))


class AdultForm(Form):
    """A new teacher or admin."""

    uid = HiddenField()  # as of a child
    name = text_field(lazy_gettext("Name"), lazy_gettext("Type the name."))
    role = SelectField(
        lazy_gettext("What they do"),
        choices=pairs([("teacher", lazy_gettext("Teacher")), ("reviewer", lazy_gettext("Reviewer")), ("school_admin", lazy_gettext("School admin"))]),
    )
    sign_in_name = text_field(lazy_gettext("Sign-in name"), lazy_gettext("Type a sign-in name."), longest=100)
    password = PasswordField(
        lazy_gettext("First password"), validators=needed(lazy_gettext("Type a first password.")),
        render_kw={"autocomplete": "new-password"},
    )


def role_word(row: roster.PersonRow) -> str:
    """What somebody is at the school, in words: the classes of a child, the tasks of an adult."""
    if row.has_left:
        return str(gettext("Has left the school."))
    if row.is_child:
        return ", ".join(row.group_names) or gettext("In no class.")
    words = role_words()
    return ", ".join(sorted({words.get(role, role) for role in row.role_names}))


@bp.get("/schools/<org_uid>/people")
@guard.allow(SCHOOL)
@caches("no-store")
def everybody(org_uid: str) -> ResponseReturnValue:
    """Everybody of the school; `?without_class=1`, `?without_card=1`, `?left=1` only the children of whom that is true."""
    with reading() as session:
        rows = roster.people_of(session, org_uid, today(session, org_uid))
        asked = {name: "1" for name in ("without_class", "without_card", "left") if request.args.get(name)}
        if "without_card" in asked:
            held = roster.cards_of(session, [row.person.uid for row in rows])
            rows = [row for row in rows if row.may_have_card and not row.has_left and row.person.uid not in held]
    if "without_class" in asked:
        rows = [row for row in rows if row.is_alone]
    rows = [row for row in rows if row.has_left == ("left" in asked)]
    return _list(org_uid, rows, asked, None)


@bp.post("/schools/<org_uid>/people")
@guard.allow(SCHOOL)
@caches("no-store")
def search(org_uid: str) -> ResponseReturnValue:
    """Those whose name has the typed letters in it. Not by an address: names stay out of addresses and logs."""
    typed = request.form.get("name", "")[:200]
    with reading() as session:
        rows = roster.people_of(session, org_uid, today(session, org_uid))
    return _list(org_uid, [row for row in rows if roster.is_called(row.person, typed)], {}, typed)


def _list(
    org_uid: str, rows: Sequence[roster.PersonRow], asked: dict[str, str], typed: str | None
) -> ResponseReturnValue:
    page = page_of([{"person": row.person, "what": role_word(row)} for row in rows])
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        groups = roster.groups_of(session, org_uid, today(session, org_uid)) if "without_card" in asked else []
        return render_template(
            "school/people.html", school=school, people=page.rows, page=page, asked=asked, typed=typed,
            also=shown.also(asked),
            groups=[row for row in groups if row.children],
        )


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
                moving.settle(session, person, day)
                if form.group_uid.data:
                    moving.into_group(session, person, form.group_uid.data, day)
                note(session, "accounts.add_child", org_uid, person.uid)
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


@bp.route("/schools/<org_uid>/adults/new", methods=["GET", "POST"])
@guard.allow(SCHOOL)
@caches("no-store")
def new_adult(org_uid: str) -> ResponseReturnValue:
    """A teacher or an admin, with a sign-in name and a first password."""
    form = AdultForm(uid=new_uid())
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
    if form.validate_on_submit():
        try:
            verifier = credentials.verifier_of(form.password.data, sign_in_name=form.sign_in_name.data)
            with writing() as session:
                person = _added(session, form, org_uid)
                if person is None:
                    person = _add_adult(session, form, org_uid, verifier)
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


def _added(session: Session, form: AdultForm, org_uid: str) -> Person | None:
    """Whom the same form has added already."""
    known = session.get(Person, parse_uid(form.uid.data or new_uid()))
    if known is None or known.org_uid != org_uid or known.sign_in_name != people.tidy_sign_in_name(form.sign_in_name.data):
        return None
    return known


def _add_adult(session: Session, form: AdultForm, org_uid: str, verifier: str) -> Person:
    """Raises BadInput, SignInNameTaken."""
    uid = parse_uid(form.uid.data or new_uid())
    if session.get(Person, uid) is not None:
        uid = new_uid()  # the page was gone back to, and another name typed
    person = people.add(session, org_uid=org_uid, name=form.name.data, sign_in_name=form.sign_in_name.data, uid=uid)
    credentials.keep_password(session, person.uid, verifier)
    roles.grant(
        session, person_uid=person.uid, role=form.role.data, scope_kind="organisation",
        scope_uid=org_uid, org_uid=org_uid, starts_on=today(session, org_uid),
    )
    note(session, "accounts.add_adult", org_uid, person.uid)
    return person


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
        asking = guard.viewer().person
        tasks = [
            (grant, not changing_people.may_not_end(grant, asking.uid if asking else None))
            for grant in roles.of(session, found.uid, day)
            if grant.role in roles.STAFF and grant.org_uid == found.org_uid
        ]
        return render_template(
            "school/person.html", person=found, school=school, row=row, what=role_word(row), spans=spans, groups=groups,
            card_uid=credentials.card_of(session, found.uid), tasks=tasks, role_words=role_words(),
            course_names=roster.course_names(session, [grant.scope_uid for grant, _may in tasks]),
            progress=roster.progress_of(session, found.uid), consent_on=consent.of(session, found.uid),
            **access.of_person(session, found),
        )


@bp.post("/people/<person_uid>/enrolments")
@guard.allow(PERSON)
@caches("no-store")
def enrol(person_uid: str) -> ResponseReturnValue:
    """Put a child into a class of the school."""
    enrolling.put(moving.into_group, person_uid, request.form.get("group_uid", ""), "schools.enrol")
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
        if not roster.may_have_card(session, found.uid, today(session, found.org_uid)):
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
    card = cards.drawn(person, token)
    return render_template("school/card.html", school=school, person=person, card=card, address=cards.address())
