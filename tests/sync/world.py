"""A small county for the tests of sync: one hub, two schools with their people, boxes, and a link that can fail.

Everything is the real program; the link is HTTP without a network (the hub's WSGI app is called directly).
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from flask import Flask
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.courses.models import Course, GroupCourse, Lesson
from eduhub.delivery import catalog, holding, keys, package
from eduhub.delivery.blobs import remember
from eduhub.delivery.http import MediaLane
from eduhub.delivery.package import Manifest, Part
from eduhub.delivery.trust import keyring
from eduhub.errors import LinkDown
from eduhub.installation import Installation
from eduhub.schools.models import Enrolment, Group, Organisation, SchoolCalendar, Site
from eduhub.sync import http, rounds
from eduhub.sync.boxes import joining, nodes
from eduhub.sync.fetching.carrier import Receiver
from eduhub.sync.fetching.connection import Range
from eduhub.sync.poll_lane import PollLane
from eduhub.sync.round_report import RoundReport
from eduhub.uids import new_uid

WEDNESDAY_MS = int(datetime(2026, 11, 25, 5, tzinfo=UTC).timestamp() * 1000)


class Wire(httpx.BaseTransport):
    """HTTP to one hub without a network. `cut_after`: bytes of answers after which the line goes dead."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._inner = httpx.WSGITransport(app=app)
        self.cut_after: int | None = None
        self.lose_answers_to: set[str] = set()
        self.requests: list[tuple[str, str, str]] = []  # method, path, Range
        self.delivered: dict[str, int] = {}  # bytes by path
        self.spoil: Callable[[str, int, bytes], bytes] | None = None
        self.instead: dict[str, tuple[int, bytes]] = {}  # what a path is answered with: status, body
        self.before: Callable[[str], None] = lambda _path: None  # what happens before a request

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.cut_after is not None and self.cut_after <= 0:
            raise httpx.ConnectError("the line is dead")
        if self.spoil is not None:
            request.headers["Accept-Encoding"] = "identity"  # so that a test can change the words it knows
        self.before(request.url.path)
        self.requests.append((request.method, request.url.path, request.headers.get("Range", "")))
        if request.url.path in self.instead:
            status, body = self.instead[request.url.path]
            return httpx.Response(status, content=body)
        response = self._inner.handle_request(request)
        if request.url.path in self.lose_answers_to:
            response.read()
            raise httpx.ReadError("the answer was lost")
        response.stream = _Tap(self, request.url.path, _first(response), response.stream)
        return response


def _first(response: httpx.Response) -> int:
    found = response.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
    return int(found) if found.isdigit() else 0


class _Tap(httpx.SyncByteStream):
    def __init__(self, wire: Wire, path: str, first: int, inner: Any) -> None:
        self._wire, self._path, self._at, self._inner = wire, path, first, inner

    def __iter__(self) -> Iterator[bytes]:
        wire = self._wire
        for block in self._inner:
            for at in range(0, len(block), 4096):
                piece = block[at : at + 4096]
                if wire.cut_after is not None:
                    piece, wire.cut_after = piece[: max(0, wire.cut_after)], wire.cut_after - len(piece)
                wire.delivered[self._path] = wire.delivered.get(self._path, 0) + len(piece)
                yield wire.spoil(self._path, self._at, piece) if wire.spoil else piece
                self._at += len(piece)
                if wire.cut_after is not None and wire.cut_after <= 0:
                    raise httpx.ReadError("the line was cut")

    def close(self) -> None:
        close = getattr(self._inner, "close", None)
        if close is not None:
            close()


class WireCarrier:
    """Ranges over a `Wire`, one after the other."""

    def __init__(self, wire: Wire) -> None:
        self._client = httpx.Client(transport=wire, base_url="http://hub.test")

    def run(self, receiver: Receiver) -> None:
        while (wanted := receiver.more()) is not None:
            receiver.turn()
            try:
                self._one(wanted, receiver)
            except httpx.TransportError as error:
                raise LinkDown(str(error)) from error

    def _one(self, wanted: Range, receiver: Receiver) -> None:
        headers = {
            "Authorization": f"EduHub-Pass {wanted.token}", "Range": f"bytes={wanted.position}-{wanted.end - 1}",
            "Accept-Encoding": "identity",
        }  # fmt: skip
        with self._client.stream("GET", wanted.path, headers=headers) as response:
            if response.status_code != 206:
                receiver.refuse(wanted, response.status_code, response.read())
                return
            wanted.end = min(wanted.end, int(response.headers["Content-Range"].split("/")[1]))
            for block in response.iter_raw():
                receiver.take(wanted, wanted.position, block)
                wanted.position += len(block)
        receiver.whole(wanted)


