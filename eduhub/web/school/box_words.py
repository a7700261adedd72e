"""Hub: the adults of a school whom its box knows, and for each a word with which they sign in there for the first time.

The word is the answer to the form, shown once: only its hash is kept, and goes to the school's boxes. Nobody makes one for somebody whose
roles reach further than the reader's own: at the box it opens whatever that person may do there.
"""

from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.accounts import credentials
from eduhub.accounts.models import Person
from eduhub.errors import NotFound
from eduhub.http import caches
from eduhub.schools.models import Organisation
from eduhub.sync.models import Node
from eduhub.sync.school_stream import scope
from eduhub.web import order, rights
from eduhub.web.edge import note, reading, row_of, today, uid_of, writing
from eduhub.web.rights import SCHOOL

bp = Blueprint("box_words", __name__)


@dataclass(frozen=True)
class Adult:
    """Somebody at work at the school, and the word for its box that waits to be used."""

    person: Person
    word_uid: str  # '' for none
    last_day: str  # on which the word is good
    may_make: bool


@bp.get("/schools/<org_uid>/box-words")
@guard.allow(SCHOOL)
@caches("no-store")
def home(org_uid: str) -> ResponseReturnValue:
    """Who can be given a word for the school's box, and who has one."""
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        day = today(session, school.uid)
        staff = scope.Sight(session, school.uid, day).staff()
        people = session.scalars(select(Person).where(Person.uid.in_(staff), Person.sign_in_name.is_not(None)))
        adults = [_adult(session, school.uid, person, day) for person in sorted(people, key=lambda one: order.key(one.name))]
        box = session.scalars(select(Node.name).where(Node.org_uid == school.uid, Node.ended_on.is_(None), Node.revoked_on.is_(None))).first()
    return render_template("school/box_words.html", school=school, adults=adults, box=box)


@bp.post("/schools/<org_uid>/box-words")
@guard.allow(SCHOOL)
@caches("no-store")
def make(org_uid: str) -> ResponseReturnValue:
    """A word for one of them, in place of the one before."""
    word = credentials.new_box_word()
    with writing() as session:
        school, person, day = _asked(session, org_uid)
        seen_uid = request.form.get("replaces", "")
        if not credentials.give_box_word_after(session, person.uid, school.uid, word, seen_uid, day):
            flash(gettext("%(name)s has a word for the box already. Make another one only if it is needed.", name=person.name))
            return redirect(url_for("box_words.home", org_uid=org_uid), 303)
        note(session, "accounts.make_box_word", school.uid, person.uid)
        last_day = _adult(session, school.uid, person, day).last_day
    return render_template("school/box_word.html", person=person, school=school, word=word.told, last_day=last_day)


@bp.post("/schools/<org_uid>/box-words/end")
@guard.allow(SCHOOL)
@caches("no-store")
def end(org_uid: str) -> ResponseReturnValue:
    """End the word that one of them has: it was told to somebody else, say."""
    with writing() as session:
        school, person, _day = _asked(session, org_uid)
        credentials.end_box_words(session, person.uid, school.uid)
        note(session, "accounts.end_box_word", school.uid, person.uid)
    flash(gettext("The word of %(name)s opens nothing any more, as soon as the box has reached the county.", name=person.name))
    return redirect(url_for("box_words.home", org_uid=org_uid), 303)


def _adult(session: Session, org_uid: str, person: Person, day: str) -> Adult:
    word = credentials.box_word_of(session, person.uid, org_uid, day)
    return Adult(person, word.uid if word else "", credentials.last_day(word) if word else "", rights.may_look_after(session, person.uid))


def _asked(session: Session, org_uid: str) -> tuple[Organisation, Person, str]:
    """The school, the person whom the form names, and the day. Raises NotFound for who is not told to the school's box, NotAllowed."""
    school = row_of(session, Organisation, org_uid)
    day = today(session, school.uid)
    person = row_of(session, Person, uid_of(request.form.get("person_uid", "")))
    if person.uid not in scope.Sight(session, school.uid, day).staff() or person.sign_in_name is None:
        raise NotFound("not somebody who works at this school")
    rights.check_looks_after(session, person.uid)
    return school, person, day
