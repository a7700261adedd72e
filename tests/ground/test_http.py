"""What every answer has in common: its caching, its headers, and how an error reads."""

from typing import Any

import pytest
from flask import Flask, Response, redirect
from flask.testing import FlaskClient
from flask_babel import Babel
from structlog.testing import capture_logs

from eduhub import errors, http
from eduhub.http import caches


@pytest.fixture
def app() -> Flask:
    made = Flask("pages", static_folder=None)
    Babel(made)
    http.register(made, lambda page: f"<h1>{page.happened}</h1>{page.kept}{page.next_step}{page.code} {page.correlation}")

    @made.get("/kept")
    @caches("immutable")
    def kept() -> str:
        return "kept"

    @made.get("/asked")
    @caches("revalidate")
    def asked() -> str:
        return "the same"

    @made.get("/waits")
    @caches("revalidate", max_age=30)
    def waits() -> str:
        return "the same"

    @made.get("/all")
    @caches("shared", max_age=60)
    def to_all() -> str:
        return "all"

    @made.get("/silent")
    def silent() -> str:
        return "silent"

    @made.get("/api/own")
    def own() -> Response:
        return Response("own", headers={"Cache-Control": "public, max-age=1"})

    @made.get("/immutable-but-refused")
    @caches("immutable")
    def refused() -> str:
        raise errors.NotAllowed("the detail")

    @made.get("/broken")
    @caches("revalidate")
    def broken() -> str:
        raise ZeroDivisionError("a secret in a trace")

    @made.get("/full")
    def full() -> str:
        raise errors.DiskFull

    @made.get("/facts")
    def facts() -> str:
        raise errors.UploadTooLarge(limit_mb=5)

    @made.get("/moved")
    def moved() -> Any:
        return redirect("/kept", 303)

    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("/kept", "public, max-age=31536000, immutable"), ("/asked", "private, no-cache"),
        ("/waits", "private, max-age=30, must-revalidate"), ("/all", "public, max-age=60, must-revalidate"),
        ("/silent", "no-store"), ("/moved", "no-store"), ("/immutable-but-refused", "no-store"), ("/none", "no-store"),
        ("/api/own", "public, max-age=1"), ("/broken", "no-store"),
    ],
)  # fmt: skip
def test_the_policy_beside_the_route_is_the_one_header(client: FlaskClient, path: str, header: str) -> None:
    assert client.get(path).headers.getlist("Cache-Control") == [header]


def test_a_page_that_has_not_changed_is_not_sent_again(client: FlaskClient) -> None:
    first = client.get("/asked")
    assert {"Cookie", "Accept-Language"} <= set(first.vary)
    again = client.get("/asked", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get("/asked", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["/kept", "/silent", "/none", "/broken", "/moved", "/api/own"])
def test_every_answer_carries_the_security_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_an_error_is_a_page_of_three_sentences(client: FlaskClient) -> None:
    answer = client.get("/immutable-but-refused", headers={"Accept": "text/html"})
    assert answer.status_code == 403
    for sentence in (errors.NotAllowed.happened, errors.NotAllowed.kept, errors.NotAllowed.next_step):
        assert sentence in answer.text
    assert "the detail" not in answer.text


@pytest.mark.parametrize(
    ("path", "accept", "is_json"),
    [("/full", "application/json", True), ("/full", "text/html", False), ("/full", "*/*", False),
     ("/api/nothing", "text/html", True), ("/sync/v1/nothing", "*/*", True)],
)  # fmt: skip
def test_a_program_gets_json_and_a_person_a_page(client: FlaskClient, path: str, accept: str, is_json: bool) -> None:
    answer = client.get(path, headers={"Accept": accept})
    assert answer.is_json is is_json
    if is_json:
        assert set(answer.json or {}) == {"code", "happened", "kept", "next_step", "correlation"}


def test_facts_stand_in_the_sentences(client: FlaskClient) -> None:
    answer = client.get("/facts")
    assert answer.status_code == 413
    assert "5 MB" in answer.text


def test_a_mistake_of_ours_shows_no_trace_and_is_found_in_the_log_by_its_word(client: FlaskClient) -> None:
    with capture_logs() as lines:
        answer = client.get("/broken", headers={"Accept": "application/json"})
    assert answer.status_code == 500
    found = answer.json or {}
    assert found["code"] == "eduhub.error"
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text
    unexpected = next(line for line in lines if line["event"] == "unexpected error")
    assert unexpected["correlation"] == found["correlation"]
    assert isinstance(unexpected["exc_info"], ZeroDivisionError)


def test_a_wrong_method_and_a_wrong_address_are_said_in_our_words(client: FlaskClient) -> None:
    wrong_method = client.post("/kept")
    assert wrong_method.status_code == 405
    assert "GET" in wrong_method.headers["Allow"]
    nowhere = client.get("/none")
    assert nowhere.status_code == 404
    assert errors.NotFound.happened in nowhere.text


@pytest.mark.parametrize(("policy", "max_age"), [("for ever", None), ("immutable", 5), ("shared", None)])
def test_a_policy_that_does_not_exist_stops_the_start(policy: str, max_age: int | None) -> None:
    with pytest.raises(ValueError, match=r"max_age|policy"):
        caches(policy, max_age=max_age)


def test_every_error_of_the_table_has_its_own_code_and_whole_sentences() -> None:
    codes = [error.code for error in errors.error_table()]
    assert len(codes) == len(set(codes))
    for error in errors.error_table():
        assert 400 <= error.status < 600
        for sentence in (error.happened, error.kept, error.next_step):
            assert sentence[0].isupper() or sentence[0] == "%" or sentence[0] == "'"
            assert sentence.endswith(".")
