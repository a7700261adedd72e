"""nginx before the pages: what it says while gunicorn is away, what it believes, and how both come back."""

import gzip
import http.client
import http.server
import json
import os
import signal
import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from eduhub import clock
from eduhub import http as eduhub_http
from eduhub.config import Settings
from eduhub.delivery import front
from eduhub.errors import BadSetting
from eduhub.installation import Installation, open_installation
from eduhub.media import card_photos
from eduhub.ops import nginx, serve
from eduhub.uids import new_uid
from tests.conformance.lanes import hub_in, running
from tests.conformance.wire import Answer, Connection, request
from tests.media.serving import credential, intent_of
from tests.ops.commanding import on_a_free_port
from tests.ops.serving import Served

pytestmark = [
    pytest.mark.processes, pytest.mark.skipif(nginx.program() is None, reason="nginx is not installed: it cannot stand in front")
]  # fmt: skip
LIMIT_S = 120


def ask(port: int, path: str, method: str = "GET", **headers: str) -> Answer:
    """One request on a connection of its own."""
    with Connection(port) as connection:
        return connection.ask(path, method, **headers)


def until(holds: Callable[[], bool]) -> None:
    """Wait for it; a server that is being started may refuse connections meanwhile."""
    ends = clock.monotonic_s() + LIMIT_S
    while clock.monotonic_s() < ends:
        try:
            if holds():
                return
        except (OSError, IndexError, http.client.HTTPException):
            pass
        clock.sleep_s(0.05)
    raise AssertionError("it did not come to pass")


def assert_guarded(answer: Answer) -> None:
    """What nginx says itself is in no frame, loads nothing, and is of the type it says."""
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = hub_in(tmp_path_factory.mktemp("hub"))
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def port(hub: Installation) -> Iterator[int]:
    """A hub behind nginx that is left in peace."""
    with running(hub, "nginx") as found:
        yield found


@pytest.fixture(scope="module")
def alone(hub: Installation) -> Iterator[int]:
    """The same hub, served by gunicorn alone."""
    with running(hub, "gunicorn") as found:
        yield found


# --- what nginx answers itself --------------------------------------------------------------


@pytest.mark.parametrize("path", ["/static/built/eduhub.css", "/static/built/eduhub.css?v=1", "/static/eduhub.svg", "/static/built/player.js?v=2"])
def test_a_static_file_bears_the_headers_that_python_gives_it(port: int, alone: int, path: str) -> None:
    told, found = ask(alone, path), ask(port, path)
    assert (found.status, found.body) == (200, told.body)
    for name in (*eduhub_http.SECURITY_HEADERS, "Cache-Control", "Content-Type"):
        assert found.headers.get(name.lower()) == told.headers.get(name.lower()), name
    assert "content-security-policy" not in found.headers, "the page's own policy binds what it loads"
    assert ("vary" in found.headers) == ("v=" not in path) or "Accept-Encoding" in found.headers["vary"]


def test_a_static_file_is_sent_compressed_where_a_compressed_one_lies(port: int) -> None:
    for path in sorted((nginx.WEB / "static").rglob("*.gz")):
        name = path.relative_to(nginx.WEB).as_posix().removesuffix(".gz")
        found = ask(port, f"/{name}", accept_encoding="gzip")
        assert found.headers["content-encoding"] == "gzip"
        assert gzip.decompress(found.body) == ask(port, f"/{name}").body


@pytest.mark.parametrize("path", ["/static/none.css", "/static/../ops/nginx.py", "/static/%2e%2e/templates/base.html", "/static/", "/static/built"])
def test_nothing_else_lies_below_static(port: int, path: str) -> None:
    assert ask(port, path).status == 404


def test_what_is_too_large_for_a_form_is_refused_in_three_languages(port: int) -> None:
    answer = ask(port, "/sign-in", "POST", content_length=str(nginx.FORM_BYTES + 1))
    assert answer.status == 413
    assert [language in answer.body.decode() for language in ('lang="bo"', 'lang="zh"', 'lang="en"')] == [True] * 3
    assert answer.headers["cache-control"] == "no-store"
    assert ask(port, "/media/uploads/x", "PATCH", content_length=str(5 << 30)).status != 413


