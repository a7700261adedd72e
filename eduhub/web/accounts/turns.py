"""Several children at one browser: who was here lately, and how one gives way to the next.

The list lies in the session's cookie: uids, no names, gone with the browser session or with an adult's sign-in. A place in
it holds for hours from the moment at which the child proved who it is, and only as long as that card is its card and nobody
has ended that sign-in: the cookie of a stolen phone opens nothing after that. What the child before has watched stays booked
to that child, because each event carries its own child's token.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

from flask import Blueprint, redirect, render_template, request, url_for
from flask import session as browser_session
from flask.typing import ResponseReturnValue
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from eduhub import clock, guard
from eduhub.accounts import credentials, picture_secrets, roles, sign_ins
from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.http import caches
from eduhub.schools import calendars, children_sign_in
from eduhub.schools.children_sign_in import Allowed
from eduhub.schools.models import SchoolCalendar
from eduhub.sync.boxes import joining
from eduhub.web.accounts import child_pictures, limits, visits
from eduhub.web.edge import reading, today, writing
from eduhub.web.learning import lesson_data
from eduhub.web.school import roster

bp = Blueprint("turns", __name__)
_KEY, _OFFER, _CARD = "turns", "offers_pictures", "showed_card"
MOST = 8
LATELY_S = 12 * 3600
# One question for whoever comes in: the zone of the school, and a line for each role.
_ARRIVING = (
    select(SchoolCalendar.time_zone, RoleGrant)
    .select_from(Person)
    .outerjoin(SchoolCalendar, SchoolCalendar.uid == Person.org_uid)
    .outerjoin(RoleGrant, RoleGrant.person_uid == Person.uid)
    .where(Person.uid == bindparam("person_uid"))
)


@dataclass(frozen=True)
class Place:
    """A child's place in the list: with which card and in which sign-in it was here, and when it last proved who it is."""

    person_uid: str
    card_uid: str
    sign_in_uid: str
    at_s: int  # of the steady clock


@dataclass(frozen=True)
class Turn:
    """A child who was here lately. `way`: turn (at once), pictures, card."""

    person: Person
    picture: str
    way: str
    place: Place


@dataclass(frozen=True)
class Arrival:
    """Somebody who has proved who they are, with what is found once, before the others have to wait for a writer."""

    credential: Credential
    is_child: bool
    before_ms: int | None
    may_choose_pictures: bool
    on: str | None  # the day by which roles hold


def arrival(session: Session, credential: Credential) -> Arrival:
    """What there is to know of whoever holds this credential; to be asked in a transaction that only reads."""
    found = session.execute(_ARRIVING, {"person_uid": credential.person_uid}).all()
    on = guard.day(session, calendars.known_zone(found[0].time_zone))
    day = on or clock.today(calendars.TIME_ZONE)
    is_child = not any(grant.role in roles.STAFF and roles.holds(grant, day) for _zone, grant in found if grant is not None)
    may_choose = is_child and allowed_here(session).by_pictures and not picture_secrets.has(session, credential.person_uid)
    return Arrival(credential, is_child, visits.last(session, credential.person_uid), may_choose, on)


def come_in(session: Session, found: Arrival, *, with_card: bool = False, back_to: Place | None = None) -> None:
    """Sign somebody in at this browser. Who was signed in gives way, and a child stays in the list of turns.

    `with_card`: the card itself was shown. `back_to`: nothing was shown, it is only the turn of somebody who was here.
    """
    before, lately, card = guard.viewer().sign_in_uid, _lately(), found.credential
    if before is not None:
        sign_ins.give_way(session, before)
    made = guard.sign_in(session, card, found.on)
    visits.keep(found.before_ms)
    browser_session[_CARD] = with_card
    if found.is_child:
        offer_pictures(is_open=with_card and found.may_choose_pictures)
        at_s = back_to.at_s if back_to is not None else int(guard.here().steady.now_s())
        others = [place for place in lately if place.person_uid != card.person_uid]
        places = [Place(card.person_uid, card.uid, made.uid, at_s), *others]
        browser_session[_KEY] = [astuple(place) for place in places[:MOST]]


def offer_pictures(*, is_open: bool) -> None:
    """Whether the first page says that pictures can be chosen; found once at sign-in."""
    browser_session[_OFFER] = is_open


def offers_pictures() -> bool:
    """The same, when the page is made."""
    return guard.viewer().is_child and browser_session.get(_OFFER) is True


def showed_card() -> bool:
    """Whether the reader has signed in with the card itself: only then are pictures chosen, for they outlast this browser."""
    return browser_session.get(_CARD) is True


def context() -> str:
    """What events say of this browser: whether several children have used it lately."""
    return "shared_device" if len(_lately()) > 1 else "own_device"


def allowed_here(session: Session) -> Allowed:
    """The ways in beside the card: a box's own school decides, for browsers in its own network; a hub has none."""
    if guard.here().settings.role != "node" or not limits.is_near():
        return Allowed()
    node = joining.own_node(session)
    return children_sign_in.of_school(session, node.org_uid if node else None)


@bp.get("/turn")
@guard.allow(guard.anyone)
@caches("no-store")
def whose() -> ResponseReturnValue:
    """Whose turn is it? The children who used this browser lately; one tap changes over."""
    with reading() as session:
        turns = _turns(session)
    return render_template("accounts/turns.html", turns=turns, player_script=lesson_data.built("player.js"))


@bp.post("/turn")
@guard.allow(guard.anyone)
@caches("no-store")
def change() -> ResponseReturnValue:
    """It is another child's turn: at once where the school allows it, else with its pictures or its card."""
    wanted = request.form.get("person_uid", "")
    with reading() as session:
        turn = next((found for found in _turns(session) if found.person.uid == wanted), None)
        if turn is None or turn.way == "card":
            return redirect(url_for("accounts.card"), 303)
        if turn.way == "pictures":
            return redirect(url_for("classes.pictures", person_uid=wanted), 303)
        found = arrival(session, session.get_one(Credential, turn.place.card_uid))
    with writing(travels=False) as session:
        come_in(session, found, back_to=turn.place)
    return redirect("/", 303)


def _turns(session: Session) -> Sequence[Turn]:
    """Whoever may come back: the others than the reader, as long as they have that card, and are children."""
    allowed, reader = allowed_here(session), guard.viewer().person
    places = [place for place in _lately() if reader is None or place.person_uid != reader.uid]
    open_ones = sign_ins.gave_way(session, [place.sign_in_uid for place in places])
    uids = [place.person_uid for place in places]
    people = {person.uid: person for person in session.scalars(select(Person).where(Person.uid.in_(uids)))}
    found = []
    for place in places:
        person = people.get(place.person_uid)
        if person is None or place.sign_in_uid not in open_ones or credentials.card_of(session, person.uid) != place.card_uid:
            continue
        if roster.is_child(session, person.uid, today(session, person.org_uid)):
            found.append(Turn(person, child_pictures.of_person(person), _way(session, allowed, person.uid), place))
    return found


def _way(session: Session, allowed: Allowed, person_uid: str) -> str:
    if allowed.turns_without_card:
        return "turn"
    return "pictures" if allowed.by_pictures and picture_secrets.has(session, person_uid) else "card"


def _lately() -> list[Place]:
    """The places that still hold, the last first. The cookie is ours: it is signed."""
    since = guard.here().steady.now_s() - LATELY_S
    kept = [Place(*entry) for entry in browser_session.get(_KEY, []) if len(entry) == len(fields(Place))]  # others: an earlier release
    return [place for place in kept if place.at_s >= since]
