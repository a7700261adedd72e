"""At the hub: a school's admin fetches what a stick for the school's own box would carry, and sends what came home.

For a school whose box has no link, and whose admin has one: in the town, or on a telephone.
"""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.http import caches
from eduhub.schools.models import Organisation
from eduhub.sync.models import Node
from eduhub.web import courier_words, stick_files, stick_making
from eduhub.web.edge import reading, row_of, writing
from eduhub.web.forms import Form
from eduhub.web.rights import SCHOOL

bp = Blueprint("school_sticks", __name__)


@bp.get("/schools/<org_uid>/sticks")
@guard.allow(SCHOOL)
@caches("no-store")
def home(org_uid: str) -> ResponseReturnValue:
    """The school's boxes, for which a file can be made; the files that were, and what came home."""
    with reading() as session:
        org, nodes = row_of(session, Organisation, org_uid), _nodes(session, org_uid)
        trips = courier_words.trips(session, {uid: node.name for uid, node in nodes.items()}, alone=True)
        return render_template(
            "school/sticks_at_hub.html", org=org, boxes=list(nodes.values()), trips=trips, sizes=stick_making.sizes(), form=Form()
        )


@bp.post("/schools/<org_uid>/sticks/pack")
@guard.allow(SCHOOL)
@caches("no-store")
def pack(org_uid: str) -> ResponseReturnValue:
    """Make a file of what a stick for the school's boxes would carry."""
    if Form().validate_on_submit():
        with writing() as session:
            stick_making.begin(session, _nodes(session, org_uid), request.form.getlist("box"))
    return redirect(url_for("school_sticks.home", org_uid=org_uid), 303)


@bp.get("/schools/<org_uid>/sticks/files/<file_uid>")
@guard.allow(SCHOOL)
@caches("no-store")
def fetch(org_uid: str, file_uid: str) -> ResponseReturnValue:
    """The file, or what is asked for of it; one that was made for other schools as well is for the county."""
    with reading() as session:
        file = stick_making.file_for(session, file_uid, _nodes(session, org_uid).keys())
    return stick_files.send(file)


@bp.post("/schools/<org_uid>/sticks/home")
@guard.allow(SCHOOL)
@caches("no-store")
def home_came(org_uid: str) -> ResponseReturnValue:
    """Take home what the school's own boxes have sent; what is of others is left out."""
    with reading() as session:
        boxes = frozenset(_nodes(session, org_uid))
    stick_making.take_home(boxes)
    return redirect(url_for("school_sticks.home", org_uid=org_uid), 303)


def _nodes(session: Session, org_uid: str) -> dict[str, Node]:
    in_use = (Node.org_uid == org_uid, Node.revoked_on.is_(None), Node.ended_on.is_(None))
    return {node.uid: node for node in session.scalars(select(Node).where(*in_use).order_by(Node.name))}
