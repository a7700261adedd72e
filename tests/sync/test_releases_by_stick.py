"""A release comes by stick to a box without a link; what somebody did to the stick, or an older one, gives no box a program."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from eduhub.delivery import catalog, release
from eduhub.delivery.models import CatalogEntry, ReleaseRow
from eduhub.errors import AnotherHubsStick
from eduhub.installation import Installation
from eduhub.signing import sha256_hex
from eduhub.sync.courier import program
from eduhub.sync.releases import fetching, holding, machine, offering, state
from tests.sync import releasing
from tests.sync.sticks import blobs_on, bring, copy_of, fill, lessons_shown
from tests.sync.world import Hub, School

NEWER, NEWEST, BOX = "90.1.0", "90.2.0", "shuanghu-3"


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """An empty stick."""
    (tmp_path / "usb").mkdir()
    return tmp_path / "usb"


@pytest.fixture
def school(hub: Hub, box: Installation) -> School:
    """A school whose box has joined, and has had no link since."""
    made = hub.school("Shuanghu", children=1)
    hub.join(box, made, BOX)
    return made


def offer(hub: Hub, version: str, folder: Path, place: str, **values: Any) -> ReleaseRow:
    row = releasing.publish(hub, version, folder, **values)
    with hub.here.database.write() as session:
        offering.offer(session, release_id=row.id, org_uid=place)
    return row


def held(box: Installation) -> set[str]:
    """The versions of which all that this machine needs is at the box."""
    with box.database.read() as session:
        rows = session.scalars(select(ReleaseRow)).all()
        found = [(row.version, holding.read(row)) for row in rows]
    return {version for version, manifest in found if manifest and not holding.missing(box.blobs, manifest, machine.target())}


def manifest_of(hub: Hub, row: ReleaseRow) -> release.Release:
    with hub.here.database.read() as session:
        found = holding.read(session.get_one(ReleaseRow, row.id))
    assert found is not None
    return found


def on_stick(stick: Path, sha256: str) -> Path:
    return stick / "eduhub-courier" / "blobs" / sha256[:2] / sha256


def runs(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """From here on the box's program is that version."""
    for name in ("courier.taking", "courier.wants", "fetching.fetch", "releases.state"):
        monkeypatch.setattr(f"eduhub.sync.{name}.__version__", version)


