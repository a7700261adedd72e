"""A box's one address, to be hung up on a wall: large words in three languages, and a square to scan."""

from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import force_locale, gettext
from markupsafe import Markup
from segno import make_qr

from eduhub import guard
from eduhub.accounts import credentials
from eduhub.config import Settings
from eduhub.errors import NotFound
from eduhub.http import caches
from eduhub.schools.models import Organisation
from eduhub.sync.boxes import joining
from eduhub.sync.models import Node
from eduhub.web import languages
from eduhub.web.edge import reading, row_of
from eduhub.web.rights import SCHOOL

bp = Blueprint("poster", __name__)
at_the_hub = Blueprint("poster_at_hub", __name__)
MOST_WIFI_LETTERS = 32  # of the name of a network, by its standard


@dataclass(frozen=True)
class Words:
    """What the poster says in one language."""

    tag: str
    heading: str
    wifi: str
    address: str


def address_of(settings: Settings, name: str) -> str:
    """Where the box of this name is, on its school's network. A box tells its own port; the hub supposes the usual one."""
    if settings.role == "node" and settings.public_url:
        return settings.public_url
    port = f":{settings.port}" if settings.role == "node" and settings.port not in {80, 443} else ""
    return f"http://{name}.{settings.box_suffix}{port}"


@bp.get("/poster")
@guard.allow(guard.anyone)
@caches("no-store")
def own() -> ResponseReturnValue:
    """What this box is called and where it is found: to be printed. It says nothing that its network does not say."""
    with reading() as session:
        node = joining.own_node(session)
        if node is None:
            raise NotFound("this box has not joined")
        return _poster(
            node.name, session.get(Organisation, node.org_uid), None, needs_adults=not credentials.has_passwords(session)
        )


@at_the_hub.get("/schools/<org_uid>/boxes/<node_uid>/poster")
@guard.allow(SCHOOL)
@caches("no-store")
def of_box(org_uid: str, node_uid: str) -> ResponseReturnValue:
    """The same of one of the school's boxes."""
    with reading() as session:
        node = row_of(session, Node, node_uid, org_uid=org_uid)
        return _poster(node.name, row_of(session, Organisation, org_uid), node)


def _poster(name: str, school: Organisation | None, at_hub: Node | None, *, needs_adults: bool = False) -> str:
    settings = guard.here().settings
    address = address_of(settings, name)
    wifi = request.args.get("wifi", settings.wifi_name if settings.role == "node" else "")[:MOST_WIFI_LETTERS]
    square = make_qr(address, error="m").svg_inline(scale=8, border=2, omitsize=True, svgclass=None, lineclass=None)
    said = []
    for tag in ("bo", "zh", "en"):
        with force_locale(tag):
            said.append(Words(tag, gettext("Lessons of our school"), gettext("Choose this Wi-Fi:"), gettext("Then open this address:")))
    return render_template(
        "box/poster.html", name=name, school=school, address=address, wifi=wifi, said=said, at_hub=at_hub, needs_adults=needs_adults,
        square=Markup(square),  # noqa: S704 - drawn by segno
        language_of=languages.of_text, most=MOST_WIFI_LETTERS,
    )  # fmt: skip
