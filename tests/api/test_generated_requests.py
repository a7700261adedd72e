"""Requests that schemathesis makes up from the OpenAPI document: every route keeps what the document promises.

Some fit the document and some do not; they come from nobody and from a child who is signed in, who also hands over a
token of her own. No answer is 5xx (but a health that is not well), and each has a status, a type and a shape that are
written down.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from eduhub.api import openapi
from tests.api.conftest import Machine

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
ROUTES = {
    f"{method.upper()} {path}": described
    for path, methods in openapi.document()["paths"].items() for method, described in methods.items()
}  # fmt: skip
FIT, DO_NOT_FIT = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
# What takes nothing cannot be asked wrongly.
ASKED = [(route, FIT) for route in ROUTES] + [
    (route, DO_NOT_FIT) for route, described in ROUTES.items() if {"parameters", "requestBody"} & set(described)
]
EXAMPLES = settings(
    max_examples=30, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.parametrize(("route", "mode"), ASKED)
def test_every_route_answers_as_it_is_described(hub: Machine, route: str, mode: GenerationMode) -> None:
    described = schemathesis.openapi.from_wsgi("/api/openapi.json", hub.app)
    method, path = route.split(" ")
    cookie = _cookie_of(hub)

    @EXAMPLES
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        for headers in ({}, {"Cookie": cookie}):
            _check(case, headers)
        if isinstance(case.body, dict) and "token" in case.body:
            case.body = {**case.body, "token": hub.token}
            _check(case, {})

    ask()


def _check(case: Case, headers: dict[str, str]) -> None:
    answer = case.call(headers={**headers, "Accept-Encoding": "identity"})
    assert answer.status_code < 500 or case.path == "/health"
    case.validate_response(answer, checks=CHECKS)


def _cookie_of(hub: Machine) -> str:
    found = hub.browser_of_dolma().get_cookie("eduhub")
    assert found is not None
    return f"eduhub={found.value}"