def test_a_release_comes_by_stick_with_the_lessons(
    hub: Hub, box: Installation, school: School, stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = hub.lesson(hub.course(school.org, groups=(school,)))
    row = offer(hub, NEWER, tmp_path / "wheels", hub.region)
    filled = fill(hub, stick, BOX)
    assert filled.is_whole
    assert manifest_of(hub, row).blobs() | {row.id} <= blobs_on(stick)
    taken = bring(box, stick)
    assert (lessons_shown(box), held(box), taken.damaged) == ({lesson}, {NEWER}, 0)
    with box.database.read() as session:
        assert state.state_here(session, box).stage == state.BY_HAND
    # It says so to the hub, which then puts it on no other stick.
    bring(hub.here, stick)
    again = stick.with_name("again")
    again.mkdir()
    fill(hub, again, BOX)
    assert blobs_on(again) == set()


def test_a_stick_brings_only_the_wheels_that_changed(hub: Hub, box: Installation, school: School, stick: Path, tmp_path: Path) -> None:
    first = offer(hub, NEWER, tmp_path / "first", hub.region)
    fill(hub, stick, BOX)
    bring(box, stick)
    second = offer(hub, NEWEST, tmp_path / "second", hub.region)
    other = stick.with_name("other")
    other.mkdir()
    bring(hub.here, stick)
    fill(hub, other, BOX)
    assert blobs_on(other) == (manifest_of(hub, second).blobs() | {second.id}) - manifest_of(hub, first).blobs()
    bring(box, other)
    assert held(box) == {NEWER, NEWEST}


def test_nothing_of_a_release_takes_the_room_of_a_lesson(
    hub: Hub, box: Installation, school: School, stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = hub.lesson(hub.course(school.org, groups=(school,)))
    row = offer(hub, NEWER, tmp_path / "wheels", hub.region)
    order: list[str] = []
    monkeypatch.setattr(
        "eduhub.sync.courier.exporting._Export._put", lambda _self, item, _wanted: order.append(item.lesson_uid) is None and row.id not in order
    )
    filled = fill(hub, stick, BOX)
    assert order.index(row.id) == len(order) - len(manifest_of(hub, row).blobs()) - 1
    assert (filled.left_out_program, filled.left_out_floor, filled.left_out_better) == (True, 0, 0)
    assert "new version of EduHub" in str(filled)
    assert lesson not in lessons_shown(box)


@pytest.mark.parametrize("values", [{"targets": ("cp399-plan_9",)}, {"needs_at_least": "80.0"}])
def test_what_a_box_could_not_put_in_is_not_put_on_its_stick(
    hub: Hub, box: Installation, school: School, stick: Path, tmp_path: Path, values: dict[str, object]
) -> None:
    fill(hub, stick, BOX)
    bring(box, stick)
    offer(hub, NEWER, tmp_path / "wheels", hub.region, **values)
    fill(hub, stick)
    assert blobs_on(stick) == set()


def test_a_box_that_says_nothing_of_its_program_gets_none(hub: Hub, school: School, tmp_path: Path) -> None:
    """It runs one that knows no releases."""
    assert [program.heard(found, "0.4.0") for found in (None, {}, {"target": 7}, {"target": "x", "holds": ["a"] * 6})] == [None] * 4


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["target", "holds"]), inner)))
def test_whatever_a_box_says_of_its_program_it_is_understood_or_passed_by(found: object) -> None:
    heard = program.heard(found, "0.4.0")
    assert heard is None or (len(heard.target) <= 60 and len(heard.holds) <= program.MOST_HELD)


# --- who carries may be anybody ------------------------------------------------------


@pytest.mark.parametrize("what", ["manifest", "wheel", "pieces"])
def test_a_release_that_was_changed_on_the_stick_is_not_taken_in_and_an_honest_stick_then_brings_it(
    hub: Hub, box: Installation, school: School, stick: Path, tmp_path: Path, what: str
) -> None:
    row = offer(hub, NEWER, tmp_path / "wheels", hub.region)
    fill(hub, stick, BOX)
    honest = copy_of(stick, "honest")
    large = next(wheel for wheel in manifest_of(hub, row).files if wheel.pieces)
    path = on_stick(stick, {"manifest": row.id, "wheel": large.sha256, "pieces": str(large.pieces)}[what])
    spoilt = path.read_bytes().replace(b"90.1.0", b"90.9.0") if what == "manifest" else path.read_bytes()[:-1] + b"?"
    assert spoilt != path.read_bytes()
    path.write_bytes(spoilt)
    taken = bring(box, stick)
    assert held(box) == set()
    assert taken.damaged
    assert not any(sha256_hex(spoilt) == file.name for file in (box.settings.data_dir / "blobs").rglob("*"))
    bring(box, honest)
    assert held(box) == {NEWER}