def test_a_file_of_a_stick_is_measured_by_python_alone(port: int) -> None:
    for path in ("/operator/sticks/home", f"/schools/{new_uid()}/sticks/home"):
        assert ask(port, path, "POST", content_length=str(5 << 30)).status == 401
    for path in ("/operator/sticks/pack", f"/schools/{new_uid()}/sticks/pack", "/operator/sticks/file/x"):
        assert ask(port, path, "POST", content_length=str(nginx.FORM_BYTES + 1)).status == 413


def post_photo(port: int, body_bytes: int) -> Answer:
    """A form with a photo that shows no card, from a browser that was never here."""
    head, end = b'--edge\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n', b"\r\n--edge--\r\n"
    body = head + bytes(body_bytes) + end
    words = {"Content-Type": "multipart/form-data; boundary=edge", "Content-Length": str(len(body))}
    with Connection(port) as connection:
        connection.send(request("/card/photo", "POST", **words) + body)
        return connection.read("POST")


def test_a_photo_of_a_card_may_be_as_large_as_a_phone_makes_it(port: int) -> None:
    for size in (10 << 20, card_photos.MOST_BYTES):
        assert post_photo(port, size).status == 400, "Python says what is wrong with the form"
    assert ask(port, "/card/photo", "POST", content_length=str(nginx.PHOTO_BYTES + 1)).status == 413
    assert ask(port, "/card", "POST", content_length=str(nginx.FORM_BYTES + 1)).status == 413


def test_a_photo_of_a_card_lies_on_no_disk_while_it_arrives(port: int, hub: Installation) -> None:
    waiting = hub.settings.data_dir / "run" / "front" / "temp-body"
    before = waiting.stat().st_mtime_ns if waiting.exists() else 0
    assert post_photo(port, 8 << 20).status == 400
    assert (waiting.stat().st_mtime_ns if waiting.exists() else 0) == before
    assert not [path for path in waiting.rglob("*") if path.is_file()]


def test_inner_addresses_do_not_exist_outside(port: int) -> None:
    for path in ("/_lane/check", "/_lane/resting.html", "/_lane/", "/_lane/%63heck", "/x/../_lane/check"):
        assert ask(port, path).status == 404, path


# --- whom Python believes -------------------------------------------------------------------


def said(port: int, **headers: str) -> Answer:
    """A page over TLS bears one header more: so it shows whether Python believes that it was asked over TLS."""
    return ask(port, "/sign-in", **headers)


LIES = {
    "x_forwarded_proto": "https", "x_forwarded_for": "10.1.2.3", "x_forwarded_host": "evil.example", "x_forwarded_ssl": "on",
    "x_forwarded_protocol": "ssl", "x_forwarded_prefix": "/evil", "forwarded": "proto=https;host=evil.example",
    "x_eduhub_front": "0" * 64,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(LIES))
def test_a_strangers_word_about_himself_is_not_believed(port: int, name: str) -> None:
    answer = said(port, **{name: LIES[name]})
    assert answer.status == 200
    assert "cross-origin-opener-policy" not in answer.headers
    assert b"evil" not in answer.body


def test_gunicorn_alone_believes_nobody_either(alone: int) -> None:
    answer = said(alone, **LIES)
    assert "cross-origin-opener-policy" not in answer.headers


def test_behind_a_tls_server_that_servers_word_counts(tmp_path: Path) -> None:
    hub = hub_in(tmp_path, public_url="https://hub.test")
    hub.database.close()
    with running(hub, "nginx") as behind:
        assert "cross-origin-opener-policy" in said(behind, x_forwarded_proto="https").headers
        for path in ("/sign-in", "/static/built/eduhub.css"):
            found = ask(behind, path, x_forwarded_proto="https").headers
            assert found["strict-transport-security"] == "max-age=31536000", path
            assert found["cross-origin-opener-policy"] == "same-origin", path
        assert "strict-transport-security" not in said(behind).headers
        assert "cross-origin-opener-policy" not in said(behind).headers


def test_only_our_nginx_says_who_asks() -> None:
    seen: list[dict[str, object]] = []
    secret = bytes(range(32))
    app = front.Front(lambda e, _s: seen.append({"alone": e}) or [], lambda e, _s: seen.append({"behind": e}) or [], secret=secret)
    for word in (None, "", front.word(bytes(32)), front.word(secret)):
        environ = {} if word is None else {"HTTP_X_EDUHUB_FRONT": word}
        app(environ, lambda *_: lambda _b: None)
    assert [next(iter(row)) for row in seen] == ["alone", "alone", "alone", "behind"]
    assert all("HTTP_X_EDUHUB_FRONT" not in environ for row in seen for environ in row.values())