@dataclass
class School:
    """A school with one class; uids."""

    org: str
    site: str
    group: str
    children: list[str] = field(default_factory=list)


class Hub:
    """The hub and what the tests do at it."""

    def __init__(self, installation: Installation) -> None:
        self.here = installation
        with installation.database.write() as session:
            keys.make_hub_keys(session, installation.keys)
            region = new_uid()
            session.add(Organisation(uid=region, org_uid=region, kind="region", parent_uid=None, names={"en": "Nagchu"}))
        self.region: str = region
        self.wire = Wire(app_of(installation))

    def school(self, name: str, children: int = 0) -> School:
        """A school below the region, with a site, a calendar, a class and some children in it."""
        with self.here.database.write() as session:
            org = new_uid()
            session.add(Organisation(uid=org, org_uid=org, kind="school", parent_uid=self.region, names={"en": name}))
            site = Site(org_uid=org, name=name)
            group = Group(org_uid=org, kind="cohort", site_uid=site.uid, stage="primary", intake_year=2024, class_number=1)
            calendar = SchoolCalendar(uid=org, org_uid=org, current_school_year=2026, terms=[], class_hours=[])
            session.add_all([site, group, calendar])
        school = School(org, site.uid, group.uid)
        for number in range(children):
            school.children.append(self.child(school, f"{name} child {number}"))
        return school

    def child(self, school: School, name: str) -> str:
        """A child of a school, in its class."""
        with self.here.database.write() as session:
            person = Person(org_uid=school.org, name=name)
            session.add_all([person, Enrolment(
                org_uid=school.org, person_uid=person.uid, group_uid=school.group, starts_on="2026-09-01"
            )])  # fmt: skip
        return person.uid

    def adult(self, org_uid: str, name: str, role: str, *, scope_kind: str = "organisation", scope: str | None = None) -> str:
        """Somebody with a role and a password."""
        with self.here.database.write() as session:
            person = Person(org_uid=org_uid, name=name, sign_in_name=name.lower())
            grant = RoleGrant(
                org_uid=org_uid, person_uid=person.uid, role=role, scope_kind=scope_kind,
                scope_uid=scope or (None if scope_kind == "all" else org_uid), starts_on="2026-09-01",
            )  # fmt: skip
            password = Credential(
                org_uid=org_uid, person_uid=person.uid, kind="password", verifier="$argon2id$secret", machine_uid=new_uid()
            )
            session.add_all([person, grant, password])
        return person.uid

    def course(self, org_uid: str, *, audience: str = "all", groups: tuple[School, ...] = ()) -> str:
        """A course, taken by the classes of some schools."""
        with self.here.database.write() as session:
            course = Course(org_uid=org_uid, titles={"en": "Water"}, audience=audience)
            session.add(course)
            session.add_all(
                GroupCourse(org_uid=school.org, group_uid=school.group, course_uid=course.uid, starts_on="2026-09-01")
                for school in groups
            )
        return course.uid

    def lesson(self, course_uid: str, *, position: int = 0, parts: dict[str, bytes] | None = None) -> str:
        """A published lesson; returns the id of its package. `parts` are by name: stills, aac, v240, ..."""
        contents = parts or small_parts(position)
        with self.here.database.write() as session:
            course = session.get_one(Course, course_uid)
            lesson = Lesson(
                org_uid=course.org_uid, course_uid=course_uid, position=position, titles={"en": f"Lesson {position}"},
                texts={}, language="zh", state="published", timeline_uid=new_uid(), revision=1,
            )  # fmt: skip
            session.add(lesson)
            manifest = Manifest(
                hub=keyring(session).hub_uid, lesson=lesson.uid, course=course_uid, org=course.org_uid, revision=1,
                timeline=lesson.timeline_uid, supersedes=None, language="zh", titles={}, texts={}, audience=course.audience,
                duration_ms=60_000, parts=tuple(self._part(session, name, payload) for name, payload in contents.items()),
            )  # fmt: skip
            written = manifest.to_bytes()
            signature = package.sign(written, self.here.keys.publishing)
            row = holding.hold(session, self.here.blobs, written, signature)
            holding.reveal_present(session, self.here.blobs, row.id)
            lesson.package_id = row.id
            catalog.append(
                session, self.here.keys, "publish",
                {"lesson": lesson.uid, "course": course_uid, "org": course.org_uid, "package": row.id, "revision": 1,
                 "signature": signature.as_json()},
            )  # fmt: skip
        return row.id

    def _part(self, session: Session, name: str, payload: bytes) -> Part:
        pieces = None
        blob = self.here.blobs.put_bytes(payload)
        remember(session, blob)
        if len(payload) > package.PIECE_BYTES:
            listed = self.here.blobs.put_bytes(piece_hashes(payload))
            remember(session, listed)
            pieces = listed.sha256
        kind = {"aac": "audio", "opus": "audio", "stills": "stills", "index": "index", "poster": "poster"}.get(name, "video")
        codec = {"aac": "mp4a.40.2", "opus": "opus"}.get(name, "avc1.64000d" if kind == "video" else None)
        return Part(
            name=name, kind=kind, role="main", language=None, audience="learner", licence=None, type="video/mp4",
            codec=codec, bytes=len(payload), sha256=blob.sha256, pieces=pieces,
            floor=name in {"aac", "stills", "index", "poster"},
        )  # fmt: skip

    def rotate_and_revoke(self) -> str:
        """From now on another publishing key, and the old one, whose id this returns, is revoked."""
        old, root = self.here.keys.publishing.id, self.here.keys.root
        with self.here.database.write() as session:
            keys.rotate(session, self.here.keys, root)
        self.here.keys.adopt_next_publishing()
        with self.here.database.write() as session:
            keys.revoke(session, self.here.keys, root, old)
        return old

    def code(self, school: School, name: str = "shuanghu-3") -> str:
        """A code for a box of a school."""
        with self.here.database.write() as session:
            return nodes.new_code(session, self.here, site_uid=school.site, node_name=name)

    def join(self, box: Installation, school: School, name: str = "shuanghu-3") -> str:
        """Let a box join for a school; returns the node's uid."""
        return joining.join(box, "http://hub.test", self.code(school, name), transport=self.wire).uid

    def sync(self, box: Installation) -> RoundReport:
        """One round of a box."""
        return rounds.run(box, on_progress=lambda _share: None, transport=self.wire, carrier=WireCarrier(self.wire))


