"""What the hub's sync addresses answer, and what may be cached."""

import gzip
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from eduhub.delivery import catalog
from eduhub.errors import BadFormat
from eduhub.installation import Installation
from eduhub.sync import http
from eduhub.sync.closed_pages import ClosedPages
from eduhub.sync.link import Link
from tests.sync.world import Hub


@pytest.fixture
def client(hub: Hub) -> FlaskClient:
    app = Flask("hub")
    app.register_blueprint(http.blueprint(hub.here))
    return app.test_client()


def fill(hub: Hub, entries: int) -> None:
    with hub.here.database.write() as session:
        for number in range(entries):
            catalog.append(session, hub.here.keys, "riddle", {"number": number, "text": "what is it " * 8})


def test_a_closed_page_may_be_kept_for_ever_under_an_address_that_names_the_epoch(hub: Hub, client: FlaskClient) -> None:
    fill(hub, 256)
    caching = {
        path: client.get(f"/sync/v1/catalog/pages/{path}").headers["Cache-Control"]
        for path in ("0?epoch=1", "0", "0?epoch=2", "1?epoch=1")
    }
    assert caching.pop("0?epoch=1") == "public, max-age=31536000, immutable"
    assert set(caching.values()) == {"no-store"}


def test_a_page_of_the_catalog_is_packed_for_whoever_can_unpack_it(hub: Hub, client: FlaskClient) -> None:
    fill(hub, 200)
    plain = client.get("/sync/v1/catalog/pages/0")
    packed = client.get("/sync/v1/catalog/pages/0", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) * 3 < len(plain.data)
    assert packed.headers["Vary"] == "Accept-Encoding"


def test_a_closed_page_is_read_from_the_database_once(hub: Hub, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(hub, 256)
    read, page = [], catalog.page
    monkeypatch.setattr(catalog, "page", lambda session, number: (read.append(number), page(session, number))[1])
    packed = {"Accept-Encoding": "gzip"}
    answers = [client.get("/sync/v1/catalog/pages/0?epoch=1", headers=headers) for headers in ({}, packed, {}, packed)]
    assert read == [0]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"public, max-age=31536000, immutable"}
    assert [len(answer.data) for answer in answers[:2]] == [len(answer.data) for answer in answers[2:]]
    assert gzip.decompress(answers[1].data) == answers[0].data


def test_what_still_grows_is_read_each_time(hub: Hub, client: FlaskClient) -> None:
    fill(hub, 3)
    before = client.get("/sync/v1/catalog/pages/0?epoch=1").data
    fill(hub, 1)
    assert client.get("/sync/v1/catalog/pages/0?epoch=1").data != before


def test_closed_pages_take_no_more_memory_than_they_may() -> None:
    pages = ClosedPages(lambda plain: plain[:10], most_bytes=1000)
    for number in range(50):
        pages.keep("1", number, bytes(90))
        assert pages.get("1", 0) is not None or number > 9  # asked for lately: it stays
        pages.get("1", 0)
    held = [number for number in range(50) if pages.get("1", number)]
    assert held == [0, *range(41, 50)]
    pages.keep("1", 60, bytes(5000))
    assert [number for number in range(61) if pages.get("1", number)] == []
    pages.keep("1", 1, bytes(90))
    pages.keep("1", 1, bytes(90))
    assert pages.get("1", 1) is not None
    assert pages.get("2", 1) is None


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/sync/v1/stream?after=0"), ("POST", "/sync/v1/outbox"), ("POST", "/sync/v1/passes"), ("POST", "/sync/v1/replay"),
])  # fmt: skip
@pytest.mark.parametrize("line", [None, "EduHub-Node x", "Bearer abc", "EduHub-Node " + "0" * 36 + ".0." + "0" * 128])
def test_without_a_nodes_signature_nothing_is_said(client: FlaskClient, method: str, path: str, line: str | None) -> None:
    headers: dict[str, Any] = {} if line is None else {"Authorization": line}
    answer = client.open(path, method=method, data=b"{}" if method == "POST" else None, headers=headers)
    assert (answer.status_code, answer.json) == (401, {"code": "sync.node_refused"})


@pytest.mark.parametrize("path", ["/sync/v1/hello", "/sync/v1/hello?nonce=xyz"])
def test_hello_wants_a_nonce(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 422


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"format":"eduhub-join/1","code":7}'])
def test_a_request_to_join_that_cannot_be_read_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/sync/v1/join", data=body)
    assert (answer.status_code, answer.json) == (422, {"code": "format.bad"})


def test_a_body_without_end_is_not_read(client: FlaskClient) -> None:
    assert client.post("/sync/v1/outbox", data=b" " * (http.MAX_BODY_BYTES + 1)).status_code == 413
    assert client.post("/sync/v1/join", data=b" " * (http.MAX_JOIN_BYTES + 1)).status_code == 413


@pytest.mark.parametrize("name", ["\ud800", "a\x00b", "", "0" * 65, "A" * 64])
def test_a_pass_for_what_is_no_package_is_refused_in_words(hub: Hub, box: Installation, name: str) -> None:
    node_uid = hub.join(box, hub.school("Shuanghu"))
    with Link("http://hub.test", node_uid=node_uid, key=box.keys.node_signing, transport=hub.wire) as link, pytest.raises(BadFormat):
        link.post_json("/sync/v1/passes", {"packages": ["0" * 64, name]})
