"""Node: one kept-alive HTTP connection to an upstream, and nothing else that could carry bytes.

Whatever the network does wrong becomes LinkDown; whatever the hub says no to becomes the error of
its code. Timeouts fit 64 kbit/s and 600 ms: they measure silence and a trickle, never the length of an answer.

This module must not know what the bytes mean. A courier replaces this module only.
"""

import json
import re
import secrets
import socket
import ssl
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Protocol

import httpx

from eduhub import __version__, clock, logs
from eduhub.errors import BadFormat, EduHubError, JoinRefused, LinkDown, NodeRefused, error_table
from eduhub.signing import SigningKey
from eduhub.sync import auth, polling
from eduhub.sync.fetching.address import trust
from eduhub.sync.fetching.meter import Meter
from eduhub.sync.homeward.ahead import Flight

log = logs.logger(__name__)

PREFIX = "/sync/v1"
MAX_ANSWER_BYTES, MAX_POLL_BYTES = 16 << 20, 64 << 10
_NONCE = re.compile(r"[0-9A-Za-z._~-]{1,100}")
_GZIP = 31  # of zlib: gzip, and nothing else
# Silence, not length: a packet that was lost three times on a satellite link takes about ten seconds.
# A tenth of the slowest link that this is for; a minute is longer than most outages.
TRICKLE_AFTER_S, TRICKLE_BYTES_S = 60.0, 100
_TIMEOUT = httpx.Timeout(connect=15.0, read=30.0, write=60.0, pool=5.0)
# It stays warm from one poll to the next; a hub that hung up meanwhile is asked over a new one.
_LIMITS = httpx.Limits(max_connections=2, max_keepalive_connections=1, keepalive_expiry=900.0)
_BUSY = frozenset({429, 503})

Transport = httpx.BaseTransport


class Answerer(Protocol):
    """Whoever answers what reading the catalog and fetching ask of an upstream: a `Link`, or a courier's folder."""

    def get(self, target: str, *, signed: bool = True) -> bytes:
        """See Link."""

    def post_json(self, target: str, value: dict[str, Any], *, signed: bool = True) -> dict[str, Any]:
        """See Link."""