def test_an_older_release_that_is_offered_again_is_not_wanted(
    hub: Hub, box: Installation, school: School, stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = offer(hub, NEWER, tmp_path / "older", hub.region)
    fill(hub, stick, BOX)
    rollback = copy_of(stick, "rollback")
    newest = offer(hub, NEWEST, tmp_path / "newest", hub.region)
    fill(hub, stick, BOX)
    bring(box, stick)
    assert held(box) == {NEWEST}
    # Its stream and catalog are older than what is known here, and what they bring is not what counts.
    bring(box, rollback)
    with box.database.read() as session:
        found = fetching.offered(session, "0.4.0")
        assert found is not None
        assert (found.release_id, held(box)) == (newest.id, {NEWEST})
    # Even who has the operator's place at the hub gives no box an older program than it runs.
    runs(monkeypatch, NEWEST)
    with hub.here.database.write() as session:
        offering.offer(session, release_id=older.id, org_uid=hub.region)
    third = stick.with_name("third")
    third.mkdir()
    fill(hub, third, BOX)
    bring(box, third)
    with box.database.read() as session:
        assert fetching.offered(session, NEWEST) is None
    assert NEWER not in held(box)


def test_a_release_of_another_hub_is_nothing_here(
    hub: Hub, box: Installation, school: School, stick: Path, tmp_path: Path, make_installation: Callable[..., Installation]
) -> None:
    stranger = Hub(make_installation(role="hub"))
    stranger_box = make_installation(role="node")
    stranger.join(stranger_box, stranger.school("Nyima"), "nyima-1")
    theirs = offer(stranger, NEWEST, tmp_path / "theirs", stranger.region)
    with stranger.here.database.write() as session:
        for number in range(20):  # so that its catalog is the longer one
            catalog.append(session, stranger.here.keys, "note", {"number": number})
    foreign = stick.with_name("foreign")
    foreign.mkdir()
    fill(stranger, foreign, "nyima-1")
    with pytest.raises(AnotherHubsStick):
        bring(box, foreign)
    # Their blobs and their catalog under the honest hub's name.
    mine = offer(hub, NEWER, tmp_path / "mine", hub.region)
    fill(hub, stick, BOX)
    honest = copy_of(stick, "honest")
    on_stick(stick, mine.id).write_bytes(on_stick(foreign, theirs.id).read_bytes())
    for path in (foreign / "eduhub-courier").rglob("*"):
        if path.is_file() and path.parent.parent.name == "blobs":
            on_stick(stick, path.name).parent.mkdir(exist_ok=True)
            on_stick(stick, path.name).write_bytes(path.read_bytes())
    bring(box, stick)
    about = json.loads((honest / "eduhub-courier" / "about.json").read_bytes())
    theirs_about = json.loads((foreign / "eduhub-courier" / "about.json").read_bytes())
    forged = copy_of(foreign, "forged")
    (forged / "eduhub-courier" / "about.json").write_text(json.dumps(about | {"head": theirs_about["head"]}))
    assert bring(box, forged).refused == ["catalog"]
    with box.database.read() as session:
        assert holding.find(session, theirs.id) is None
    assert held(box) == set()
    bring(box, honest)
    assert held(box) == {NEWER}


def test_who_has_broken_into_the_hub_gives_no_box_a_program(
    hub: Hub, box: Installation, school: School, stick: Path, tmp_path: Path
) -> None:
    """The publishing key signs the catalog, the offer and the manifest; none of it is put in, or even kept."""
    files = releasing.wheels_of(NEWEST)
    written = releasing.manifest_of(NEWEST, files).to_bytes()
    key, release_id = hub.here.keys.publishing, sha256_hex(written)
    with hub.here.database.write() as session:
        signature = release.sign(written, key).as_json()
        entry = catalog.append(session, hub.here.keys, holding.KIND, {"release": release_id, "version": NEWEST, "signature": signature})
        session.add(ReleaseRow(id=release_id, version=NEWEST, sequence=entry.sequence, signature=signature, manifest=written, made_ms=1))
        hub.here.blobs.put_bytes(written)
        for payload in [*files.values(), *(releasing.piece_hashes(payload) for payload in files.values())]:
            hub.here.blobs.put_bytes(payload)
        offering.offer(session, release_id=release_id, org_uid=hub.region)
    fill(hub, stick, BOX)
    assert on_stick(stick, release_id).exists()
    bring(box, stick)
    with box.database.read() as session:
        assert session.scalars(select(CatalogEntry.sequence).where(CatalogEntry.kind == holding.KIND)).all() == [entry.sequence]
        assert session.get(ReleaseRow, release_id) is None
    assert not any(box.blobs.has(sha256_hex(payload)) for payload in (written, *files.values()))
