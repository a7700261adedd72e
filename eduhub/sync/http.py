"""The sync protocol's addresses under /sync/v1: of a hub, and those few by which a box is a mirror. Parse, call, answer; no rule lives here.

Boxes sign their requests (`auth`), so there are no cookies and no CSRF tokens here, and whatever
changes something may be sent twice. The catalog is the same for everybody and may be cached
anywhere; everything else is `no-store`. See docs/formats/{nodes,school-stream,outbox}.md.
"""

import gzip
import json
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestEntityTooLarge

from eduhub import __version__, changes, clock, logs
from eduhub.delivery import catalog
from eduhub.delivery.trust import keyring
from eduhub.errors import BadFormat, EduHubError, JoinRefused, NotFound
from eduhub.installation import Installation
from eduhub.signing import canonical, sha256_hex
from eduhub.sync import auth, passes
from eduhub.sync.boxes import certificates, joining, nodes, replacing, restoring
from eduhub.sync.closed_pages import ClosedPages, Packed
from eduhub.sync.homeward import inbox
from eduhub.sync.link import PREFIX
from eduhub.sync.mirrors import grants, serving
from eduhub.sync.models import Node, NodeContact
from eduhub.sync.school_stream import stream_pages, streams
from eduhub.sync.status import told

log = logs.logger(__name__)

HELLO_FORMAT = "eduhub-hello/1"
MAX_BODY_BYTES = 2 << 20
MAX_JOIN_BYTES = 16 << 10  # some hundred today: whoever finds the hub may ask, and what they sign is written anew to be judged
_WORTH_PACKING = 1_000  # bytes; below, the packet is sent anyway
_FOR_EVER = "public, max-age=31536000, immutable"


def blueprint(installation: Installation) -> Blueprint:
    """The routes of this hub; of a box those by which it is a mirror, and none where it shall be none."""
    bp = Blueprint("sync", __name__, url_prefix=PREFIX)
    bp.register_error_handler(EduHubError, _refused)
    bp.register_error_handler(RequestEntityTooLarge, _too_large)
    if installation.settings.role == "node":
        if installation.settings.mirror:
            _add_mirror(bp, _Mirror(installation))
        return bp
    hub = _Hub(installation)
    bp.add_url_rule("/hello", view_func=hub.hello, endpoint="hello")
    bp.add_url_rule("/join", view_func=hub.join, endpoint="join", methods=["POST"])
    bp.add_url_rule("/catalog/head", view_func=hub.catalog_head, endpoint="catalog_head")
    bp.add_url_rule("/catalog/pages/<int:number>", view_func=hub.catalog_page, endpoint="catalog_page")
    bp.add_url_rule("/stream", view_func=hub.stream, endpoint="stream")
    bp.add_url_rule("/outbox", view_func=hub.outbox, endpoint="outbox", methods=["POST"])
    bp.add_url_rule("/passes", view_func=hub.passes, endpoint="passes", methods=["POST"])
    bp.add_url_rule("/status", view_func=hub.status, endpoint="status", methods=["POST"])
    bp.add_url_rule("/replay", view_func=hub.replay, endpoint="replay", methods=["POST"])
    bp.add_url_rule("/certificate", view_func=hub.certificate, endpoint="certificate", methods=["POST"])
    bp.add_url_rule("/replaced", view_func=hub.replaced, endpoint="replaced")
    return bp


def _add_mirror(bp: Blueprint, mirror: "_Mirror") -> None:
    bp.add_url_rule("/hello", view_func=mirror.hello, endpoint="hello")
    bp.add_url_rule("/catalog/head", view_func=mirror.catalog_head, endpoint="catalog_head")
    bp.add_url_rule("/catalog/pages/<int:number>", view_func=mirror.catalog_page, endpoint="catalog_page")
    bp.add_url_rule("/mirror/passes", view_func=mirror.passes, endpoint="mirror_passes", methods=["POST"])


