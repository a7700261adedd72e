"""Every route of hub and box, asked by everybody: who is let through stands in tests/web/rights/table.py.

What a POST would write is taken back, so that each question meets the same world; and every question is of a browser
of its own.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from eduhub import guard
from tests.web.rights import readers
from tests.web.rights.county import County
from tests.web.rights.readers import READERS
from tests.web.rights.table import EVERYONE, GONE, HIDDEN, PROTOCOL, TABLE

ADD_A_LINE = """
{route} is a new route of {where}. Say who may use it, in tests/web/rights/table.py:

    "{route}": SCHOOL,      # or another list of that file; who it is for by its rule: {rule}

See docs/adding-a-page.md."""
ADD_A_THING = """
No thing is known for <{argument}> in the address of {route}. Let `make_things` in tests/web/rights/readers.py return one of
the school's own under this name."""


def _routes(app: Flask) -> dict[str, str]:
    """Every route of an app, with the meaning of its rule."""
    return {
        f"{method} {rule.rule}": getattr(app.view_functions[rule.endpoint], "eduhub_rule", guard.anyone).meaning
        for rule in app.url_map.iter_rules() for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }  # fmt: skip


def test_every_route_of_hub_and_box_is_in_the_table_and_nothing_else_is(county: County) -> None:
    found = {where: _routes(app) for where, app in county.apps.items()}
    for where, routes in found.items():
        for route, rule in routes.items():
            assert route in TABLE, ADD_A_LINE.format(route=route, where=where, rule=rule)
    gone = set(TABLE) - {route for routes in found.values() for route in routes}
    assert gone == set(), "these lines of tests/web/rights/table.py have no route any more"


def test_every_list_of_the_table_names_readers_that_there_are() -> None:
    assert set().union(*TABLE.values()) - EVERYONE - PROTOCOL - GONE <= set(READERS)


@pytest.mark.parametrize("route", list(TABLE))
def test_a_route_lets_through_whom_the_table_names_and_refuses_everybody_else(county: County, route: str) -> None:
    wrong = []
    for where, app in county.apps.items():
        if route in _routes(app):
            answers = {reader: _ask(county, app, reader, route) for reader in READERS}
            wrong += [f"{where}: {complaint}" for complaint in _complaints(TABLE[route], route, answers)]
    assert wrong == []


def _ask(county: County, app: Flask, reader: str, route: str) -> int:
    method, address = route.split(" ")
    for argument in re.findall(r"<(?:\w+:)?(\w+)>", address):
        assert argument in county.things, ADD_A_THING.format(argument=argument, route=route)
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: county.things[found[1]], address)
    cookie, token = county.browsers[reader]
    client = app.test_client(use_cookies=False)
    options: dict[str, Any] = {} if method == "GET" else {"data": {"csrf_token": token}}
    with client.open(path, method=method, headers={"Cookie": cookie}, **options) as answer:
        return int(answer.status_code)


def _complaints(allowed: frozenset[str], route: str, answers: dict[str, int]) -> Iterator[str]:
    if allowed == PROTOCOL:
        same = set(answers.values())
        if len(same) > 1 or max(same) >= 500:
            yield f"a cookie changes the answer: {answers}"
        return
    for reader, status in answers.items():
        if allowed == GONE:
            if status != 404:
                yield f"{reader} must find nothing, and got {status}"
            continue
        let_through = allowed == EVERYONE or reader in allowed
        if let_through and not _is_let_through(route, status):
            yield f"{reader} must be let through, and got {status}"
        if not let_through and status != (refusal := _refusal(reader, route)):
            yield f"{reader} must get {refusal}, and got {status}"


def _is_let_through(route: str, status: int) -> bool:
    """A page is there; what was sent with nothing filled in may be refused for that, but not for who sent it."""
    if route == "GET /health":
        return status in {200, 503}  # no worker runs here
    return status < 400 if route.startswith("GET ") else status < 500 and status not in {401, 403}


def _refusal(reader: str, route: str) -> int:
    if reader == "nobody" or reader in readers.REVOKED:
        return 401
    return 404 if route in HIDDEN else 403
