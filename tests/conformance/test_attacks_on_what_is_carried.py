"""Who carries may be anybody: each attack that The Update Framework lists, against the link and against a stick.

Nothing at the box changes: every row and every file is as it was. Then an honest carrier comes, and all is there: no attack
keeps a box from what it should get.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.delivery import catalog, package
from eduhub.delivery.chain import HEAD_FORMAT, Entry, head_value, read_page, write_page
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest
from eduhub.delivery.trust import keyring
from eduhub.installation import Installation
from eduhub.signing import SigningKey, canonical, sha256_hex
from eduhub.sync.allowance import schedule_clock
from eduhub.sync.models import FetchState, Upstream
from tests.conformance.carried import ByLink, ByStick, Carried, Carrier, Endless, carried_from, everything
from tests.sync.sticks import lessons_shown
from tests.sync.world import WEDNESDAY_MS, Hub, School

BOX = "shuanghu-3"


class Village:
    """A box that holds one lesson and has brought everything home; the hub has published a second one since."""

    def __init__(self, hub: Hub, box: Installation, carrier: Any) -> None:
        self.hub, self.box, self.carrier = hub, box, carrier
        self.school: School = hub.school("Shuanghu", children=2)
        self.course = hub.course(self.school.org, groups=(self.school,))
        hub.join(box, self.school, BOX)
        self.first = hub.lesson(self.course)
        for _round in range(2):
            hub.sync(box)
        self.before = self.carried()
        self.second = hub.lesson(self.course, position=1)

    def carried(self) -> Carried:
        """What an honest carrier would bring now."""
        with self.box.database.read() as session:
            after = session.scalars(select(Upstream)).one().stream_sequence
        return carried_from(self.hub, BOX, after)

    def attack(self, carried: Carried, *, but: Callable[[dict[str, Any]], None] = lambda _rows: None) -> None:
        """Nothing changes by it, though it is tried twice; then an honest one brings the lesson. `but` takes away what may."""
        was = self.settled()
        but(was)
        for _time in range(2):
            self.carrier.bring(carried)
            now = self.settled()
            but(now)
            assert {name for name in was if was[name] != now[name]} == set()
        self.bring_honestly()

    def settled(self) -> dict[str, Any]:
        """All of the box. What was fetched in vain is counted by the link; a stick is not worth a note."""
        found = everything(self.box)
        if isinstance(self.carrier, ByLink):
            del found[FetchState.__tablename__]
        return found

    def bring_honestly(self) -> None:
        """The second lesson comes. A blob that came wrong often is left alone in some rounds: that is the link's."""
        for _round in range(12):
            self.carrier.bring(self.carried())
            if self.second in lessons_shown(self.box):
                return
        raise AssertionError("the lesson does not come any more")


@pytest.fixture(params=[ByLink, ByStick], ids=["link", "courier"])
def village(request: pytest.FixtureRequest, make_installation: Callable[..., Any], tmp_path: Path) -> Village:
    """With each carrier."""
    clock.freeze(WEDNESDAY_MS)
    hub, box = Hub(make_installation(role="hub")), make_installation(role="node")
    carrier: Carrier = request.param
    return Village(hub, box, carrier(hub, box, tmp_path))


def but_the_stream(rows: dict[str, Any]) -> None:
    """The honest page of the stream that came beside the attack may be taken in."""
    for name in ("change", "machine", "stream_page", "upstream", "lesson", "field_version"):
        del rows[name]


def only_news_of_the_school(rows: dict[str, Any]) -> None:
    """That, and the honest catalog."""
    for name in list(rows):
        if name not in ("package", "part", "blob", "event", "blobs", "packages", "keys", "trusted_key", "pinned_root"):
            del rows[name]


def signed_by(carried: Carried, key: SigningKey, pages: dict[int, bytes]) -> Carried:
    """The same with other pages, under a head of that key's."""
    forged, head = carried.copy(), carried.head()
    last = read_page(pages[max(pages)], max(pages))[-1]
    value = head_value(head["hub"], head["epoch"], last.sequence, last.hash)
    forged.pages = dict(pages)
    forged.about["head"] = {"head": value, "signature": key.sign(HEAD_FORMAT, canonical(value)).as_json()}
    return forged


