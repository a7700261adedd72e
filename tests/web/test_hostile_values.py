"""Whatever stands in an address, a question or a form of any route: the answer is a page or a refusal, never a mistake of ours.

The names of the fields are those that the view itself asks for: it is watched while it answers. What is written is taken
back (`rights/county.py`).
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.datastructures import ImmutableMultiDict

from tests.web.rights.county import County
from tests.web.rights.table import EVERYONE, GONE, PROTOCOL, TABLE

pytestmark = pytest.mark.thorough
HOSTILE = {
    "a zero": "\x00", "ten thousand letters": "ཡ" * 10_000, "a yak": "🐃 \U000e0001\u202e", "a path": "../../etc/passwd",
    "a number without end": "9" * 40, "less than nothing": "-1",
}  # fmt: skip
# What is typed where the field is asked for and another one is the hostile one; whatever is not here gets a word.
TYPED = {
    "starts_on": "2026-11-23", "ended_on": "2026-11-27", "day": "2026-11-23", "of": "2026-11-23", "on": "2026-11-23",
    "sign_in_name": "tashi", "password": "yak-butter-lantern", "new": "nine-white-yaks", "again": "nine-white-yaks",
    "language": "en", "role": "teacher", "stage": "primary", "intake_year": "2024", "class_number": "2", "period": "1",
    "audience": "learner", "kind": "school", "reason": "moved_group", "page": "1", "how": "same", "begins_s": "0", "ends_s": "9",
    "first_school_year": "2026", "megabytes": "500", "gigabytes": "1", "time_zone": "Asia/Shanghai", "kbit": "128",
    "picture": "yak",
}  # fmt: skip
ASKED: set[str] = set()


class Watched(ImmutableMultiDict[str, str]):
    """What was sent, noting what a view asks for."""

    def __getitem__(self, key: str) -> str:
        ASKED.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        ASKED.add(str(key))
        return super().__contains__(key)

    def get(self, key: str, *arguments: Any, **options: Any) -> Any:
        ASKED.add(key)
        return super().get(key, *arguments, **options)

    def getlist(self, key: str, *arguments: Any, **options: Any) -> Any:
        ASKED.add(key)
        return super().getlist(key, *arguments, **options)


@pytest.fixture(autouse=True)
def _watching(county: County, monkeypatch: pytest.MonkeyPatch) -> None:
    for app in county.apps.values():
        monkeypatch.setattr(app.request_class, "parameter_storage_class", Watched)


def _apps(county: County, route: str) -> list[Flask]:
    """Where the route is; at the hub alone, where it is the same at a box."""
    method, address = route.split(" ")
    found = [app for app in county.apps.values()
             if any(rule.rule == address and method in (rule.methods or ()) for rule in app.url_map.iter_rules())]  # fmt: skip
    return found[:1]


def _reader(route: str) -> str:
    """Whoever is let through furthest."""
    allowed = TABLE[route]
    if allowed in (EVERYONE, PROTOCOL, GONE):
        return "nobody"
    return next((one for one in ("admin", "teacher", *sorted(allowed)) if one in allowed), "student")


def _ask(county: County, app: Flask, route: str, path: str, sent: dict[str, str]) -> int:
    method = route.partition(" ")[0]
    cookie, token = county.browsers[_reader(route)]
    options: dict[str, Any] = {"query_string": sent} if method == "GET" else {"data": {"csrf_token": token} | sent}
    with app.test_client(use_cookies=False).open(path, method=method, headers={"Cookie": cookie}, **options) as answer:
        return int(answer.status_code)


def _path(county: County, address: str, **other: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: quote(other.get(found[1], county.things[found[1]]), safe=""), address)


def _typed(county: County, name: str) -> str:
    return TYPED.get(name) or county.things.get(name) or county.things.get(f"{name}_uid") or "2"


def _fields(county: County, app: Flask, route: str, path: str) -> list[str]:
    """What the view asks for: again and again, because it asks for more once the first answers please it."""
    known: set[str] = set()
    while True:
        ASKED.clear()
        _ask(county, app, route, path, {name: _typed(county, name) for name in known})
        found = {name for name in ASKED if name.isprintable()} - {"csrf_token", "v"} - known
        if not found or len(known) > 60:
            return sorted(known)
        known |= found


def _wrong(county: County, app: Flask, route: str) -> Iterator[str]:
    address = route.split(" ")[1]
    path = _path(county, address)
    fields = _fields(county, app, route, path)
    usual = {name: _typed(county, name) for name in fields}
    for what, value in HOSTILE.items():
        for name in fields:
            if _ask(county, app, route, path, usual | {name: value}) >= 500:
                yield f"{what} in {name}"
        if fields and _ask(county, app, route, path, dict.fromkeys(fields, value)) >= 500:
            yield f"{what} everywhere"
        for argument in re.findall(r"<(?:\w+:)?(\w+)>", address):
            if _ask(county, app, route, _path(county, address, **{argument: value}), usual) >= 500:
                yield f"{what} as the {argument} of the address"


@pytest.mark.parametrize("route", [route for route in TABLE if route != "GET /health"])
def test_no_value_that_anybody_sends_is_a_mistake_of_ours(county: County, route: str) -> None:
    for app in _apps(county, route):
        assert list(_wrong(county, app, route)) == []


def test_the_fields_of_a_form_are_found_by_watching_its_view(county: County) -> None:
    """Else the test above would prove nothing."""
    route = "POST /sign-in"
    found = _fields(county, county.apps["hub"], route, "/sign-in")
    assert {"sign_in_name", "password", "back"} <= set(found)
