"""At the school's own box: a child finds its class, then its name, then taps three pictures. Off until the school allows it.

Nobody but the school's own network is shown these pages, adults are not on them, and tries are counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.accounts import picture_secrets, tries
from eduhub.accounts.models import Person
from eduhub.accounts.tries import Counted, Limit
from eduhub.errors import BadInput, NotFound, PicturesWrong, SignInNeeded, TooManyTries
from eduhub.http import caches
from eduhub.schools import enrolment
from eduhub.schools.models import Group
from eduhub.sync.boxes import joining
from eduhub.web import csrf
from eduhub.web.accounts import child_pictures, limits, turns
from eduhub.web.edge import note, reading, row_of, today, writing
from eduhub.web.forms import sentence
from eduhub.web.school import roster

bp = Blueprint("classes", __name__)
# 1728 rows of pictures: a stranger in one network tries 5 for one child, then 12 an hour; from all networks 15, then 15 an hour.
_CHILD_HERE, _CHILD = Limit("pictures-here", 5, 300), Limit("pictures-child", 15, 240)
_DEVICE = Limit("pictures-device", 40, 60)  # one browser, whose children sign in one after the other
# A whole class may come from one address: sixty children with three mistakes each are 180.
_ADDRESS = Limit("pictures-address", 300, 10)


@dataclass(frozen=True)
class Tile:
    """A child on the page of the class."""

    person: Person
    picture: str
    has_pictures: bool


@bp.get("/classes")
@guard.allow(guard.anyone)
@caches("no-store")
def classes() -> ResponseReturnValue:
    """The classes of the school, for a child who has no card at hand."""
    with reading() as session:
        org_uid = _school(session)
        if org_uid is None:
            return _with_a_card()
        rows = [row for row in roster.groups_of(session, org_uid, today(session, org_uid)) if row.children]
    return render_template("accounts/classes.html", rows=rows)


@bp.get("/classes/<group_uid>")
@guard.allow(guard.anyone)
@caches("no-store")
def children(group_uid: str) -> ResponseReturnValue:
    """The children of a class, each with a name and a picture."""
    with reading() as session:
        org_uid = _school(session)
        if org_uid is None:
            return _with_a_card()
        group = row_of(session, Group, group_uid, org_uid=org_uid)
        spans = roster.children_of(session, group.uid, today(session, org_uid))
        tiles = [
            Tile(row.person, child_pictures.of_person(row.person), picture_secrets.has(session, row.person.uid))
            for row in spans
        ]
        name = roster.group_name(session, group)
    return render_template("accounts/class.html", name=name, tiles=tiles)


@bp.route("/children/<person_uid>/pictures", methods=["GET", "POST"])
@guard.allow(guard.anyone)
@caches("no-store")
def pictures(person_uid: str) -> ResponseReturnValue:
    """A child taps its three pictures, one after the other; each tap is sent, so that it works without scripts."""
    with reading() as session:
        found = _child(session, person_uid)
        if found is None or not picture_secrets.has(session, person_uid):
            return _with_a_card()
        person, group_uid = found
    shown = {"person": person, "group_uid": group_uid, "picture_of": child_pictures.of_person(person)}
    tapped = _tapped()
    if len(tapped) < picture_secrets.LENGTH:
        return _pad("accounts/enter_pictures.html", tapped, **shown)
    try:
        _come_in(person, tapped)
    except PicturesWrong as error:
        wrong, status = sentence(error), 400
    except TooManyTries as error:
        minutes = -(-int(error.facts["seconds"]) // 60)
        wrong = ngettext(
            "These were too many tries. Sign in with your card, or wait %(num)s minute.",
            "These were too many tries. Sign in with your card, or wait %(num)s minutes.", minutes,
        )  # fmt: skip
        status = error.status
    else:
        return redirect("/", 303)
    page = _pad("accounts/enter_pictures.html", [], wrong=wrong, **shown)
    return page, status


@bp.route("/my-pictures", methods=["GET", "POST"])
@guard.allow(guard.signed_in)
@caches("no-store")
def choose() -> ResponseReturnValue:
    """A child who has signed in with its card chooses the three pictures."""
    with reading() as session:
        is_open = guard.viewer().is_child and turns.showed_card() and _school(session) is not None
    if not is_open:
        return redirect("/", 303)
    tapped, wrong = _tapped(), None
    if len(tapped) == picture_secrets.LENGTH and "save" in request.form:
        try:
            _keep(tapped)
        except BadInput:
            tapped, wrong = [], gettext("Choose three pictures, not the same one three times.")
        else:
            turns.offer_pictures(is_open=False)
            flash(gettext("From now on you can come in with your pictures. Tell them to nobody."))
            return redirect("/", 303)
    return _pad("accounts/choose_pictures.html", tapped, wrong=wrong), 400 if wrong else 200


# --- inside -------------------------------------------------------------------------


def _school(session: Session) -> str | None:
    """The school of this box, if it allows this and the reader is in its own network."""
    node = joining.own_node(session)
    if node is None or not turns.allowed_here(session).by_pictures:
        return None
    return node.org_uid


def _child(session: Session, person_uid: str) -> tuple[Person, str] | None:
    """A child who is in a class of this school, and the class; never an adult."""
    org_uid = _school(session)
    if org_uid is None:
        return None
    day = today(session, org_uid)
    spans = [span for span in enrolment.current(session, person_uid=person_uid, on=day) if span.org_uid == org_uid]
    if not spans or not roster.is_child(session, person_uid, day):
        return None
    try:
        return row_of(session, Person, person_uid), spans[0].group_uid
    except NotFound:
        return None


def _come_in(person: Person, tapped: Sequence[str]) -> None:
    """Count the try, then look. Raises TooManyTries, PicturesWrong; either way the try stays counted."""
    here = guard.here()
    counted = _counted(person.uid)
    with writing(travels=False) as session:
        tries.take(session, here.steady.now_s(), counted)
    with reading() as session:
        found = turns.arrival(session, picture_secrets.check(session, here.keys.secret, person.uid, tapped))
    with writing(travels=False) as session:
        turns.come_in(session, found)
        tries.give_back(session, here.steady.now_s(), counted)


def _counted(person_uid: str) -> list[Counted]:
    secret, address = guard.here().keys.secret, limits.network()
    return [
        tries.counted(_CHILD_HERE, secret, person_uid, address), tries.counted(_CHILD, secret, person_uid),
        tries.counted(_DEVICE, secret, csrf.secret_of_session(), address), tries.counted(_ADDRESS, secret, address),
    ]  # fmt: skip


def _keep(tapped: Sequence[str]) -> None:
    person = guard.viewer().person
    if person is None:
        raise SignInNeeded
    with writing() as session:
        picture_secrets.choose(session, guard.here().keys.secret, person.uid, tapped)
        note(session, "accounts.choose_pictures", person.org_uid, person.uid)


def _tapped() -> list[str]:
    """What was tapped so far: hidden fields of the page, and the button that was pressed."""
    if "again" in request.form:
        return []
    return [name for name in request.form.getlist("picture") if name in picture_secrets.PICTURES][: picture_secrets.LENGTH]


def _pad(template: str, tapped: Sequence[str], **also: object) -> str:
    return render_template(template, tapped=tapped, words=child_pictures.WORDS, length=picture_secrets.LENGTH, **also)


def _with_a_card() -> ResponseReturnValue:
    return redirect(url_for("accounts.card"), 303)