def package_of_a_stranger(village: Village, key: SigningKey) -> tuple[bytes, bytes, dict[str, Any]]:
    """A manifest, its one blob, and the body of a publish entry, all of the key's making."""
    with village.hub.here.database.read() as session:
        row = session.get_one(PackageRow, village.second)
        honest = Manifest.from_bytes(row.manifest)
    blob = b"not what a child should see" * 20
    part = honest.parts[0].as_json() | {"bytes": len(blob), "sha256": sha256_hex(blob), "pieces": None}
    manifest = Manifest(**{
        name: getattr(honest, name) for name in (
            "hub", "lesson", "course", "org", "timeline", "supersedes", "language", "titles", "texts", "audience", "duration_ms"
        )
    }, revision=9, parts=(package.Part.from_json(part),)).to_bytes()  # fmt: skip
    body = {
        "lesson": honest.lesson, "course": honest.course, "org": honest.org, "package": sha256_hex(manifest), "revision": 9,
        "signature": package.sign(manifest, key).as_json(),
    }  # fmt: skip
    return manifest, blob, body


def with_entry(carried: Carried, body: dict[str, Any]) -> dict[int, bytes]:
    """The pages with one publish entry more at their end."""
    number = max(carried.pages)
    page = carried.pages[number]
    assert isinstance(page, bytes)
    entries = read_page(page, number)
    last = entries[-1]
    more = Entry.from_value({
        "sequence": last.sequence + 1, "epoch": last.epoch, "kind": "publish", "version": 1, "body": body, "previous": last.hash,
    })  # fmt: skip
    pages = {at: found for at, found in carried.pages.items() if isinstance(found, bytes)}
    return pages | {number: write_page(number, [entry.raw for entry in [*entries, more]])}


def test_arbitrary_package(village: Village) -> None:
    """Somebody publishes a package of their own, signed by their own key."""
    stranger = SigningKey.generate()
    manifest, blob, body = package_of_a_stranger(village, stranger)
    honest = village.carried()
    forged = signed_by(honest, stranger, with_entry(honest, body))
    forged.blobs = {sha256_hex(manifest): manifest, sha256_hex(blob): blob}
    village.attack(forged, but=but_the_stream)


def test_rollback(village: Village) -> None:
    """What was true once is brought again."""
    older = village.before.copy()
    village.bring_honestly()
    was = village.settled()
    village.carrier.bring(older)
    now = village.settled()
    assert {name for name in was if was[name] != now[name]} <= {"outbox", "change", "event", "courier_want", "inbox_state"}
    assert lessons_shown(village.box) == {village.first, village.second}


def test_fast_forward(village: Village) -> None:
    """A head far ahead, so that every later honest one would look like a way back."""
    forged = village.carried()
    forged.head()["sequence"] = 10**12
    village.attack(forged, but=but_the_stream)


def test_indefinite_freeze(village: Village) -> None:
    """The same old state for ever: the box changes nothing, its clock does not go back, and it is not kept from news."""
    older = village.before.copy()
    with village.box.database.read() as session:
        before_ms = schedule_clock.now_ms(session, village.box.steady)
    clock.freeze(WEDNESDAY_MS - 86_400_000)  # what such a carrier brings was signed yesterday
    try:
        for _day in range(3):
            village.carrier.bring(older)
    finally:
        clock.freeze(WEDNESDAY_MS)
    with village.box.database.read() as session:
        after_ms = schedule_clock.now_ms(session, village.box.steady)
    if isinstance(village.carrier, ByStick):  # on the link the hub itself tells the time, to the box's own nonce
        assert before_ms is not None
        assert after_ms is not None
        assert after_ms >= before_ms
    village.attack(older)


@pytest.mark.parametrize("what", ["pages", "blobs", "stream"])
def test_endless_data(village: Village, what: str) -> None:
    """Bytes without end in the place of anything."""
    forged = village.carried()
    for name in getattr(forged, what):
        getattr(forged, what)[name] = Endless()
    began = clock.monotonic_s()
    village.attack(forged, but=only_news_of_the_school)
    assert clock.monotonic_s() - began < 60


def test_mix_and_match(village: Village) -> None:
    """The head of now with the pages of before; the pages of now with the head of before."""
    newer = village.carried()
    one, other = newer.copy(), newer.copy()
    one.pages, other.about = dict(village.before.pages), village.before.copy().about
    for forged in (one, other):
        was = village.settled()
        village.carrier.bring(forged)
        now = village.settled()
        for rows in (was, now):
            but_the_stream(rows)
        assert {name for name in was if was[name] != now[name]} == set()
    village.bring_honestly()


