"""The media lane, called as WSGI: what goes on around it and inside. Over HTTP: tests/conformance/test_media_lanes.py."""

import errno
import io
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eduhub.clock import SteadyClock
from eduhub.delivery import front, holding, passes
from eduhub.delivery.http import MediaLane, pass_cookie
from eduhub.signing import sha256_hex

from .conftest import NOTES, VIDEO, VOICE, Machine, lesson_manifest

ETAG = f'"{sha256_hex(VIDEO)}"'


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


Ask = Callable[..., Answer]


def fallback(_environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"flask"]


def called(lane: Callable[..., Any]) -> Ask:
    def ask(path: str, *, method: str = "GET", **headers: str) -> Answer:
        seen: dict[str, Any] = {}

        def start_response(status: str, found: list[tuple[str, str]], _info: object = None) -> Callable[[bytes], None]:
            seen.update(status=int(status[:3]), headers={name.lower(): value for name, value in found})
            return lambda _data: None

        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": io.BytesIO()}
        environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        answer = lane(environ, start_response)
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        return Answer(seen["status"], seen["headers"], body)

    return ask


@pytest.fixture
def published(hub: Machine) -> str:
    return hub.publish(lesson_manifest()).id


@pytest.fixture
def lane(hub: Machine) -> MediaLane:
    here = hub.here
    return MediaLane(fallback, packages_dir=here.packages_dir, secret=here.keys.secret, steady=here.steady)


@pytest.fixture
def ask(lane: MediaLane) -> Ask:
    return called(lane)


@pytest.fixture
def cookie(hub: Machine, published: str) -> Callable[..., str]:
    def make(audience: str = "learner", *, package_id: str = published, lasts_s: int = 3600) -> str:
        expires = int(hub.here.steady.now_s()) + lasts_s
        token = passes.mint(
            hub.here.keys.secret, package_id=package_id, audience=audience, person_uid="", expires_steady_s=expires
        )
        return f"theme=dark; eduhub_pass={token}"

    return make


@pytest.mark.parametrize("path", ["/", "/p", "/people", "/lessons/p/x"])
def test_every_other_path_is_handed_on(ask: Ask, path: str) -> None:
    assert ask(path).body == b"flask"


def test_a_package_that_was_taken_away_is_not_found_though_its_manifest_is_remembered(
    ask: Ask, published: str, cookie: Callable[..., str], hub: Machine
) -> None:
    url = f"/p/{published}/{sha256_hex(VOICE)}"
    assert ask(url, cookie=cookie()).status == 200
    with hub.here.database.write() as session:
        holding.withdraw(session, published)
    holding.clear_away(hub.here.database, hub.here.blobs, now_steady_s=0, pass_hours=12)
    assert ask(url, cookie=cookie()).status == 404


def test_files_are_closed_whatever_the_answer(hub: Machine, published: str, cookie: Callable[..., str]) -> None:
    here = hub.here
    lane = called(MediaLane(fallback, packages_dir=here.packages_dir, secret=here.keys.secret, steady=here.steady))
    url = f"/p/{published}/{sha256_hex(VIDEO)}"
    lane(url, cookie=cookie())
    before = len(os.listdir("/proc/self/fd"))
    for headers in ({}, {"range": "bytes=1-2"}, {"range": "bytes=900000-"}, {"if_none_match": ETAG}):
        for method in ("GET", "HEAD", "POST"):
            lane(url, method=method, cookie=cookie(), **headers)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_reader_who_is_gone_before_the_first_byte_is_a_lost_connection_and_no_fault(
    lane: MediaLane, published: str, cookie: Callable[..., str]
) -> None:
    url = f"/p/{published}/{sha256_hex(VIDEO)}"
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": url, "HTTP_COOKIE": cookie(), "HTTP_RANGE": "bytes=100-", "wsgi.file_wrapper": lambda body, _size: body}
    body: Any = lane(environ, lambda *_answer: lambda _data: None)
    server, reader = socket.socketpair()
    reader.close()
    with server, pytest.raises(BrokenPipeError):
        server.sendfile(body, offset=100, count=len(VIDEO) - 100)
    body.close()


def test_a_stepped_wall_clock_ends_no_pass(tmp_path: Path, hub: Machine, published: str) -> None:
    running = {"uptime": 50.0}
    steady = SteadyClock(tmp_path / "steady.json", uptime_s=lambda: running["uptime"], boot_id=lambda: "one")
    secret = hub.here.keys.secret
    token = passes.mint(
        secret, package_id=published, audience="open", person_uid="", expires_steady_s=steady.now_s() + 100
    )
    ask = called(MediaLane(fallback, packages_dir=hub.here.packages_dir, secret=secret, steady=steady))
    url = f"/p/{published}/{'0' * 64}"
    running["uptime"] = 149.9
    assert ask(url, cookie=f"eduhub_pass={token}").status == 404  # the pass holds, the part does not exist
    running["uptime"] = 150.0
    assert ask(url, cookie=f"eduhub_pass={token}").status == 403


