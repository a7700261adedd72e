"""The operator's page of versions: what each box runs, what it is offered, and how it goes. At the hub only.

A version is made known on the command line, where its key is; here it is offered: to one box, then to a region, then to all.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from wtforms import SelectField

from eduhub import guard
from eduhub.delivery.models import ReleaseRow
from eduhub.delivery.release import read_version
from eduhub.errors import BadFormat
from eduhub.http import caches
from eduhub.schools import organisations
from eduhub.schools.models import Organisation
from eduhub.sync.models import Node
from eduhub.sync.releases import offering, state_word
from eduhub.sync.releases.models import ReleaseOffer
from eduhub.sync.status import overview
from eduhub.sync.status.overview import Seen
from eduhub.web import release_words, shown
from eduhub.web.edge import note, page_of, reading, row_of, today, writing
from eduhub.web.forms import Form, pairs
from eduhub.web.rights import OPERATOR
from eduhub.web.states import State

bp = Blueprint("versions", __name__)
ROWS = 100
ACTS = ("pause", "go_on", "drop")


class OfferForm(Form):
    """A version for a place."""

    release_id = SelectField(lazy_gettext("Version"))
    place = SelectField(lazy_gettext("For whom"))


@dataclass(frozen=True)
class OfferLine:
    """An offer as the operator sees it: at how many boxes it counts, and how many of those run it."""

    uid: str
    place: str
    version: str
    paused: bool
    boxes: int
    run_it: int
    in_trouble: int


@dataclass(frozen=True)
class BoxLine:
    """One box: what it runs, and how far it is with what it is offered."""

    box: Seen
    offered: str | None
    state: State


@bp.get("/operator/versions")
@guard.allow(OPERATOR)
@caches("no-store")
def home() -> ResponseReturnValue:
    """What each box runs, which version it is offered, and how it goes."""
    return _page(OfferForm(formdata=None))


@bp.post("/operator/versions")
@guard.allow(OPERATOR)
@caches("no-store")
def offer() -> ResponseReturnValue:
    """Offer a version to a box, a school or a region."""
    form = OfferForm()
    with reading() as session:
        _fill(session, form)
    if not form.validate_on_submit():
        return _page(form), 400
    kind, _, uid = str(form.place.data).partition(":")
    with writing() as session:
        made = offering.offer(
            session, release_id=form.release_id.data, org_uid=uid if kind == "org" else None, node_uid=uid if kind == "box" else None
        )
        note(session, "sync.offer_version", made.org_uid, made.uid)
    return redirect(url_for("versions.home"), 303)


@bp.post("/operator/versions/<offer_uid>")
@guard.allow(OPERATOR)
@caches("no-store")
def change(offer_uid: str) -> ResponseReturnValue:
    """Hold an offer back, let it go on, or take it back."""
    act = request.form.get("act")
    if act not in ACTS:
        abort(400)
    with writing() as session:
        row = row_of(session, ReleaseOffer, offer_uid)
        if act == "drop":
            offering.drop(session, row.uid, today(session, row.org_uid))
        else:
            offering.pause(session, row.uid, paused=act == "pause")
        note(session, "sync.change_offer", row.org_uid, row.uid)
    return redirect(url_for("versions.home"), 303)


def _page(form: OfferForm) -> str:
    with reading() as session:
        releases = _fill(session, form)
        boxes = [box for box in overview.of(session) if not box.is_shut_out and not box.is_replaced]
        offers = offering.all_open(session)
        paths = {uid: [str(above) for above in path] for uid, path in organisations.paths(session).items()}
        counting = {box.node_uid: offering.nearest(offers, box.node_uid, paths.get(box.org_uid, [box.org_uid])) for box in boxes}
        names = {org.uid: shown.plain(org.names) for org in session.scalars(select(Organisation))}
        node_names = {box.node_uid: box.name for box in boxes}
    lines = [_offer_line(row, names, node_names, boxes, counting) for row in offers]
    table = [_box_line(box, counting[box.node_uid]) for box in boxes]
    table.sort(key=lambda line: (line.state.colour != "bad", line.state.colour != "slow", line.box.name))
    run = Counter(box.version or gettext("not known") for box in boxes)
    return render_template(
        "operator/versions.html", form=form, releases=releases, offers=lines, boxes=page_of(table, ROWS),
        run=sorted(run.items(), reverse=True),
    )


def _fill(session: Session, form: OfferForm) -> Sequence[ReleaseRow]:
    releases = sorted(session.scalars(select(ReleaseRow)), key=lambda row: read_version(row.version), reverse=True)
    form.release_id.choices = pairs([(row.id, row.version) for row in releases])
    nodes = session.scalars(select(Node).where(Node.revoked_on.is_(None), Node.ended_on.is_(None)).order_by(Node.name))
    places = [(f"box:{node.uid}", gettext("Box %(name)s", name=node.name)) for node in nodes]
    orgs = sorted(session.scalars(select(Organisation)), key=lambda org: (org.kind == "region", shown.plain(org.names)))
    places += [
        (f"org:{org.uid}", gettext("All of %(name)s", name=shown.plain(org.names)) if org.kind == "region" else shown.plain(org.names))
        for org in orgs
    ]
    form.place.choices = pairs(places)
    return releases


def _offer_line(
    row: ReleaseOffer, names: dict[str, str], node_names: dict[str, str], boxes: Sequence[Seen], counting: dict[str, ReleaseOffer | None]
) -> OfferLine:
    mine = [box for box in boxes if (found := counting[box.node_uid]) is not None and found.uid == row.uid]
    place = gettext("Box %(name)s", name=node_names.get(row.node_uid, "")) if row.node_uid else names.get(row.org_uid, "")
    failed = sum(state_word.read(box.told.release if box.told else None).stage == state_word.FAILED for box in mine)
    return OfferLine(row.uid, place, row.version, row.paused, len(mine), sum(_runs(box, row) for box in mine), failed)


def _runs(box: Seen, row: ReleaseOffer) -> bool:
    try:
        return read_version(box.version) >= read_version(row.version)
    except BadFormat:
        return False


def _box_line(box: Seen, row: ReleaseOffer | None) -> BoxLine:
    if row is None:
        return BoxLine(box, None, State(gettext("nothing offered"), "done"))
    if _runs(box, row):
        return BoxLine(box, row.version, State(gettext("runs it"), "done", "good"))
    if row.paused:
        return BoxLine(box, row.version, State(gettext("held back"), "wait"))
    said = state_word.read(box.told.release if box.told else None)
    return BoxLine(box, row.version, release_words.of(said if said.version == row.version else state_word.Word()))