# --- when something dies --------------------------------------------------------------------


def test_while_gunicorn_is_away_uploads_wait_and_people_are_told(served: Callable[..., Served]) -> None:
    run = served(web_server="nginx")
    run.wait_for_address()
    port, pages = run.settings.port, run.child("hub pages")
    os.kill(pages, signal.SIGSTOP)  # the master, so that its workers are not replaced
    for worker in Path(f"/proc/{pages}/task/{pages}/children").read_text().split():
        os.kill(int(worker), signal.SIGKILL)
    (run.settings.data_dir / "run" / "front" / "pages.sock").unlink()
    try:
        for method in ("HEAD", "PATCH", "POST", "DELETE"):
            waits = ask(port, "/media/uploads/018bcfe5-6800-7000-8000-000000000001", method, content_length="0")
            assert (waits.status, waits.headers["tus-resumable"], waits.headers["cache-control"]) == (423, "1.0.0", "no-store")
            assert_guarded(waits)
        for method in ("GET", "POST"):
            page = ask(port, "/sign-in", method, content_length="0")
            assert (page.status, page.headers["retry-after"], page.headers["cache-control"]) == (503, "3", "no-store")
            assert [f'lang="{language}"' in page.body.decode() for language in ("bo", "zh", "en")] == [True] * 3
            assert 'http-equiv="refresh"' in page.body.decode()
            assert_guarded(page)
        for path in ("/api/events", "/sync/v1/passes", f"/p/{'a' * 64}/{'b' * 64}"):
            answer = ask(port, path)
            assert (answer.status, json.loads(answer.body)) == (503, {"code": "server.resting"})
            assert_guarded(answer)
        assert ask(port, "/static/built/eduhub.css").status == 200
    finally:
        os.kill(pages, signal.SIGKILL)
    until(lambda: ask(port, "/sign-in").status == 200)
    assert "/media/uploads" not in run.log()  # nginx wrote no line about single requests


def test_no_mistake_before_or_in_python_makes_a_client_forget_its_upload(tmp_path: Path) -> None:
    class Failing(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(500)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else b"why!")

        do_HEAD = do_PATCH = answer

        def address_string(self) -> str:
            return "nginx"

    hub = hub_in(tmp_path / "hub")
    here = open_installation(on_a_free_port(hub.settings))
    program = nginx.program()
    assert program is not None
    stand = nginx.write(here, program)
    with socketserver.UnixStreamServer(stand.gunicorn_bind.removeprefix("unix:"), Failing) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        front_door = subprocess.Popen(stand.command)
        try:
            until(lambda: ask(here.settings.port, "/media/uploads/x", "HEAD").status == 423)
            patched = ask(here.settings.port, "/media/uploads/x", "PATCH", content_length="0")
            assert (patched.status, patched.body) == (500, b"why!")
        finally:
            front_door.terminate()
            front_door.wait(20)
            server.shutdown()
    for installation in (here, hub):
        installation.database.close()


@pytest.mark.any_engine
def test_nginx_comes_back_after_kill_9(served: Callable[..., Served]) -> None:
    run = served(web_server="nginx")
    run.wait_for_address()
    before = run.child("hub nginx")
    os.kill(before, signal.SIGKILL)
    assert run.child("hub nginx", other_than=before) != before
    run.wait_until_well()


