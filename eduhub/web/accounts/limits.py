"""Which counters a try to sign in counts towards: of the name, of the browser, of the address. See `accounts.tries`.

A browser in which somebody has signed in by name keeps a cookie that proves it for just those names (as MACs; the
names are not in it). It goes only to the page that asks for a password.
"""

import hashlib
import hmac
import ipaddress
import re
import secrets

from flask import request
from werkzeug import Response

from eduhub import guard
from eduhub.accounts import people, tries
from eduhub.accounts.tries import Counted
from eduhub.web import csrf
from eduhub.web.edge import writing

COOKIE, PATH, _KEPT_S, _MOST_NAMES = "eduhub_browser", "/sign-in", 400 * 86_400, 8
_SHAPE = re.compile(r"[0-9a-f]{32}(?:\.[0-9a-f]{24}){1,8}")


def of_name(name: str) -> list[Counted]:
    """What a try to sign in by this name counts towards, in the browser that asks."""
    secret, name = guard.here().keys.secret, people.tidy_sign_in_name(name)
    browser, known = _browser()
    if browser and _mac(browser, name) in known:
        return [tries.counted(tries.NAME_HERE, secret, name, browser), tries.counted(tries.BROWSER, secret, browser)]
    address = network()
    lone = browser or f"{csrf.secret_of_session()} {address}"
    # The address counts in a browser that is known for another name, too: whoever has one account has as many of them as they like.
    return [
        tries.counted(tries.NAME, secret, name), tries.counted(tries.BROWSER, secret, lone),
        tries.counted(tries.ADDRESS, secret, address),
    ]  # fmt: skip


def take(wanted: list[Counted]) -> None:
    """Count one try, before anything is looked at. Raises TooManyTries."""
    with writing(travels=False) as session:
        tries.take(session, guard.here().steady.now_s(), wanted)


def give_back(counted: list[Counted]) -> None:
    """Take one try back, where nothing else is written."""
    with writing() as session:
        tries.give_back(session, guard.here().steady.now_s(), counted)


def of_owner(name: str) -> list[Counted]:
    """What a change of the password counts towards, in a browser where its owner is signed in."""
    return [tries.counted(tries.NAME_HERE, guard.here().keys.secret, people.tidy_sign_in_name(name), "own page")]


def of_strangers(name: str) -> list[Counted]:
    """What strangers have tried with this name: forgotten when its owner signs in, or gets a new password."""
    return [tries.counted(tries.NAME, guard.here().keys.secret, people.tidy_sign_in_name(name))]


def remember(answer: Response, name: str) -> None:
    """Let the browser prove from now on that this name was right here."""
    browser, known = _browser()
    browser = browser or secrets.token_hex(16)
    mac = _mac(browser, people.tidy_sign_in_name(name))
    names = [mac, *(other for other in known if other != mac)][:_MOST_NAMES]
    proof = _mac(browser, "")
    answer.set_cookie(
        COOKIE, ".".join((browser, proof, *names[: _MOST_NAMES - 1])), max_age=_KEPT_S, path=PATH, httponly=True,
        samesite="Lax", secure=guard.here().settings.cookies_need_tls,
    )  # fmt: skip


def _browser() -> tuple[str, list[str]]:
    """The browser's own word and the MACs of the names that were right in it; ('', []) where none is proved."""
    sent = request.cookies.get(COOKIE, "")
    if not _SHAPE.fullmatch(sent):
        return "", []
    browser, proof, *known = sent.split(".")
    return (browser, known) if hmac.compare_digest(proof, _mac(browser, "")) else ("", [])


def _mac(browser: str, name: str) -> str:
    key = hmac.digest(guard.here().keys.secret, b"eduhub-browser-cookie/1", hashlib.sha256)
    return hmac.digest(key, f"{browser} {name}".encode(), hashlib.sha256).hex()[:24]


def network() -> str:
    """The address of the browser; of the sixth version the part that a household or a school has for itself."""
    try:
        found = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(getattr(found, "ipv4_mapped", None) or found)


def is_near() -> bool:
    """Whether the browser is in the school's own network, or on this machine."""
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_private
    except ValueError:
        return False
