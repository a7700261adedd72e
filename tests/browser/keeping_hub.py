"""A hub with a lesson that really plays, which can be stopped, hurt and counted: what keeping is tested against."""

import itertools
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from eduhub.app import create_app
from eduhub.courses.models import Lesson
from eduhub.delivery import holding, package
from eduhub.delivery.package import Manifest, Part
from eduhub.delivery.trust import keyring
from eduhub.installation import Installation
from tests.browser.fixture_package import FixturePackage
from tests.in_a_thread import _Quiet

KINDS = {"v240": "video", "v360": "video", "aac": "audio", "stills": "stills", "index": "index", "download": "download", "paper": "attachment"}
TYPES = {"video": "video/mp4", "audio": "audio/mp4", "index": "application/json", "download": "video/mp4", "attachment": "text/html"}


def publish(installation: Installation, lesson_uid: str, made: FixturePackage, *, revision: int = 2, title: str = "Ice", more: Iterable[Part] = ()) -> dict[str, Part]:
    """Bring out `made` as the lesson, with a paper for its learners, and with `more`; the parts by name."""
    offered = made.lesson_data(token=None, names=("v240", "v360", "aac"))
    blobs = {str(track["name"]): track["sha256"] for track in made.tracks} | {
        "index": offered["index_sha256"], "download": made.download,
    }
    blobs["paper"] = made.put(b"<script>alert('a page that somebody attached')</script>")
    if made.stills:
        blobs["stills"] = made.stills["sha256"]
    parts = {name: _part(installation, made, name, sha256) for name, sha256 in blobs.items() if name in KINDS}
    parts.update({part.name: part for part in more})
    with installation.database.write() as session:
        lesson = session.get_one(Lesson, lesson_uid)
        manifest = Manifest(
            hub=keyring(session).hub_uid, lesson=lesson.uid, course=lesson.course_uid, org=lesson.org_uid, revision=revision,
            timeline=lesson.timeline_uid, supersedes=None, language="en", titles={"en": title}, texts={}, audience="own",
            duration_ms=made.seconds * 1000, parts=tuple(parts.values()),
        ).to_bytes()
        row = holding.hold(
            session, installation.blobs, manifest, package.sign(manifest, installation.keys.publishing), course_uid=lesson.course_uid
        )
        holding.reveal_present(session, installation.blobs, row.id)
        lesson.package_id, lesson.revision = row.id, revision
    return parts


def _part(installation: Installation, made: FixturePackage, name: str, sha256: str) -> Part:
    payload, kind = made.blobs[sha256], KINDS[name]
    blob = installation.blobs.put_bytes(payload)
    pieces = None
    if blob.bytes > package.PIECE_BYTES:
        pieces = installation.blobs.put_bytes(package.piece_list(installation.blobs.path(blob.sha256))).sha256
    codec = next((track["type"].split('"')[1] for track in made.tracks if track["name"] == name), None)
    return Part(
        name=name, kind=kind, role="main", language=None, audience="learner", licence=None, type=TYPES.get(kind, "application/octet-stream"),
        codec=codec, height={"v240": 240, "v360": 360}.get(name), bytes=blob.bytes, sha256=blob.sha256, pieces=pieces,
        floor=name in {"v240", "aac", "index"},
    )


class KeepingHub:
    """The hub at one address, whether it runs or not."""

    def __init__(self, installation: Installation) -> None:
        self._app = create_app(installation=installation)
        self._server: BaseWSGIServer | None = None
        self.port = 0
        self.sent: dict[str, int] = {}  # blob -> bytes that left
        self.cut_after: dict[str, int] = {}  # blob -> bytes after which the connection breaks, once
        self.spoil: dict[str, int] = {}  # blob -> how many answers have their first byte changed
        self.pause_s: dict[str, float] = {}  # blob -> how long each portion takes
        self.release = ""  # of the service worker: another text is another worker

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self.port, self._answer, threaded=True, request_handler=_Quiet)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self._server is None:  # a connection that was kept open from before
            raise ConnectionAbortedError
        path = str(environ["PATH_INFO"])
        if path == "/sw.js" and self.release:
            return self._another_worker(environ, start_response)
        answer = self._app(environ, start_response)
        return self._hurt(answer, path.rsplit("/", 1)[1]) if path.startswith("/p/") else answer

    def _another_worker(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """The worker with other bytes."""
        environ.pop("HTTP_ACCEPT_ENCODING", None)

        def without_length(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [row for row in headers if row[0] != "Content-Length"], *rest)

        return itertools.chain([f"// {self.release}\n".encode()], self._app(environ, without_length))

    def _hurt(self, answer: Iterable[bytes], blob: str) -> Iterator[bytes]:
        try:
            for number, whole in enumerate(answer):
                for at in range(0, len(whole), 16_384):
                    some = whole[at : at + 16_384]
                    threading.Event().wait(self.pause_s.get(blob, 0))
                    if self._server is None:
                        raise ConnectionAbortedError
                    if number == 0 and at == 0 and self.spoil.get(blob, 0) > 0:
                        self.spoil[blob] -= 1
                        some = bytes([some[0] ^ 1]) + some[1:]
                    self.sent[blob] = self.sent.get(blob, 0) + len(some)
                    yield some
                    if blob in self.cut_after and self.sent[blob] >= self.cut_after[blob]:
                        del self.cut_after[blob]
                        raise ConnectionAbortedError
        finally:
            close = getattr(answer, "close", None)
            if close:
                close()