class _Hub:
    """The views, bound to one installation."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._closed = ClosedPages(_pack)

    def hello(self) -> Response:
        installation = self._installation
        with installation.database.read() as session:
            ring, state = keyring(session), catalog.state(session)
            return _json(
                {
                    "format": HELLO_FORMAT, "hub": ring.hub_uid, "root": ring.root.hex(), "version": __version__,
                    "nonce": auth.new_nonce(installation), "epoch": state.epoch,
                    "epoch_statement": state.epoch_statement, "head": state.head,
                    "time": auth.signed_time(installation, request.args.get("nonce", "")),
                }
            )  # fmt: skip

    def join(self) -> Response:
        found = _parsed(_body(MAX_JOIN_BYTES))
        with self._installation.database.write() as session:
            answer = nodes.accept(session, self._installation, found)
        log.info("a box joined", node=answer["answer"]["certificate"]["certificate"]["node"])
        return _json(answer)

    def catalog_head(self) -> Response:
        with self._installation.database.read() as session:
            state = catalog.state(session)
            return _json({"head": state.head, "epoch_statement": state.epoch_statement})

    def catalog_page(self, number: int) -> Response:
        asked = request.args.get("epoch", "")
        if (kept := self._closed.get(asked, number)) is not None:
            return _closed(kept)
        with self._installation.database.read() as session:
            epoch = catalog.state(session).epoch
            if number > catalog.page_of(max(1, catalog.sequence(session))):
                raise NotFound(f"no page {number}")
            payload = catalog.page(session, number)
            # A full page changes only with the epoch: an address that names it may be kept for ever.
            is_for_ever = catalog.is_closed(session, number) and asked == str(epoch)
        return _closed(self._closed.keep(asked, number, payload)) if is_for_ever else _bytes(payload, "application/json")

    def stream(self) -> Response:
        after = _number("after")
        with self._installation.database.write() as session:
            node = self._node(session, b"")
            epoch = catalog.state(session).epoch
            streams.refresh(session, node.org_uid)
            page = streams.page(session, node.org_uid, epoch=epoch, after=after)
            _note_contact(session, node, after)
            sealed = stream_pages.sealed_page(page.payload, self._installation.keys.publishing, node)
        answer = _bytes(sealed, "application/octet-stream")
        answer.headers[auth.POLL_HEADER] = auth.poll_token(self._installation, node.uid)
        return answer

    def outbox(self) -> Response:
        body = _body()
        with self._installation.database.write() as session:
            node = self._node(session, body, also_replaced=True)
            changes.hold_machine(session)  # before the inbox of this box: as all who write the log
            received = inbox.receive(session, node, inbox.unpack(body))
            answer = inbox.acknowledgement(node, received, catalog.state(session).epoch, sha256_hex(body))
        # Signed after the commit: an acknowledgement that exists is one that the disk can keep.
        signature = self._installation.keys.publishing.sign(inbox.ACK_FORMAT, canonical(answer))
        return _json({"acknowledgement": answer, "signature": signature.as_json()})

    def passes(self) -> Response:
        body = _body()
        found = _parsed(body)
        with self._installation.database.read() as session:
            node = self._node(session, body)
            answer = passes.for_node(session, self._installation, node, found.get("packages"))
            if "grant" in found:
                answer["grant"] = grants.make_if_new(session, self._installation, node, found["grant"])
            return _json(answer)

    def status(self) -> Response:
        body = _body()
        with self._installation.database.write() as session:
            node = self._node(session, body)
            told.note(session, node.uid, told.unpacked(body))
        return _json({})

    def replay(self) -> Response:
        body = _body()
        pages = _parsed(body).get("pages")
        with self._installation.database.write() as session:
            node = self._node(session, body, also_replaced=True)
            changes.hold_machine(session)
            return _json(restoring.take_back(session, self._installation, node, pages))

    def certificate(self) -> Response:
        body = _body()
        with self._installation.database.write() as session:
            node = self._node(session, body)
            return _json(certificates.take_request(session, self._installation, node, _parsed(body)))

    def replaced(self) -> Response:
        with self._installation.database.read() as session:
            report = replacing.report(session, self._node(session, b""))
        signature = self._installation.keys.publishing.sign(replacing.FORMAT, canonical(report))
        return _json({"replaced": report, "signature": signature.as_json()})

    def _node(self, session: Session, body: bytes, *, also_replaced: bool = False) -> Node:
        target = request.full_path.rstrip("?")
        return auth.node_of(
            session, self._installation, request.headers.get("Authorization"), request.method, target, body,
            also_replaced=also_replaced,
        )  # fmt: skip


class _Mirror(_Hub):
    """The views of a box that is a mirror: the catalog as at the hub, and passes for what is here."""

    def hello(self) -> Response:
        installation = self._installation
        with installation.database.read() as session:
            node = joining.own_node(session)
            if node is None:
                raise NotFound("this box has not joined a hub")
            ring, state = keyring(session), catalog.state(session)
            return _json(
                {
                    "format": HELLO_FORMAT, "hub": ring.hub_uid, "root": ring.root.hex(), "version": __version__,
                    "nonce": auth.new_nonce(installation), "epoch": state.epoch,
                    "epoch_statement": state.epoch_statement, "head": state.head, "mirror": node.uid, "name": node.name,
                }
            )  # fmt: skip

    def passes(self) -> Response:
        line = request.headers.get("Authorization")
        auth.check_line(self._installation, line)  # before anything is read
        body = _body(serving.MAX_QUESTION_BYTES)
        asked = serving.SignedRequest(line, request.method, request.full_path.rstrip("?"), body)
        with self._installation.database.read() as session:
            return _json(serving.answer(session, self._installation, asked, _parsed(body)))


def _note_contact(session: Session, node: Node, stream_sequence: int) -> None:
    contact = session.get(NodeContact, node.uid)
    if contact is None:
        contact = NodeContact(node_uid=node.uid, disk_full_ms=None)
        session.add(contact)
    contact.last_ms = clock.now_ms()
    contact.version = request.headers.get("User-Agent", "").removeprefix("EduHub/")[:20]
    contact.stream_sequence, contact.catalog_sequence = stream_sequence, _number("catalog")


def _number(name: str) -> int:
    text = request.args.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise BadFormat(f"{name} is a whole number")
    return int(text)


def _body(most: int = MAX_BODY_BYTES) -> bytes:
    request.max_content_length = most
    return request.get_data(cache=False)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadFormat("not JSON") from error
    if not isinstance(found, dict):
        raise BadFormat("not an object")
    return found


def _bytes(payload: bytes, content_type: str) -> Response:
    """An answer, packed where that saves something: a page of the catalog is a fifth then."""
    headers = {"Cache-Control": "no-store"}
    if content_type == "application/json":
        headers["Vary"] = "Accept-Encoding"
        if len(payload) > _WORTH_PACKING and request.accept_encodings.quality("gzip") > 0:
            payload = _pack(payload)
            headers["Content-Encoding"] = "gzip"
    return Response(payload, content_type=content_type, headers=headers)


def _pack(payload: bytes) -> bytes:
    return gzip.compress(payload, 6, mtime=0)


def _closed(page: Packed) -> Response:
    """A page that any cache may keep for ever."""
    headers = {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
    if request.accept_encodings.quality("gzip") <= 0:
        return Response(page.plain, content_type="application/json", headers=headers)
    return Response(page.gzip, content_type="application/json", headers=headers | {"Content-Encoding": "gzip"})


def _json(value: dict[str, Any], status: int = 200) -> Response:
    answer = _bytes(json.dumps(value, separators=(",", ":")).encode(), "application/json")
    answer.status_code = status
    return answer


def _refused(error: EduHubError) -> Response:
    log.info("a box was refused", error_code=error.code, detail=error.detail[:200])
    why = {"reason": error.facts["reason"]} if isinstance(error, JoinRefused) and "reason" in error.facts else {}
    return _json({"code": error.code} | why, error.status)


def _too_large(_error: RequestEntityTooLarge) -> Response:
    return _json({"code": BadFormat.code}, 413)
