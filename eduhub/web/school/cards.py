"""Children's cards: a sheet for a whole class, and a card that is lost.

Only the hashes of cards are kept, so a card is shown once, as the answer to the form that made it. Each
form names the cards that it replaces: one that is sent twice makes no second sheet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from markupsafe import Markup
from segno import make_qr
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.accounts import credentials
from eduhub.accounts.models import Person
from eduhub.errors import BadInput
from eduhub.http import caches
from eduhub.schools.models import Group, Organisation
from eduhub.web import box_states
from eduhub.web.edge import note, reading, row_of, today, writing
from eduhub.web.rights import GROUP, PERSON, SCHOOL
from eduhub.web.school import roster

bp = Blueprint("cards", __name__)


@dataclass(frozen=True)
class Card:
    """A card that was just made: whose, its code to type, and the square to scan."""

    person: Person
    code: str
    square: Markup


def address() -> str:
    """Where a card opens."""
    return request.url_root.rstrip("/") + url_for("accounts.card")


def drawn(person: Person, token: str) -> Card:
    """A card to print."""
    # Letters of a QR code's denser alphabet are capitals, and the scheme and host may be written so.
    square = make_qr(f"{address()}#{token}", error="m").svg_inline(
        scale=4, border=2, omitsize=True, svgclass=None, lineclass=None
    )
    code = " ".join(token[at : at + 5] for at in range(0, len(token), 5))
    return Card(person, code, Markup(square))  # noqa: S704 - drawn by segno from hex-like digits


@dataclass(frozen=True)
class ToPrint:
    """A class with children who may have a card and have none that opens anything."""

    group: roster.GroupRow
    people: Sequence[Person]


@bp.get("/schools/<org_uid>/cards")
@guard.allow(SCHOOL)
@caches("no-store")
def to_print(org_uid: str) -> ResponseReturnValue:
    """Which classes need cards, with a button that prints those of a class."""
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        day = today(session, org_uid)
        classes = []
        for group in roster.groups_of(session, org_uid, day):
            found = [row.person for row in _children(session, group.group.uid, day)]
            held = roster.cards_of(session, [person.uid for person in found])
            if missing := [person for person in found if person.uid not in held]:
                classes.append(ToPrint(group, missing))
        rows = roster.people_of(session, org_uid, day) if box_states.one_was_lost(session, org_uid) else []
        adults = [row.person for row in rows if row.role_names and row.person.sign_in_name]
        return render_template("school/cards_to_print.html", school=school, classes=classes, adults=adults)


@bp.get("/groups/<group_uid>/cards")
@guard.allow(GROUP)
@caches("no-store")
def choose(group_uid: str) -> ResponseReturnValue:
    """Whose cards to make: those who have none are chosen already."""
    with reading() as session:
        group = row_of(session, Group, group_uid)
        school = row_of(session, Organisation, group.org_uid)
        day = today(session, group.org_uid)
        rows = _children(session, group_uid, day)
        held = roster.cards_of(session, [row.person.uid for row in rows])
        return render_template(
            "school/choose_cards.html", group=group, school=school, name=roster.group_name(session, group),
            rows=[(row.person, held.get(row.person.uid, "")) for row in rows],
        )


@bp.post("/groups/<group_uid>/cards")
@guard.allow(GROUP)
@caches("no-store")
def sheet(group_uid: str) -> ResponseReturnValue:
    """New cards for the chosen children of a class, on one sheet to print."""
    made: list[tuple[Person, str]] = []
    with writing() as session:
        group = row_of(session, Group, group_uid)
        school = row_of(session, Organisation, group.org_uid)
        rows = _children(session, group_uid, today(session, group.org_uid))
        people = {row.person.uid: row.person for row in rows}
        for uid in _chosen(people.keys() & set(request.form.getlist("person_uid")), list(people)):
            token = credentials.issue_card_after(session, uid, request.form.get(f"replaces-{uid}", ""))
            if token is not None:
                made.append((people[uid], token))
                note(session, "accounts.issue_card", group.org_uid, uid)
        name = roster.group_name(session, group)
    if not made:
        flash(gettext("No card was made: nobody was chosen, or these cards have been made already."), "slow")
        return redirect(url_for("cards.choose", group_uid=group_uid), 303)
    return render_template(
        "school/card_sheet.html", school=school, group=group, name=name, cards=[drawn(person, token) for person, token in made], address=address()
    )


def _children(session: Session, group_uid: str, day: str) -> list[roster.SpanRow]:
    """Those of a class who may have a card."""
    return [row for row in roster.children_of(session, group_uid, day) if roster.may_have_card(session, row.person.uid, day)]


def _chosen(wanted: set[str], order: Sequence[str]) -> list[str]:
    return [uid for uid in order if uid in wanted]


@bp.post("/people/<person_uid>/card/lost")
@guard.allow(PERSON)
@caches("no-store")
def lost(person_uid: str) -> ResponseReturnValue:
    """The card is lost: it is useless from now on. A new one can be made at any time."""
    with writing() as session:
        found = row_of(session, Person, person_uid)
        if not roster.is_child(session, found.uid, today(session, found.org_uid)):
            raise BadInput("a card is a child's")
        for credential in credentials.of(session, found.uid):
            if credential.kind == "card":
                credentials.revoke(session, credential.uid)
        note(session, "accounts.card_lost", found.org_uid, found.uid)
    flash(gettext("The lost card of %(name)s opens nothing any more.", name=found.name))
    return redirect(url_for("people.person", person_uid=person_uid), 303)