class Link:
    """A connection to one hub. Use it as a context manager."""

    def __init__(
        self, url: str, *, node_uid: str | None = None, key: SigningKey | None = None, transport: Transport | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self._node_uid, self._key = node_uid, key
        self._url, self._transport, self._tls = url, transport, tls or trust(url)
        self._nonce: str | None = None
        self._poll_token: str | None = None  # the newest that the hub handed over
        self.meter = Meter()  # what passed its sockets, headers and all
        self._connecting: socket.socket | None = None
        self._was_answered = False  # on the connection that there is
        self._client = httpx.Client(
            base_url=url, transport=transport, verify=self._tls, timeout=_TIMEOUT, limits=_LIMITS, follow_redirects=False, trust_env=False,
            headers={"User-Agent": f"EduHub/{__version__}", "Accept-Encoding": "gzip"},
        )  # fmt: skip

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.meter.total()  # a last look before they are closed
        self._client.close()

    def hello(self) -> tuple[dict[str, Any], str]:
        """What the hub says of itself, unverified, and the nonce of ours that its time is bound to."""
        own_nonce = secrets.token_hex(16)
        found = self.get_json(f"{PREFIX}/hello?nonce={own_nonce}", signed=False)
        if not isinstance(found.get("nonce"), str) or not _NONCE.fullmatch(found["nonce"]):  # it is said again in a header
            raise BadFormat("a hub says hello with a nonce")
        self._nonce = found["nonce"]
        return found, own_nonce

    def has_moved(self, epoch: int, catalog_sequence: int, stream_sequence: int) -> bool | None:
        """Poll: whether anything is new at the hub for a box that stands there. None: it has to be asked in full.

        Some hundred bytes both ways, on a connection that is warm. Raises LinkDown.
        """
        if self._poll_token is None:
            return None
        target = f"{PREFIX}/poll?e={epoch}&c={catalog_sequence}&s={stream_sequence}"
        with _network_errors():
            try:
                answer = self._poll_once(target)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                answer = self._poll_once(target)  # on a connection that the hub, or something between, had given up
        if answer.status_code in {200, 204}:
            return answer.status_code == 200
        _obey_pause(answer.status_code, answer.headers)
        self._poll_token = None  # old, or of a hub that does not know polls: a full round brings another
        return None

    def _poll_once(self, target: str) -> httpx.Response:
        # Made by hand: what httpx adds by itself would be a third of it all.
        url = httpx.URL(f"{str(self._client.base_url).rstrip('/')}{target}")
        extensions = {"trace": self._trace, "timeout": _TIMEOUT.as_dict()}
        headers = {"Authorization": f"{auth.POLL_SCHEME}{self._poll_token}"}
        with closing(self._client.send(httpx.Request("GET", url, headers=headers, extensions=extensions), stream=True)) as answer:
            _received(answer, MAX_POLL_BYTES)  # to its end: the connection is kept
        return answer

    def get_json(self, target: str, *, signed: bool = True) -> dict[str, Any]:
        """GET an object. Raises LinkDown, BadFormat, or what the hub answered."""
        return _object(self.get(target, signed=signed))

    def get(self, target: str, *, signed: bool = True) -> bytes:
        """GET some bytes, whole. Raises LinkDown, or what the hub answered."""
        return self._call("GET", target, b"", {}, signed)

    def post_json(self, target: str, value: dict[str, Any], *, signed: bool = True) -> dict[str, Any]:
        """POST an object, get an object."""
        body = json.dumps(value, separators=(",", ":")).encode()
        return _object(self._call("POST", target, body, {"Content-Type": "application/json"}, signed))

    def post(self, target: str, body: bytes, content_type: str) -> dict[str, Any]:
        """POST bytes as they are, get an object."""
        return _object(self._call("POST", target, body, {"Content-Type": content_type}, True))

    def ahead(self) -> "Ahead":
        """Post several things, each before the answer to the one before is back; over a connection for that alone."""
        return Ahead(self, None if self._transport is not None else Flight(self._url, self._tls, self.meter))

    def _call(self, method: str, target: str, body: bytes, headers: dict[str, str], signed: bool) -> bytes:
        if signed and self._nonce is None:
            self.hello()
        try:
            return self._send(method, target, body, headers | self._authorization(method, target, body, signed))
        except NodeRefused:
            if not signed:
                raise
        self.hello()  # a nonce lasts an hour; a refusal of the box itself comes back right away
        return self._send(method, target, body, headers | self._authorization(method, target, body, signed))

    def _authorization(self, method: str, target: str, body: bytes, signed: bool) -> dict[str, str]:
        if not signed:
            return {}
        if self._key is None or self._node_uid is None or self._nonce is None:
            raise NodeRefused("this box has not joined")
        line = auth.header(self._key, self._node_uid, self._nonce, method, target, body)
        return {"Authorization": line}

    def _trace(self, name: str, info: dict[str, Any]) -> None:
        """Hear from httpx what becomes of its sockets: which there are, and that one may be closed next."""
        if name in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            opened = info["return_value"].get_extra_info("socket")
            if self._connecting is not None and name.startswith("connection.start_tls"):
                self.meter.is_now(self._connecting, opened)
            else:
                self.meter.watch(opened)
            self._connecting = opened
        elif name.endswith((".failed", "closed.started", "close.started")):
            self.meter.total()

    def _send(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> bytes:
        with _network_errors():
            try:
                return self._send_once(method, target, body, headers)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
                if not self._was_answered:
                    raise
                # Servers hang up on a connection that rested while parts were fetched, and nobody hears of it before the next
                # request. Whatever a box asks for may be asked for twice.
                log.debug("asked again over a new connection", why=type(error).__name__)
            self._was_answered = False
            return self._send_once(method, target, body, headers)

    def _send_once(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> bytes:
        asked = self._client.stream(method, target, content=body or None, headers=headers, extensions={"trace": self._trace})
        with asked as response:
            self._was_answered = True
            received = _received(response, MAX_ANSWER_BYTES)
            token = response.headers.get(auth.POLL_HEADER, "")
            if auth.is_poll_token(token):
                self._poll_token = token
            if response.status_code != 200:
                _obey_pause(response.status_code, response.headers)
                raise refusal(response.status_code, received)
            return received


class Ahead:
    """What `Link.ahead` gives; use it as a context manager. Over a transport that is no network each is answered at once."""

    def __init__(self, link: Link, flight: Flight | None) -> None:
        self._link, self._flight = link, flight
        self._answered: deque[dict[str, Any]] = deque()

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._flight is not None:
            self._flight.close()

    def post(self, target: str, body: bytes, content_type: str) -> None:
        """POST it, signed, behind what was posted before. Raises Broken; what the hub answered, without a network."""
        if self._flight is None:
            self._answered.append(self._link.post(target, body, content_type))
            return
        if self._link._nonce is None:
            self._link.hello()
        headers = {"Content-Type": content_type} | self._link._authorization("POST", target, body, True)
        self._flight.send(target, body, headers)

    def answer(self) -> dict[str, Any]:
        """The oldest answer that was not taken. Raises Broken where the connection ended before; what the hub answered."""
        if self._flight is None:
            return self._answered.popleft()
        status, body, headers = self._flight.answer()
        if status == 200:
            return _object(body)
        _obey_pause(status, headers)
        raise refusal(status, body)


@contextmanager
def _network_errors() -> Iterator[None]:
    try:
        yield
    except (httpx.TransportError, httpx.DecodingError, httpx.InvalidURL) as error:
        raise LinkDown(f"{type(error).__name__}: {error}") from error


def _obey_pause(status: int, headers: Mapping[str, str]) -> None:
    """Raises LinkDown with the pause, in seconds, that a hub or what stands before it asks for; otherwise returns.

    The names of `headers` are found in small letters.
    """
    pause_s = polling.retry_after_s(headers.get("retry-after"), headers.get("date"))
    if status in _BUSY and pause_s is not None:
        raise LinkDown(f"status {status}, asked to wait", retry_after_s=round(pause_s))


def _received(response: httpx.Response, most: int) -> bytes:
    """The answer to its end, unpacked. Raises BadFormat when it is more than that; LinkDown when it ended early, or trickles.

    By hand: httpx unpacks whatever an answer says it is packed with, as often as it says, each block as a whole; so some
    hundred bytes could fill a machine's memory.
    """
    packed = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in {"identity", "gzip"}:
        raise LinkDown("an answer that is packed as nobody asked for")
    unpacking = zlib.decompressobj(_GZIP) if packed == "gzip" else None
    received, came, began_s = bytearray(), 0, clock.monotonic_s()
    assert isinstance(response.stream, httpx.SyncByteStream)
    for block in response.stream:
        came += len(block)
        waited_s = clock.monotonic_s() - began_s
        if waited_s > TRICKLE_AFTER_S and came < waited_s * TRICKLE_BYTES_S:
            raise LinkDown("an answer that trickles")  # a byte now and then is no silence, and would hold a round for days
        try:
            received += unpacking.decompress(block, most + 1 - len(received)) if unpacking is not None else block
        except zlib.error as error:
            raise LinkDown("an answer that cannot be unpacked") from error
        if len(received) > most:
            raise BadFormat("an answer without end")
    promised = response.headers.get("Content-Length")
    is_cut = (promised is not None and came < int(promised)) or (unpacking is not None and not unpacking.eof)
    if response.status_code == 200 and is_cut:
        raise LinkDown("the answer ended early")
    return bytes(received)


def _object(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadFormat("the hub did not answer in JSON") from error
    if not isinstance(found, dict):
        raise BadFormat("the hub did not answer with an object")
    return found


def refusal(status: int, payload: bytes) -> EduHubError:
    """The error that the hub named, or LinkDown when something between us answered instead of it."""
    code = code_in(payload)
    if code is None:
        return LinkDown(f"status {status}")
    for found in error_table():
        # What went wrong at the hub itself (its full disk, say) must not pass for something that is wrong here.
        if found.code == code and status < 500 and found.status < 500:
            return JoinRefused(f"the hub says {code}", **_reason_in(payload)) if found is JoinRefused else found(f"the hub says {code}")
    return LinkDown(f"status {status}, code {code[:60]}")


def _reason_in(payload: bytes) -> dict[str, str]:
    """Why a hub lets a box not join, in a word; older hubs do not say."""
    reason = json.loads(payload).get("reason")
    return {"reason": reason[:20]} if isinstance(reason, str) else {}


def code_in(payload: bytes) -> str | None:
    """The code that a hub's refusal names; None: no hub speaks so."""
    try:
        code = json.loads(payload)["code"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    return code if isinstance(code, str) else None