def test_an_upload_goes_on_at_the_byte_after_gunicorn_was_killed_under_it(served: Callable[..., Served]) -> None:
    run = served(web_server="nginx")
    run.wait_for_address()
    hub, film = open_installation(run.settings), bytes(range(251)) * 4000
    intent = intent_of(hub)
    words = {"Tus-Resumable": "1.0.0", **credential(hub, intent)}
    place, port = f"/media/uploads/{intent.source_uid}", run.settings.port
    ready = {**words, "Content-Type": "application/offset+octet-stream"}
    assert ask(port, "/media/uploads", "POST", **words, **{"Upload-Length": str(len(film)), "Content-Length": "0"}).status == 201

    seen = set()

    def offset() -> int:
        answer = ask(port, place, "HEAD", **words)
        seen.add(answer.status)
        return int(answer.headers.get("upload-offset", -1))

    with Connection(port) as sending:
        sending.send(request(place, "PATCH", **ready, **{"Upload-Offset": "0", "Content-Length": str(len(film))}))
        sending.send(film[:400_000])
        part = hub.settings.data_dir / "incoming" / f"{intent.source_uid}.part"
        until(lambda: part.stat().st_size > 0)  # nginx hands the body on as it comes
        os.kill(run.child("hub pages"), signal.SIGKILL)
        until(lambda: offset() > 0)
    assert seen <= {200, 423}  # nothing that lets a client begin anew
    have = offset()
    rest = {"Upload-Offset": str(have), "Content-Length": str(len(film) - have)}
    with Connection(port) as sending:
        sending.send(request(place, "PATCH", **ready, **rest) + film[have:])
        assert sending.read("PATCH").status == 204
    assert offset() == len(film)
    hub.database.close()


@pytest.mark.any_engine
def test_a_socket_that_a_dead_hub_left_does_not_stop_the_next(served: Callable[..., Served], settings: Settings) -> None:
    folder = settings.data_dir / "run" / "front"
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "pages.sock"))
    run = served(web_server="nginx")
    run.wait_for_address()
    children = [run.child("hub nginx"), run.child("hub pages")]
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(12) == 0
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", run.settings.port)) != 0


# --- where nginx cannot be used -------------------------------------------------------------


def commands(installation: Installation) -> dict[str, tuple[str, ...]]:
    return {service.title: service.command for service in serve.services(installation)}


@pytest.mark.any_engine
def test_without_nginx_gunicorn_answers_at_the_port_itself(
    make_installation: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nginx, "program", lambda: None)
    found = commands(make_installation(web_server="auto", port=4711))
    assert set(found) == {"hub pages", "hub worker"}
    assert "127.0.0.1:4711" in found["hub pages"]
    with pytest.raises(BadSetting) as refused:
        commands(make_installation(web_server="nginx"))
    assert "not installed" in str(refused.value.facts["reason"])


@pytest.mark.any_engine
def test_a_configuration_that_nginx_does_not_take_is_not_run(
    make_installation: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "nginx.conf.in"
    broken.write_text(nginx.TEMPLATE.read_text(encoding="utf-8").replace("auth_request ", "no_such_word "), encoding="utf-8")
    monkeypatch.setattr(nginx, "TEMPLATE", broken)
    assert set(commands(make_installation(web_server="auto"))) == {"hub pages", "hub worker"}
    with pytest.raises(BadSetting) as refused:
        commands(make_installation(web_server="nginx"))
    assert "no_such_word" in str(refused.value.facts["reason"])


@pytest.mark.any_engine
def test_a_path_that_nginx_cannot_be_told_is_left_to_gunicorn(make_installation: Callable[..., Installation], tmp_path: Path) -> None:
    odd = make_installation(web_server="auto", data_dir=tmp_path / "costs $5")
    assert set(commands(odd)) == {"hub pages", "hub worker"}


@pytest.mark.parametrize("name", ["a folder with spaces; and {signs} # of ཨ", "long" * 25])
def test_odd_and_long_paths_are_served(tmp_path: Path, name: str) -> None:
    hub = hub_in(tmp_path / name)
    with running(hub, "nginx") as port:
        assert ask(port, "/sign-in").status == 200
    hub.database.close()


@pytest.mark.any_engine
def test_gunicorns_own_wish_is_kept(make_installation: Callable[..., Installation]) -> None:
    assert set(commands(make_installation(web_server="gunicorn"))) == {"hub pages", "hub worker"}


@pytest.mark.any_engine
def test_the_configuration_is_for_this_user_alone(make_installation: Callable[..., Installation]) -> None:
    here = make_installation(web_server="nginx")
    commands(here)
    folder = here.settings.data_dir / "run" / "front"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "nginx.conf").stat().st_mode & 0o077 == 0
    again = open_installation(replace(here.settings, port=4712))
    commands(again)
    again.database.close()
    assert "listen 127.0.0.1:4712 " in (folder / "nginx.conf").read_text(encoding="utf-8")