def test_extraneous_dependency(village: Village) -> None:
    """The manifest names one part more, which is there."""
    forged = village.carried()
    manifest, extra = forged.blobs[village.second], b"one part more" * 50
    assert isinstance(manifest, bytes)
    found = Manifest.from_bytes(manifest)
    part = found.parts[0].as_json() | {"name": "more", "bytes": len(extra), "sha256": sha256_hex(extra), "pieces": None}
    facts = {name: getattr(found, name) for name in found.__dataclass_fields__ if name not in ("parts", "extra")}
    changed = Manifest(**facts, parts=(*found.parts, package.Part.from_json(part))).to_bytes()
    forged.blobs |= {village.second: changed, sha256_hex(extra): extra}
    village.attack(forged, but=only_news_of_the_school)


def test_wrong_package(village: Village) -> None:
    """A genuine package in the place of another; genuine blobs in the places of others of their size."""
    forged = village.carried()
    forged.blobs[village.second] = forged.blobs[village.first]
    village.attack(forged, but=only_news_of_the_school)


def test_wrong_parts(village: Village) -> None:
    """As above, below a genuine manifest: it may be taken in, but not one part of it."""
    forged = village.carried()
    names = sorted(name for name in forged.blobs if name not in (village.first, village.second))
    sizes: dict[int, list[str]] = {}
    for name in names:
        blob = forged.blobs[name]
        assert isinstance(blob, bytes)
        sizes.setdefault(len(blob), []).append(name)
    for same in sizes.values():
        contents = [forged.blobs[name] for name in same]
        for name, content in zip(same, contents[1:] + contents[:1], strict=True):
            forged.blobs[name] = content if len(same) > 1 else bytes(9)

    def but(rows: dict[str, Any]) -> None:
        only_news_of_the_school(rows)
        for name in ("package", "blob", "blobs", "packages"):  # the manifest is genuine
            rows[name] = [row for row in rows[name] if village.second not in row and village.second[:2] not in row[:2]]
        rows["part"] = [row for row in rows["part"] if "'held': True" in row]

    village.attack(forged, but=but)


@pytest.mark.parametrize("seed", range(3))
def test_malicious_mirror(village: Village, seed: int) -> None:
    """A carrier that loses, cuts and turns over whatever it likes: what the box shows is genuine, and it comes to its end."""
    lot, honest = random.Random(seed), village.carried()
    genuine = dict(honest.blobs)
    for _trip in range(2):
        forged = honest.copy()
        for place in (forged.pages, forged.blobs, forged.stream):
            for name in list(place):
                content = place[name]  # type: ignore[index]
                assert isinstance(content, bytes)
                at = lot.randrange(max(1, len(content)))
                kinds = [content, content[:at], content[:at] + bytes([content[at] ^ 1 << lot.randrange(8)]) + content[at + 1 :], None]
                chosen = lot.choice(kinds)
                if chosen is None:
                    del place[name]  # type: ignore[arg-type]
                else:
                    place[name] = chosen  # type: ignore[index]
        village.carrier.bring(forged)
        assert lessons_shown(village.box) <= {village.first, village.second}
        for path in (village.box.settings.data_dir / "packages").rglob("*"):
            assert path.is_dir() or path.read_bytes() == genuine[path.name]
    village.bring_honestly()


def test_key_compromise(village: Village) -> None:
    """The publishing key was stolen, and revoked: what it signs from there on is worth nothing, though it was trusted before."""
    stolen = village.hub.here.keys.publishing
    village.hub.rotate_and_revoke()
    village.bring_honestly()
    third = village.hub.lesson(village.course, position=2)
    manifest, blob, body = package_of_a_stranger(village, stolen)
    honest = village.carried()
    forged = signed_by(honest, stolen, with_entry(honest, body))
    forged.blobs = {sha256_hex(manifest): manifest, sha256_hex(blob): blob}
    was = village.settled()
    village.carrier.bring(forged)
    now = village.settled()
    for rows in (was, now):
        but_the_stream(rows)
    assert {name for name in was if was[name] != now[name]} <= {"outbox", "event"}
    with village.box.database.read() as session:
        assert keyring(session).keys[stolen.id].revoked_at_sequence is not None
        assert catalog.sequence(session) < honest.head()["sequence"]
    village.second = third
    village.bring_honestly()
