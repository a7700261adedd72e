"""A hub with keys, boxes that pinned its root, and lessons to publish."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from eduhub.delivery import catalog, holding, keys, package
from eduhub.delivery.models import PackageRow, PinnedRoot
from eduhub.delivery.package import Manifest, Part
from eduhub.installation import Installation
from eduhub.signing import sha256_hex
from eduhub.uids import make_uid

HUB = make_uid(1_700_000_000_000, 1)
LESSON = make_uid(1_700_000_000_000, 2)
COURSE = make_uid(1_700_000_000_000, 3)
ORG = make_uid(1_700_000_000_000, 4)
TIMELINE = make_uid(1_700_000_000_000, 5)

VOICE, STILLS, VIDEO, NOTES = b"voice" * 40, b"stills" * 30, b"video" * 60_000, b"answers for the teacher"


def part(name: str, payload: bytes, **facts: Any) -> Part:
    """A part for these bytes; with a piece list where it needs one."""
    pieces = sha256_hex(pieces_of(payload)) if len(payload) > package.PIECE_BYTES else None
    plain: dict[str, Any] = {
        "kind": "audio", "role": "main", "language": "zh", "audience": "learner", "licence": None,
        "type": "audio/mp4", "codec": None, "floor": False, "pieces": pieces,
    }  # fmt: skip
    return Part(name=name, bytes=len(payload), sha256=sha256_hex(payload), **(plain | facts))


def pieces_of(payload: bytes) -> bytes:
    size = package.PIECE_BYTES
    return b"".join(bytes.fromhex(sha256_hex(payload[at : at + size])) for at in range(0, len(payload), size))


def lesson_manifest(revision: int = 1, **facts: Any) -> Manifest:
    """Voice and stills as the floor, one video rendition with pieces, and a sheet for teachers."""
    plain: dict[str, Any] = {
        "hub": HUB, "lesson": LESSON, "course": COURSE, "org": ORG, "revision": revision, "timeline": TIMELINE,
        "supersedes": None, "language": "zh", "titles": {"zh": "分数", "bo": "གྲངས་ཆ།"}, "texts": {}, "audience": "own",
        "duration_ms": 61_000,
        "parts": (
            part("aac", VOICE, floor=True, codec="mp4a.40.2", channels=1, sample_rate=48_000),
            part("stills", STILLS, kind="stills", type="image/webp", floor=True, language=None),
            part("v240", VIDEO, kind="video", type="video/mp4", width=426, height=240, language=None),
            part("sheet", NOTES, kind="attachment", audience="teacher", type="text/html", licence="CC BY 4.0"),
        ),
    }  # fmt: skip
    return Manifest(**(plain | facts))


def next_revision(manifest: Manifest, **facts: Any) -> Manifest:
    return replace(
        manifest, revision=manifest.revision + 1, supersedes=package.id_of(manifest.to_bytes()), **facts
    )  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """An installation with the few steps that the tests of delivery repeat."""

    here: Installation

    def publish(self, manifest: Manifest) -> PackageRow:
        """Hub: store the blobs, hold the package, reveal it, tell the catalog."""
        payload = manifest.to_bytes()
        signature = package.sign(payload, self.here.keys.publishing)
        for bytes_ in (VOICE, STILLS, VIDEO, NOTES, pieces_of(VIDEO)):
            self.here.blobs.put_bytes(bytes_)
        with self.here.database.write() as session:
            row = holding.hold(session, self.here.blobs, payload, signature)
            holding.reveal_present(session, self.here.blobs, row.id)
            catalog.append(session, self.here.keys, "publish", {"package": row.id, "signature": signature.as_json()})
        return row

    def add_entries(self, count: int) -> None:
        with self.here.database.write() as session:
            for number in range(count):
                catalog.append(session, self.here.keys, "note", {"number": number})

    def offer(self) -> tuple[catalog.SignedHead, list[catalog.Entry]]:
        """The head and every entry, as a mirror would carry them."""
        with self.here.database.read() as session:
            last = catalog.sequence(session)
            pages = [catalog.page(session, number) for number in range(catalog.page_of(max(1, last)) + 1)]
            head = catalog.head(session)
        return head, [entry for number, payload in enumerate(pages) for entry in catalog.read_page(payload, number)]

    def accept(self, head: catalog.SignedHead, entries: Any) -> int:
        with self.here.database.write() as session:
            return catalog.accept(session, keys.keyring(session), head, entries)

    @property
    def sequence(self) -> int:
        with self.here.database.read() as session:
            return catalog.sequence(session)


@pytest.fixture
def hub(make_installation: Callable[..., Installation]) -> Machine:
    here = make_installation()
    with here.database.write() as session:
        keys.make_hub_keys(session, here.keys, hub_uid=HUB)
    return Machine(here)


@pytest.fixture
def make_node(make_installation: Callable[..., Installation], hub: Machine) -> Callable[[], Machine]:
    """Boxes that know the hub's root key and nothing else."""

    def make() -> Machine:
        here = make_installation(role="node")
        with hub.here.database.read() as session:
            pinned = session.get_one(PinnedRoot, 1)
            public = bytes.fromhex(pinned.public)
        with here.database.write() as session:
            keys.pin_root(session, public, HUB)
        return Machine(here)

    return make


@pytest.fixture
def node(make_node: Callable[[], Machine]) -> Machine:
    return make_node()
