"""The media lane, called as WSGI and through a real gunicorn: the same tests on both."""

import errno
import http.client
import io
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eduhub.clock import SteadyClock
from eduhub.delivery import holding, passes
from eduhub.delivery.http import MediaLane, pass_cookie
from eduhub.signing import sha256_hex

from .conftest import NOTES, VIDEO, VOICE, Machine, lesson_manifest, pieces_of

ROOT = Path(__file__).parents[2]
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


def called(lane: MediaLane) -> Ask:
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


def fetched(port: int, data_dir: Path) -> Ask:
    def ask(path: str, *, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers={**named, "Data-Dir": str(data_dir)})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)

    return ask


# One server for all tests: each names the folder of its hub.
PROGRAM = """
    from functools import cache
    from pathlib import Path
    from eduhub.clock import SteadyClock
    from eduhub.delivery.chest import KeyChest
    from eduhub.delivery.http import MediaLane
    from tests.delivery.test_media_lane import fallback

    @cache
    def lane(data):
        secret, steady = KeyChest(data / "keys").secret, SteadyClock(data / "steady-clock.json")
        return MediaLane(fallback, packages_dir=data / "packages", secret=secret, steady=steady)

    def app(environ, start_response):
        return lane(Path(environ["HTTP_DATA_DIR"]))(environ, start_response)
"""


