"""What telephones ask to find out whether a network has the internet: at a school whose names the box gives, the answer is the school's page.

A telephone that joins the school's Wi-Fi then shows it by itself. Only with EDUHUB_SCHOOL_DNS=yes; else these addresses do not exist.
"""

from flask import Blueprint, redirect
from flask.typing import ResponseReturnValue

from eduhub import guard
from eduhub.errors import NotFound
from eduhub.http import caches
from eduhub.sync.boxes import joining
from eduhub.web import poster
from eduhub.web.edge import reading

bp = Blueprint("captive", __name__)


@bp.get("/generate_204")  # Android, Chrome
@bp.get("/gen_204")
@bp.get("/hotspot-detect.html")  # Apple
@bp.get("/library/test/success.html")
@bp.get("/connecttest.txt")  # Windows
@bp.get("/ncsi.txt")
@bp.get("/canonical.html")  # Firefox
@bp.get("/success.txt")
@guard.allow(guard.anyone)
@caches("no-store")
def detect() -> ResponseReturnValue:
    """Lead a telephone that looks for the internet to the school's page."""
    settings = guard.here().settings
    if not settings.school_dns:
        raise NotFound("this box gives no names")
    with reading() as session:
        node = joining.own_node(session)
    if node is None:
        raise NotFound("this box has not joined")
    return redirect(f"{poster.address_of(settings, node.name)}/", 302)  # what telephones know for a portal
