"""What a school's admin does when somebody forgot a password or lost a phone: a new word, the end of all sign-ins."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.accounts import credentials, sign_ins, tries
from eduhub.accounts.models import Person
from eduhub.http import caches
from eduhub.schools.models import Organisation
from eduhub.web import rights
from eduhub.web.accounts import limits
from eduhub.web.edge import note, reading, row_of, writing
from eduhub.web.rights import PERSON

bp = Blueprint("access", __name__)


def of_person(session: Session, person: Person) -> dict[str, Any]:
    """What the page of a person shows of their access: how many browsers, and what the reader may do about it."""
    return {
        "signed_in_count": len(sign_ins.of(session, person.uid)),
        "may_reset": person.sign_in_name is not None and rights.may_look_after(session, person.uid),
        "password_uid": credentials.password_of(session, person.uid),
    }


@bp.post("/people/<person_uid>/sign-ins/end")
@guard.allow(PERSON)
@caches("no-store")
def end_sign_ins(person_uid: str) -> ResponseReturnValue:
    """Sign somebody of the school out everywhere."""
    with writing() as session:
        found = _looked_after(session, person_uid)
        sign_ins.end_all(session, found.uid)
        note(session, "accounts.end_all_sign_ins", found.org_uid, found.uid)
    flash(gettext("%(name)s is signed out everywhere.", name=found.name))
    return redirect(url_for("people.person", person_uid=person_uid), 303)


@bp.post("/people/<person_uid>/password")
@guard.allow(PERSON)
@caches("no-store")
def new_word(person_uid: str) -> ResponseReturnValue:
    """A word in place of a forgotten password. It is the answer itself, shown once: only its hash is kept."""
    with reading() as session:
        _looked_after(session, person_uid)
    word, seen_uid = credentials.new_word(), request.form.get("replaces", "")
    with writing() as session:
        found = row_of(session, Person, person_uid)
        school = row_of(session, Organisation, found.org_uid)
        is_given = credentials.give_word_after(session, found.uid, word, seen_uid, guard.here().steady.now_s())
        if is_given:
            tries.forget(session, limits.of_strangers(found.sign_in_name or ""))
            note(session, "accounts.reset_password", found.org_uid, found.uid)
    if not is_given:
        flash(gettext("%(name)s has a new password already. Make another one only if it is needed.", name=found.name))
        return redirect(url_for("people.person", person_uid=person_uid), 303)
    return render_template("school/word.html", person=found, school=school, word=word.told)


def _looked_after(session: Session, person_uid: str) -> Person:
    """The person, if the reader may take their access away; raises NotAllowed."""
    found = row_of(session, Person, person_uid)
    rights.check_looks_after(session, found.uid)
    return found
