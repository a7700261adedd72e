"""A school's box as far as the player sees one: parts by Range, an event inbox, and a link that can be hurt."""

import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import Environment, FileSystemLoader

from tests.browser.fixture_package import FixturePackage

WEB = Path(__file__).parents[2] / "eduhub" / "web"
BUILT = WEB / "static" / "built"
TEMPLATES = WEB / "templates"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:"
)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Lesson</title><link rel="stylesheet" href="/player.css"><body>
<figure class="player" id="player"><video playsinline controls preload="none" src="{base}{download}">{tracks}</video>
{controls}</figure>
<p><a id="moment" href="#t=40" data-at="40">0:40 Ice floats</a></p>
<p><a id="save" href="{base}{download}" download>Save the video</a></p>
<script type="application/json" id="lesson-data">{data}</script>
<script src="/static/built/player.js" defer></script></body></html>"""
TRACK = '<track kind="captions" srclang="{language}" label="{name}" src="{address}">'
TRACKS = [
    {"language": "en", "name": "English", "address": "/captions/en"},
    {"language": "bo", "name": "བོད་ཡིག", "address": "/captions/bo"},
]
CAPTIONS = {
    "/captions/en": "WEBVTT\n\n00:00.000 --> 00:50.000\n<i>Ice</i> floats.\n",
    "/captions/bo": "WEBVTT\n\n00:00.000 --> 00:50.000\nའཁྱགས་པ།\n",
}
ENVIRONMENT = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
ENVIRONMENT.filters["megabytes"] = lambda size: f"{size / 1e6:.1f} MB"
CONTROLS = ENVIRONMENT.get_template("learning/controls.html")


def _said(text: str, **places: object) -> str:
    """The English of a text of the template."""
    return text % places if places else text


@dataclass
class Box:
    """What the box serves, what it was asked, and what is wrong with it."""

    package: FixturePackage
    pages: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, int, int]] = field(default_factory=list)  # track name, first byte, one past the last
    fetched: list[str] = field(default_factory=list)  # parts that were asked for as a whole
    sent: dict[str, int] = field(default_factory=dict)  # track name -> bytes that left
    cut_at: dict[str, int] = field(default_factory=dict)  # track name -> byte after which the connection breaks, once
    missing: set[str] = field(default_factory=set)  # tracks that are not here
    kbit_per_s: int | None = None
    inbox_open: bool = True
    batches: list[dict[str, Any]] = field(default_factory=list)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)  # by uid: taken once
    cookies: list[str | None] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    problems: list[str] = field(default_factory=list)
    address: str = ""

    def page(self, path: str, **how: Any) -> None:
        data = self.package.lesson_data(**how)
        card = {"poster": self.package.poster and data["base"] + self.package.poster}
        controls = CONTROLS.render(_=_said, card=card, controls=self.package.controls(how["names"]), materials={"tracks": TRACKS})
        tracks = "".join(TRACK.format(**track) for track in TRACKS)
        self.pages[path] = PAGE.format(
            base=data["base"], controls=controls, tracks=tracks, download=data["download"]["sha256"], data=json.dumps(data).replace("<", "\\u003c")
        )

    def name_of(self, sha256: str) -> str:
        names = {track["sha256"]: str(track["name"]) for track in self.package.tracks}
        if self.package.stills:
            names[self.package.stills["sha256"]] = "stills"
        names[self.package.sheet or ""] = "sheet"
        return names.get(sha256, sha256[:8])

    def take(self, body: bytes, cookie: str | None) -> dict[str, Any]:
        batch = json.loads(body)
        with self.changed:
            self.batches.append(batch)
            self.cookies.append(cookie)
            for event in batch["events"]:
                self.events.setdefault(event["uid"], {**event, "token": batch["token"]})
            self.changed.notify_all()
        return {"accepted": [event["uid"] for event in batch["events"]], "refused": []}

    def wait_for_events(self, ready: Any, timeout_s: float = 60) -> None:
        """Waits until `ready(events)` holds."""
        with self.changed:
            assert self.changed.wait_for(lambda: ready(list(self.events.values())), timeout_s), self.events

    def watched_ms(self, token: str) -> int:
        return sum(event["watched_ms"] for event in self.events.values() if event["token"] == token)


class Handler(BaseHTTPRequestHandler):
    """One connection to the box."""

    protocol_version = "HTTP/1.1"
    box: ClassVar[Box]

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests read `requests`."""

    def do_GET(self) -> None:
        if self.path.startswith("/p/"):
            self._part(self.path.rsplit("/", 1)[1])
        elif self.path.startswith("/static/built/"):
            self._answer(200, (BUILT / Path(self.path).name).read_bytes(), {"Content-Type": "text/javascript"})
        elif self.path == "/player.css":  # the player's rules alone, which pages have at the end of their style sheet
            self._answer(200, (WEB / "player" / "player.css").read_bytes(), {"Content-Type": "text/css"})
        elif self.path in CAPTIONS:
            self._answer(200, CAPTIONS[self.path].encode(), {"Content-Type": "text/vtt"})
        elif self.path in self.box.pages:
            page = self.box.pages[self.path].encode()
            headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": CSP}
            self._answer(200, page, {**headers, "Set-Cookie": "eduhub_session=whoever; Path=/"})
        else:
            self._answer(404, b"", {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.box.inbox_open:
            answer = json.dumps(self.box.take(body, self.headers["Cookie"])).encode()
            self._answer(200, answer, {"Content-Type": "application/json"})
        else:
            self._answer(503, b"", {})

    def _part(self, sha256: str) -> None:
        payload = self.box.package.blobs.get(sha256)
        name = self.box.name_of(sha256)
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or "")
        if not match:
            self.box.fetched.append(name)
        if payload is None or name in self.box.missing:
            self._answer(404, b"", {})
        elif not match:
            self._answer(200, payload, {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"})
        else:
            self._range(name, payload, int(match[1]), min(int(match[2]) + 1, len(payload)))

    def _range(self, name: str, payload: bytes, first: int, last: int) -> None:
        self.box.requests.append((name, first, last))
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last - 1}/{len(payload)}")
        self.send_header("Content-Length", str(last - first))
        self.send_header("Cache-Control", "private, immutable, max-age=31536000")
        self.end_headers()
        self._stream(name, payload, first, last)

    def _stream(self, name: str, payload: bytes, first: int, last: int) -> None:
        while first < last:
            step = min(4096, last - first)
            cut = self.box.cut_at.get(name)
            if cut is not None and first <= cut < first + step:
                del self.box.cut_at[name]
                self.wfile.write(payload[first:cut])
                self.box.sent[name] = self.box.sent.get(name, 0) + cut - first
                self.close_connection = True
                return
            self.wfile.write(payload[first : first + step])
            self.box.sent[name] = self.box.sent.get(name, 0) + step
            first += step
            if self.box.kbit_per_s:
                time.sleep(step * 8 / self.box.kbit_per_s / 1000)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """The box on a loopback port; connections that the browser drops are part of the test, not errors of it."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


def serve(box: Box) -> Server:
    server = Server(("127.0.0.1", 0), type("BoxHandler", (Handler,), {"box": box}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
