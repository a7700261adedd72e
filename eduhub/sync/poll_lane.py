"""Hub: `GET /sync/v1/poll`, answered in front of Flask: whether anything moved for one box, in as few bytes as HTTP has.

`?e=<epoch>&c=<catalog sequence>&s=<stream sequence>` is where the box stands, and its poll token (`auth`) says who it
is. 204: that is all there is. 200: there is more. Neither is signed: a lie in it is worth as much as a cut line, and the
next full round finds it out. When a box last called is kept in memory and written once a minute, not once a poll.

This module must not know pages or streams. See docs/formats/nodes.md.
"""

import re
from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select, update

from eduhub import clock, logs
from eduhub.changes import Change, Tombstone
from eduhub.delivery.models import CatalogState
from eduhub.errors import EduHubError, NodeRefused
from eduhub.installation import Installation
from eduhub.learning.models import Progress, ProgressEnd
from eduhub.sync import auth
from eduhub.sync.models import Node, NodeContact, StreamState
from eduhub.sync.school_stream.streams import Ends
from eduhub.sync.school_stream.watching import Watch

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logs.logger(__name__)

PATH = "/sync/v1/poll"
WRITE_EVERY_S = 60.0
_AT = re.compile(r"e=([0-9]{1,15})&c=([0-9]{1,15})&s=([0-9]{1,15})")


class PollLane:
    """WSGI middleware that answers polls and hands everything else to `app`."""

    def __init__(self, app: "WSGIApplication", installation: Installation) -> None:
        self._app, self._installation = app, installation
        self._watch, self._contacts = Watch(), Contacts(installation)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            return self._app(environ, start_response)
        if environ["REQUEST_METHOD"] != "GET":
            return _answer(start_response, "405 Method Not Allowed", b"", [("Allow", "GET")])
        at = _AT.fullmatch(environ.get("QUERY_STRING", ""))
        if at is None:
            return _answer(start_response, "400 Bad Request", b'{"code": "bad_format"}')
        try:
            node_uid = auth.polled_by(self._installation, environ.get("HTTP_AUTHORIZATION"))
            has_moved = self._has_moved(node_uid, int(at[1]), int(at[2]), int(at[3]))
        except NodeRefused as error:
            return _answer(start_response, "401 Unauthorized", b'{"code": "%s"}' % error.code.encode())
        except EduHubError as error:
            log.error("a poll failed", error_code=error.code, detail=error.detail[:200])
            return _answer(start_response, "503 Service Unavailable", b'{"code": "%s"}' % error.code.encode(), [("Retry-After", "60")])
        self._contacts.note(node_uid)
        if not has_moved:
            start_response("204 No Content", [("Cache-Control", "no-store")])
            return []
        return _answer(start_response, "200 OK", b"{}")

    def _has_moved(self, node_uid: str, epoch: int, catalog_sequence: int, stream_sequence: int) -> bool:
        database = self._installation.database
        with database.engine.connect() as connection:
            found = connection.execute(_STANDS, {"node": node_uid}).first()
        if found is None or found.revoked_on is not None:
            raise NodeRefused("unknown or shut out", node=node_uid)
        if found.ended_on is not None:
            return True  # the round that this brings is told so, and says what waits
        now = Ends(
            found.last_change or 0, max(found.last_progress or 0, found.removed_progress or 0), found.last_erasure or 0,
            clock.now().date().isoformat(),
        )  # fmt: skip
        self._watch.look(now, database.read)
        if (found.epoch or 1, found.catalog_sequence or 0) != (epoch, catalog_sequence):
            return True
        return found.sequence != stream_sequence or self._watch.has_moved(found.org_uid, found)


# All that a poll asks the database: one statement, seven looks into indexes.
_STANDS = (
    select(
        Node.org_uid, Node.revoked_on, Node.ended_on, StreamState.sequence, StreamState.change_seq, StreamState.progress_seq,
        StreamState.erased_counter, StreamState.day, CatalogState.epoch, CatalogState.sequence.label("catalog_sequence"),
        select(func.max(Change.seq)).scalar_subquery().label("last_change"),
        select(func.max(Progress.change_seq)).scalar_subquery().label("last_progress"),
        select(ProgressEnd.change_seq).where(ProgressEnd.id == 1).scalar_subquery().label("removed_progress"),
        select(func.max(Tombstone.counter)).scalar_subquery().label("last_erasure"),
    )
    .select_from(Node)
    .outerjoin(StreamState, StreamState.org_uid == Node.org_uid)
    .outerjoin(CatalogState, CatalogState.id == 1)
    .where(Node.uid == bindparam("node"))
)  # fmt: skip


class Contacts:
    """When boxes last called: kept here, and written together now and then."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._lock = Lock()
        self._called: dict[str, int] = {}
        self._written_s = clock.monotonic_s()

    def note(self, node_uid: str) -> None:
        """A box has called just now."""
        now_s = clock.monotonic_s()
        with self._lock:
            self._called[node_uid] = clock.now_ms()
            if now_s - self._written_s < WRITE_EVERY_S:
                return
            called, self._called, self._written_s = self._called, {}, now_s
        with self._installation.database.write() as session:
            # Whose contact is being written just now is passed over: waiting for it, and holding others, would be a deadlock
            # with those who hold it and wait for a school's stream.
            free = select(NodeContact.node_uid).where(NodeContact.node_uid.in_(called)).with_for_update(skip_locked=True)
            for uid in session.scalars(free).all():
                later = (NodeContact.node_uid == uid, NodeContact.last_ms < called[uid])
                session.execute(update(NodeContact).where(*later).values(last_ms=called[uid]))


def _answer(
    start_response: "StartResponse", status: str, body: bytes, headers: list[tuple[str, str]] | None = None
) -> Iterable[bytes]:
    start_response(status, [
        ("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"), *(headers or [])
    ])  # fmt: skip
    return [body]