def app_of(installation: Installation) -> Callable[..., Any]:
    """The sync protocol and the media lane of a hub, and nothing else."""
    app = Flask("hub")
    app.register_blueprint(http.blueprint(installation))
    lane = MediaLane(
        app.wsgi_app, packages_dir=installation.packages_dir, secret=installation.keys.secret, steady=installation.steady
    )
    return PollLane(lane, installation)


def small_parts(seed: int) -> dict[str, bytes]:
    """Parts of a lesson, a few kilobytes each."""
    return {name: noise(f"{seed} {name}", size) for name, size in
            (("index", 900), ("poster", 1_500), ("stills", 9_000), ("aac", 30_000), ("v240", 60_000))}  # fmt: skip


def noise(seed: str, size: int) -> bytes:
    """Bytes that look random and are the same each time."""
    return hashlib.shake_128(seed.encode()).digest(size)


def piece_hashes(payload: bytes) -> bytes:
    """The piece list of some bytes."""
    stream, hashes = io.BytesIO(payload), []
    while piece := stream.read(package.PIECE_BYTES):
        hashes.append(hashlib.sha256(piece).digest())
    return b"".join(hashes)


def watched(org: str, person: str, *, lesson: str | None = None, from_ms: int = 0, to_ms: int = 30_000) -> dict[str, Any]:
    """An event as the player makes it."""
    return {
        "uid": new_uid(), "kind": "watched", "version": 1, "org": org, "actor": person, "subjects": [],
        "context": "own_device", "lesson": lesson or new_uid(), "timeline": new_uid(), "part": None, "from_ms": from_ms,
        "to_ms": to_ms, "watched_ms": to_ms - from_ms, "stalls": 0, "made_ms": clock.now_ms(),
    }  # fmt: skip