@pytest.fixture(scope="module")
def gunicorn_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("gunicorn")
    (folder / "lane.py").write_text(textwrap.dedent(PROGRAM))
    listening = socket.create_server(("127.0.0.1", 0))
    os.set_inheritable(listening.fileno(), True)
    command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listening.fileno()}", "--threads", "4", "lane:app"]
    server = subprocess.Popen(
        [*command, "--pythonpath", str(folder), "--log-level", "warning", "--worker-tmp-dir", str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, pass_fds=[listening.fileno()],
    )  # fmt: skip
    yield listening.getsockname()[1]  # the socket listens already: the first request waits for the worker
    server.terminate()
    assert server.wait(20) == 0
    listening.close()


@pytest.fixture
def published(hub: Machine) -> str:
    return hub.publish(lesson_manifest()).id


@pytest.fixture(params=["called", pytest.param("gunicorn", marks=pytest.mark.processes)])
def ask(request: pytest.FixtureRequest, hub: Machine, published: str) -> Ask:
    here = hub.here
    if request.param == "called":
        lane = MediaLane(fallback, packages_dir=here.packages_dir, secret=here.keys.secret, steady=here.steady)
        return called(lane)
    return fetched(request.getfixturevalue("gunicorn_port"), here.settings.data_dir)


@pytest.fixture
def cookie(hub: Machine, published: str) -> Callable[..., str]:
    def make(audience: str = "learner", *, package_id: str = published, lasts_s: int = 3600) -> str:
        expires = int(hub.here.steady.now_s()) + lasts_s
        token = passes.mint(
            hub.here.keys.secret, package_id=package_id, audience=audience, person_uid="", expires_steady_s=expires
        )
        return f"theme=dark; eduhub_pass={token}"

    return make


def test_a_part_is_sent_whole(ask: Ask, published: str, cookie: Callable[..., str]) -> None:
    answer = ask(f"/p/{published}/{sha256_hex(VIDEO)}", cookie=cookie())
    assert (answer.status, answer.body) == (200, VIDEO)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == str(len(VIDEO))
    assert answer.headers["etag"] == ETAG
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" not in answer.headers


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=131072-262143", 131072, 262144), ("bytes=299990-", 299990, 300_000), ("bytes=-7", 299993, 300_000),
     ("bytes=100-99999999", 100, 300_000)],
)  # fmt: skip
def test_one_range_is_sent_as_asked(
    ask: Ask, published: str, cookie: Callable[..., str], header: str, start: int, end: int
) -> None:
    answer = ask(f"/p/{published}/{sha256_hex(VIDEO)}", cookie=cookie(), range=header)
    assert (answer.status, answer.body) == (206, VIDEO[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/300000"
    assert answer.headers["content-length"] == str(end - start)
    assert answer.headers["etag"] == ETAG


def test_several_ranges_give_the_whole(ask: Ask, published: str, cookie: Callable[..., str]) -> None:
    answer = ask(f"/p/{published}/{sha256_hex(VIDEO)}", cookie=cookie(), range="bytes=0-1,5-6")
    assert (answer.status, answer.body) == (200, VIDEO)


def test_a_range_behind_the_end_is_416(ask: Ask, published: str, cookie: Callable[..., str]) -> None:
    answer = ask(f"/p/{published}/{sha256_hex(VIDEO)}", cookie=cookie(), range="bytes=300000-")
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */300000")


def test_if_range_with_another_tag_gives_the_whole(ask: Ask, published: str, cookie: Callable[..., str]) -> None:
    url = f"/p/{published}/{sha256_hex(VIDEO)}"
    assert ask(url, cookie=cookie(), range="bytes=0-4", if_range=ETAG).body == b"video"
    for other in ('"abc"', f"W/{ETAG}", "Mon, 23 Nov 2026 17:00:00 GMT"):
        assert ask(url, cookie=cookie(), range="bytes=0-4", if_range=other).status == 200


def test_what_the_browser_has_is_not_sent_again(ask: Ask, published: str, cookie: Callable[..., str]) -> None:
    url = f"/p/{published}/{sha256_hex(VIDEO)}"
    for known in (ETAG, f"W/{ETAG}", f'"abc", {ETAG}', "*"):
        answer = ask(url, cookie=cookie(), if_none_match=known, range="bytes=0-4")
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", ETAG)
    assert ask(url, cookie=cookie(), if_none_match='"abc"').status == 200
    assert ask(url, if_none_match=ETAG).status == 403  # the pass comes first


def test_head_tells_the_size_and_sends_nothing(ask: Ask, published: str, cookie: Callable[..., str]) -> None:
    answer = ask(f"/p/{published}/{sha256_hex(VIDEO)}", method="HEAD", cookie=cookie(), range="bytes=0-4")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "300000")
    refused = ask(f"/p/{published}/{sha256_hex(VIDEO)}", method="HEAD")
    assert (refused.status, refused.body) == (403, b"")


def test_without_a_good_pass_nothing_is_read_or_learned(
    ask: Ask, published: str, cookie: Callable[..., str], hub: Machine
) -> None:
    url = f"/p/{published}/{sha256_hex(VIDEO)}"
    good = cookie()
    wrong_ones = ("", "eduhub_pass=", "eduhub_pass=1.learner.9.-.x", good[:-1], cookie(package_id="0" * 64), cookie(lasts_s=0))
    for wrong in wrong_ones:
        answer = ask(url, cookie=wrong)
        assert (answer.status, answer.body) == (403, b'{"code": "delivery.pass_refused"}')
        assert answer.headers["cache-control"] == "no-store"
    assert ask(f"/p/{published}/{'0' * 64}").status == 403
    assert ask(f"/p/{'0' * 64}/{sha256_hex(VIDEO)}", cookie=good).status == 403


def test_a_stale_cookie_beside_a_good_one_does_no_harm(ask: Ask, published: str, cookie: Callable[..., str]) -> None:
    both = f"{cookie(lasts_s=0)}; {cookie()}"
    assert ask(f"/p/{published}/{sha256_hex(VOICE)}", cookie=both).body == VOICE


def test_a_node_shows_its_pass_in_a_header_and_reads_everything(
    ask: Ask, published: str, cookie: Callable[..., str]
) -> None:
    token = cookie("node").split("eduhub_pass=")[1]
    for payload in (VOICE, NOTES, pieces_of(VIDEO), lesson_manifest().to_bytes()):
        answer = ask(f"/p/{published}/{sha256_hex(payload)}", authorization=f"EduHub-Pass {token}")
        assert (answer.status, answer.body) == (200, payload)


def test_a_learner_does_not_read_what_is_for_teachers(ask: Ask, published: str, cookie: Callable[..., str]) -> None:
    for payload in (NOTES, lesson_manifest().to_bytes()):
        url = f"/p/{published}/{sha256_hex(payload)}"
        assert ask(url, cookie=cookie("learner")).status == 403
        assert ask(url, cookie=cookie("open")).status == 403
        assert ask(url, cookie=cookie("teacher")).body == payload
    assert ask(f"/p/{published}/{sha256_hex(VOICE)}", cookie=cookie("open")).status == 403


def test_a_page_that_a_teacher_attached_is_saved_and_never_run(
    ask: Ask, published: str, cookie: Callable[..., str]
) -> None:
    answer = ask(f"/p/{published}/{sha256_hex(NOTES)}", cookie=cookie("teacher"))
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_what_is_not_in_the_package_is_not_found(
    ask: Ask, published: str, cookie: Callable[..., str], hub: Machine
) -> None:
    other = hub.here.blobs.put_bytes(b"a blob of another package")
    assert ask(f"/p/{published}/{other.sha256}", cookie=cookie()).status == 404
    gone = "0" * 64
    answer = ask(f"/p/{gone}/{other.sha256}", cookie=cookie(package_id=gone))
    assert (answer.status, answer.body) == (404, b'{"code": "asked.not_found"}')


def test_a_part_that_has_not_arrived_is_not_found(
    ask: Ask, published: str, cookie: Callable[..., str], hub: Machine
) -> None:
    (hub.here.packages_dir / published / sha256_hex(VOICE)).unlink()
    assert ask(f"/p/{published}/{sha256_hex(VOICE)}", cookie=cookie()).status == 404
    assert ask(f"/p/{published}/{sha256_hex(VIDEO)}", cookie=cookie()).status == 200


@pytest.mark.parametrize(
    "path",
    ["/p/", "/p/x", "/p/{package}", "/p/{package}/", "/p/{package}/../{package}/{part}", "/p/%2e%2e/keys/root.key",
     "/p/{package}/..%2f..%2fkeys%2froot.key", "/p/{package}/{part}/", "/p//{package}/{part}", "/p/{package}/{part}%0a"],
)  # fmt: skip
def test_no_path_leads_out_of_the_packages(
    ask: Ask, published: str, cookie: Callable[..., str], path: str
) -> None:
    answer = ask(path.format(package=published, part=sha256_hex(VIDEO)), cookie=cookie("node"))
    assert (answer.status, answer.body) == (404, b'{"code": "asked.not_found"}')


def test_a_symbolic_link_in_a_package_is_not_followed(
    ask: Ask, published: str, cookie: Callable[..., str], hub: Machine
) -> None:
    place = hub.here.packages_dir / published / sha256_hex(VOICE)
    place.unlink()
    place.symlink_to(hub.here.keys.folder / "root.key")
    assert ask(f"/p/{published}/{sha256_hex(VOICE)}", cookie=cookie()).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(ask: Ask, published: str, cookie: Callable[..., str], method: str) -> None:
    answer = ask(f"/p/{published}/{sha256_hex(VIDEO)}", method=method, cookie=cookie())
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


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
    holding.clear_away(hub.here.database, hub.here.blobs, now_steady_s=0, pass_hours=12, forget_blobs=False)
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
