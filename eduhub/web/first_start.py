"""A box that belongs to nobody yet: whatever address is asked for leads to one page, on which it joins its hub.

Who may: whoever is on the box's own network, as long as it has not joined. Nothing more is asked, because the code is
the credential: a stranger who is first needs one that an operator has made, and a box that a stranger joined to a hub of their own has
nothing of the school's yet. Whom the box may ask on a stranger's word is bounded in `sync/boxes/typed_hub.py`. Once the box has joined these addresses do not exist.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from wtforms import StringField

from eduhub import guard
from eduhub.accounts import tries
from eduhub.errors import N_, BadInput, EduHubError, JoinRefused, LinkDown, NotAllowed, NotFound, TooManyTries
from eduhub.http import caches
from eduhub.sync.boxes import first_start
from eduhub.web import languages
from eduhub.web.edge import reading, writing
from eduhub.web.forms import Form, needed, sentence, text_field

bp = Blueprint("first_start", __name__)
PATH = "/first-start"
TRIES = tries.Limit("first-start", 10, 30)
_ALSO_BEFORE = frozenset({"static", "first_start.page", "first_start.join", "accounts.choose_language", "api_health.health", "keeping.manifest"})
_LOCAL_NAMES = (".lan", ".local", ".home.arpa", ".internal")
_OVER = "eduhub_first_start_is_over"  # of the app, once it is

# What a refusal means and what to do about it, by its reason. A hub of before 0.3 says none.
REASONS = {
    "not_a_code": N_("This is not a code. It has twenty letters and digits, in four groups of five. Look at it again."),
    "other_hub": N_("The code was made at another hub than the one at this address. Look at the address again."),
    "unknown": N_("The hub does not know this code. Look at each letter again, or ask the operator for a new code."),
    "used": N_("Another box has joined with this code. Ask the operator for a new one."),
    "old": N_("The code is too old: it is good for a week. Ask the operator for a new one."),
    "taken": N_("Another spare box has taken this place. Ask the operator which one."),
}


class JoinForm(Form):
    """Where the hub is, and the code."""

    hub = text_field(lazy_gettext("Address of the hub"), lazy_gettext("Type the address of the hub."))
    code = StringField(
        lazy_gettext("Code"), validators=needed(lazy_gettext("Type the code.")),
        render_kw={"maxlength": 60, "autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "class": "code"},
    )  # fmt: skip


def register(app: Flask) -> None:
    """Lead every address here, at a box, until it has joined."""
    if app.extensions["eduhub"].settings.role != "node":
        return

    @app.url_value_preprocessor  # before anything is said about what stands in the address
    def _lead_here(endpoint: str | None, _values: dict[str, Any] | None) -> None:
        if endpoint in _ALSO_BEFORE or request.blueprint in guard.OWN_CREDENTIALS or not _is_new():
            return
        abort(redirect(f"{_place()}{PATH}", 303))


def _is_new() -> bool:
    if current_app.extensions.get(_OVER):
        return False  # for good: a box joins once
    with reading() as session:
        found = first_start.is_new(session)
    if not found:
        current_app.extensions[_OVER] = True
    return found


def _check_may() -> None:
    if not _is_new():
        raise NotFound("this box has joined")
    if not _is_local(request.remote_addr or ""):
        raise NotAllowed("first start is for the box's own network")


def _is_local(address: str) -> bool:
    try:
        found = _plain(address)
    except ValueError:
        return False
    return found.is_private or found.is_link_local


def _plain(address: str) -> IPv4Address | IPv6Address:
    """An address as it is meant. Raises ValueError."""
    found = ip_address(address)
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _place() -> str:
    """'' where the page was asked for under a name of this network; else where this box is found from there, so that a telephone that was
    led here under a name of the internet (it looks for it, and the box gives the names) can use the form.
    """
    if _has_own_name():
        return ""
    own = _own_address(request.remote_addr or "")
    port = request.host.rpartition(":")[2]
    return f"{request.scheme}://{own}{f':{port}' if port.isdigit() else ''}" if own else ""


def _own_address(reader: str) -> str:
    """The address of this machine towards a reader's, as a host of a URL; '' where it has none. Nothing is sent."""
    try:
        found = ip_address(reader)
        with socket.socket(socket.AF_INET6 if found.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as asked:
            asked.connect((str(found), 9))
            own = ip_address(asked.getsockname()[0])
    except (OSError, ValueError):
        return ""
    if isinstance(own, IPv6Address):
        return str(own.ipv4_mapped) if own.ipv4_mapped else "" if own.is_link_local else f"[{own}]"
    return str(own)


def _has_own_name() -> bool:
    """Whether the page was asked for under a name that only this network can give: a page of somewhere else can let a
    public name of its own lead to this box, and press the button in a reader's stead.
    """
    host = request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdigit() else request.host
    try:
        return bool(ip_address(host.strip("[]")))
    except ValueError:
        return "." not in host or host.lower().endswith(_LOCAL_NAMES) or _is_of_its_operator(host.lower())


def _is_of_its_operator(host: str) -> bool:
    """Whether a name is one that the operator gave this box, in the settings: nobody else lets it lead here."""
    settings = guard.here().settings
    return host == urlsplit(settings.public_url or "").hostname or (
        bool(settings.box_suffix) and host.endswith(f".{settings.box_suffix}")
    )


@bp.get(PATH)
@guard.allow(guard.anyone)
@caches("no-store")
def page() -> ResponseReturnValue:
    """The first page of a box: where its hub is, and the code; or how far joining is."""
    _check_may()
    if place := _place():
        return redirect(f"{place}{PATH}", 303)
    with reading() as session:
        asked = first_start.asked(session, guard.here())
    if asked is not None and asked.is_under_way:
        return render_template("box/joining.html", hub=asked.hub)
    form = JoinForm(formdata=None, hub=asked.hub if asked else "")
    said = _in_words(asked.error(), asked.reason) if asked and asked.error else ""
    return render_template("box/first_start.html", form=form, said=said, may_repeat=bool(asked and asked.may_repeat))


@bp.post(PATH)
@guard.allow(guard.anyone)
@caches("no-store")
def join() -> ResponseReturnValue:
    """Have the box join; the page then says how far it is."""
    _check_may()
    if not _has_own_name():
        raise NotAllowed("asked for under a name of the internet")
    form, again = JoinForm(), "again" in request.form
    if not again and not form.validate():
        return render_template("box/first_start.html", form=form, said="", may_repeat=False), 400
    try:
        _count_try()
        with writing(travels=False) as session:
            asked = first_start.asked(session, guard.here())
            hub = asked.hub if again and asked else form.hub.data or ""
            at_the_machine = _plain(request.remote_addr or "").is_loopback
            first_start.ask(session, guard.here(), hub, None if again else form.code.data, at_the_machine=at_the_machine)
    except TooManyTries as error:
        form.refuse(error)
        return render_template("box/first_start.html", form=form, said="", may_repeat=False), 429
    except BadInput:
        form.hub.errors = [gettext("This is not the address of a hub. It looks like hub.example.org.")]
        return render_template("box/first_start.html", form=form, said="", may_repeat=False), 400
    except JoinRefused as error:
        form.code.errors = [_in_words(error, str(error.facts.get("reason", "")))]
        return render_template("box/first_start.html", form=form, said="", may_repeat=False), 400
    return redirect(url_for("first_start.page"), 303)


def _count_try() -> None:
    """Few tries, all together: there is one box, and one person at it."""
    with writing(travels=False) as session:
        tries.take(session, guard.here().steady.now_s(), [tries.counted(TRIES, guard.here().keys.secret)])


def _in_words(error: EduHubError, reason: str) -> str:
    if isinstance(error, LinkDown):
        return languages.in_a_row(
            gettext("The hub could not be reached at this address."),
            gettext("Is the address right? Does the box have its link to the internet? The code is kept: try again when it is there."),
        )
    return gettext(REASONS[reason]) if reason in REASONS else sentence(error)