def test_a_browser_gets_its_pass_as_a_cookie_for_one_package() -> None:
    plain = pass_cookie("a" * 64, "1.learner.9.-.mac", max_age_s=60, secure=False)
    assert plain == f"eduhub_pass=1.learner.9.-.mac; Max-Age=60; Path=/p/{'a' * 64}/; HttpOnly; SameSite=Strict"
    assert pass_cookie("a" * 64, "t", max_age_s=60, secure=True).endswith("; SameSite=Strict; Secure")


def test_a_part_that_a_broken_disk_cannot_read_is_an_error_with_an_answer(
    hub: Machine, published: str, cookie: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = hub.here
    lane = called(MediaLane(fallback, packages_dir=here.packages_dir, secret=here.keys.secret, steady=here.steady))
    url = f"/p/{published}/{sha256_hex(VIDEO)}"
    assert lane(url, cookie=cookie()).status == 200
    good = cookie()
    real_open = os.open

    def broken_open(path: Any, *arguments: Any, **named: Any) -> int:
        if str(path).endswith(sha256_hex(VIDEO)):
            raise OSError(errno.EIO, "broken")
        return real_open(path, *arguments, **named)

    monkeypatch.setattr(os, "open", broken_open)
    answer = lane(url, cookie=good)
    assert (answer.status, answer.body) == (500, b'{"code": "eduhub.error"}')


# --- what nginx asks ------------------------------------------------------------------------


@pytest.fixture
def question(hub: Machine, lane: MediaLane) -> Ask:
    """The lane as our own nginx reaches it: the word is said with every request, unless another is given."""
    inside = called(front.Front(lane, lane, secret=hub.here.keys.secret))

    def ask(**headers: str) -> Answer:
        return inside("/_lane/check", **{"x_eduhub_front": front.word(hub.here.keys.secret), **headers})

    return ask


def test_nginx_learns_the_type_and_for_how_long_it_may_go_by_that(
    question: Ask, published: str, cookie: Callable[..., str]
) -> None:
    token = cookie().partition("eduhub_pass=")[2]
    answer = question(x_eduhub_pass=token, x_eduhub_part=f"/p/{published}/{sha256_hex(VIDEO)}")
    assert (answer.status, answer.headers) == (204, {"x-accel-expires": "60", "x-part-type": "video/mp4"})
    ending = cookie("teacher", lasts_s=30).partition("eduhub_pass=")[2]
    answer = question(x_eduhub_pass=ending, x_eduhub_part=f"/p/{published}/{sha256_hex(NOTES)}")
    assert answer.headers["x-part-disposition"] == "attachment"
    assert answer.headers["x-part-policy"] == "sandbox; default-src 'none'"
    assert 28 <= int(answer.headers["x-accel-expires"]) <= 30  # never beyond the end of the pass


def test_nginx_may_not_remember_a_refusal(question: Ask, published: str, cookie: Callable[..., str], hub: Machine) -> None:
    good, video = cookie().partition("eduhub_pass=")[2], f"/p/{published}/{sha256_hex(VIDEO)}"
    questions = [
        ("", video), (good[:-1], video), (good, f"/p/{published}/{sha256_hex(NOTES)}"), (good, f"/p/{published}/{'0' * 64}"), (good, ""),
        (good, f"{video}/../x"),
    ]  # fmt: skip
    for token, part in questions:
        answer = question(x_eduhub_pass=token, x_eduhub_part=part)
        assert (answer.status, answer.headers["x-accel-expires"]) == (403, "0")
    place = hub.here.packages_dir / published / sha256_hex(VOICE)
    place.unlink()
    place.symlink_to(hub.here.keys.folder / "root.key")
    assert question(x_eduhub_pass=good, x_eduhub_part=f"/p/{published}/{sha256_hex(VOICE)}").status == 403


def test_who_does_not_know_the_word_is_no_nginx(question: Ask, published: str, cookie: Callable[..., str]) -> None:
    token = cookie().partition("eduhub_pass=")[2]
    for word in ("", "0" * 64, "w\xf6rt"):
        answer = question(x_eduhub_front=word, x_eduhub_pass=token, x_eduhub_part=f"/p/{published}/{sha256_hex(VIDEO)}")
        assert answer.body == b"flask"  # an address like any other
