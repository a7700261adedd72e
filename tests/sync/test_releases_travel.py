"""A release comes to the boxes it is offered to, and to no other; nothing of it is believed but what was signed."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eduhub import changes
from eduhub.delivery import catalog, passes, release
from eduhub.delivery import http as lane
from eduhub.delivery.models import BlobRow, CatalogEntry, ReleaseRow
from eduhub.delivery.trust import keyring, signed_statement
from eduhub.errors import BadFormat, BadSignature, HashMismatch, ReleaseRefused
from eduhub.installation import Installation, JobContext
from eduhub.ops import release_job, upkeep
from eduhub.signing import SigningKey
from eduhub.sync.releases import fetching, holding, machine, offering, publishing, state
from eduhub.sync.releases.models import ReleaseOffer
from tests.questions import counted
from tests.sync import releasing
from tests.sync.sticks import lessons_shown
from tests.sync.world import Hub, School

NEWER, NEWEST = "90.1.0", "90.2.0"


def offer(hub: Hub, row: ReleaseRow, org_uid: str, node_uid: str | None = None) -> str:
    with hub.here.database.write() as session:
        return offering.offer(session, release_id=row.id, org_uid=org_uid, node_uid=node_uid).uid


def missing(box: Installation, release_id: str) -> list[str] | None:
    """The blobs that a box lacks of a release; None: not even its manifest is here."""
    with box.database.read() as session:
        row = session.get(ReleaseRow, release_id)
        manifest = holding.read(row) if row is not None else None
    return None if manifest is None else holding.missing(box.blobs, manifest, machine.target())


@pytest.fixture
def school(hub: Hub) -> School:
    return hub.school("Shuanghu")


def test_an_offered_release_comes_after_the_lessons(hub: Hub, box: Installation, school: School, tmp_path: Path) -> None:
    row = releasing.publish(hub, NEWER, tmp_path / "wheels")
    offer(hub, row, hub.region)
    hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.join(box, school)
    hub.sync(box)
    assert missing(box, row.id) == []
    paths = [path for _method, path, _range in hub.wire.requests if path.startswith("/p/")]
    first = next(at for at, path in enumerate(paths) if path.startswith(f"/p/{row.id}/"))
    assert first
    assert all(path.startswith(f"/p/{row.id}/") for path in paths[first:])


def test_what_is_not_offered_is_not_fetched(hub: Hub, box: Installation, school: School, tmp_path: Path) -> None:
    row = releasing.publish(hub, NEWER, tmp_path / "wheels")
    offer(hub, row, hub.school("Nyima").org)
    hub.join(box, school)
    hub.sync(box)
    assert missing(box, row.id) is None


def test_an_update_brings_only_the_wheels_that_changed(hub: Hub, box: Installation, school: School, tmp_path: Path) -> None:
    offer(hub, releasing.publish(hub, NEWER, tmp_path / "first"), hub.region)
    hub.join(box, school)
    hub.sync(box)
    following = releasing.publish(hub, NEWEST, tmp_path / "second")
    offer(hub, following, hub.region)
    hub.wire.delivered.clear()
    hub.sync(box)
    assert missing(box, following.id) == []
    assert sum(size for path, size in hub.wire.delivered.items() if path.startswith("/p/")) < 4_000
    # The wheels of before can be read as the new release's too: a neighbour asks for them so.
    with box.database.read() as session:
        manifest = holding.read(session.get_one(ReleaseRow, following.id))
    assert manifest is not None
    assert {path.name for path in (box.packages_dir / following.id).iterdir()} == manifest.blobs() | {following.id}


def test_a_box_goes_by_the_nearest_offer(hub: Hub, box: Installation, school: School, tmp_path: Path) -> None:
    node_uid = hub.join(box, school)
    wide, narrow = (releasing.publish(hub, version, tmp_path / version) for version in (NEWEST, NEWER))
    offer(hub, wide, hub.region)
    mine = offer(hub, narrow, school.org, node_uid)
    hub.sync(box)
    assert (missing(box, wide.id), missing(box, narrow.id)) == (None, [])
    with hub.here.database.write() as session:
        offering.drop(session, mine, "2026-11-25")
    hub.sync(box)
    assert missing(box, wide.id) == []


def test_a_paused_offer_holds_a_place_back_from_what_a_wider_one_is_offered(
    hub: Hub, box: Installation, school: School, tmp_path: Path
) -> None:
    hub.join(box, school)
    row = releasing.publish(hub, NEWER, tmp_path / "wheels")
    offer(hub, row, hub.region)
    held_back = offer(hub, row, school.org)
    with hub.here.database.write() as session:
        offering.pause(session, held_back, paused=True)
    hub.sync(box)
    assert missing(box, row.id) is None
    with hub.here.database.write() as session:
        offering.pause(session, held_back, paused=False)
    hub.sync(box)
    assert missing(box, row.id) == []


def test_a_cut_costs_nothing_that_came(hub: Hub, box: Installation, school: School, tmp_path: Path) -> None:
    row = releasing.publish(hub, NEWER, tmp_path / "wheels")
    offer(hub, row, hub.region)
    hub.join(box, school)
    hub.wire.cut_after = 200_000
    with pytest.raises(Exception, match="line"):
        hub.sync(box)
    come = sum(size for path, size in hub.wire.delivered.items() if path.startswith("/p/"))
    hub.wire.cut_after = None
    hub.wire.delivered.clear()
    hub.sync(box)
    assert missing(box, row.id) == []
    again = sum(size for path, size in hub.wire.delivered.items() if path.startswith("/p/"))
    with box.database.read() as session:
        held = sum(session.scalars(select(BlobRow.bytes)))
    assert come > 100_000
    assert come + again < held + 20_000


@pytest.mark.parametrize("running", ["90.1.0", "90.1.1", "91.0"])
def test_an_older_or_the_same_version_is_never_wanted(
    hub: Hub, box: Installation, school: School, tmp_path: Path, running: str
) -> None:
    offer(hub, releasing.publish(hub, NEWER, tmp_path / "wheels"), hub.region)
    hub.join(box, school)
    hub.sync(box)
    with box.database.write() as session:
        assert fetching.offered(session, running) is None
        assert fetching.offered(session, "90.0.9") is not None


@pytest.mark.parametrize(("values", "why"), [({"targets": ("cp399-plan_9",)}, "machine"), ({"needs_at_least": "80.0"}, "step")])
def test_what_is_for_another_machine_or_needs_a_step_between_is_not_fetched_and_the_box_says_so(
    hub: Hub, box: Installation, school: School, tmp_path: Path, values: dict[str, object], why: str
) -> None:
    row = releasing.publish(hub, NEWER, tmp_path / "wheels", **values)
    offer(hub, row, hub.region)
    hub.join(box, school)
    hub.sync(box)
    missed = missing(box, row.id)
    assert missed is not None
    assert hub.wire.delivered.keys() & {f"/p/{row.id}/{name}" for name in missed} == set()
    with box.database.read() as session:
        assert state.word_here(session, box) == f"unfit {NEWER} {why}"
    # Its manifest is kept, so that the next rounds ask for nothing.
    box.settings.releases_folder.mkdir(exist_ok=True)
    release_job.put_in(JobContext(box, "", lambda _share: None))
    hub.wire.delivered.clear()
    hub.sync(box)
    assert not any(path.startswith("/p/") for path in hub.wire.delivered)


def test_the_hubs_own_publishing_key_gives_nobody_a_program(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(BadSignature):
        releasing.publish(hub, NEWER, tmp_path / "wheels", key=hub.here.keys.publishing)
    with pytest.raises(BadSignature):
        releasing.publish(hub, NEWER, tmp_path / "again", key=SigningKey.generate())


def test_two_releases_of_one_number_are_refused(hub: Hub, tmp_path: Path) -> None:
    first = releasing.publish(hub, NEWER, tmp_path / "first")
    assert releasing.publish(hub, NEWER, tmp_path / "again").id == first.id
    with pytest.raises(ReleaseRefused):
        releasing.publish(hub, NEWER, tmp_path / "other", needs_at_least="0.2.0")


def test_a_wheel_that_is_not_the_manifests_is_not_published(hub: Hub, tmp_path: Path) -> None:
    files = releasing.wheels_of(NEWER)
    written = releasing.manifest_of(NEWER, files).to_bytes()
    for name, payload in files.items():
        (tmp_path / name).write_bytes(payload[:-1] + b"?")
    with hub.here.database.write() as session:
        publishing.state_key(session, hub.here, hub.here.keys.root, releasing.KEY.public)
    paths = {name: tmp_path / name for name in files}
    with pytest.raises((BadFormat, HashMismatch)), hub.here.database.write() as session:
        publishing.publish(session, hub.here, written, paths, releasing.KEY)
    with hub.here.database.read() as session:
        assert session.scalars(select(ReleaseRow)).all() == []


def test_a_manifest_that_was_changed_on_the_way_is_not_taken_in(hub: Hub, box: Installation, school: School, tmp_path: Path) -> None:
    row = releasing.publish(hub, NEWER, tmp_path / "wheels")
    offer(hub, row, hub.region)
    hub.join(box, school)
    hub.wire.spoil = lambda path, _at, payload: payload.replace(b"90.1.0", b"90.1.9") if path.endswith(row.id) else payload
    hub.sync(box)
    assert missing(box, row.id) is None
    hub.wire.spoil = None
    hub.sync(box)
    assert missing(box, row.id) == []


def test_a_manifest_signed_by_a_key_that_may_only_publish_lessons_is_not_taken_in(
    hub: Hub, box: Installation, school: School, tmp_path: Path
) -> None:
    row = releasing.publish(hub, NEWER, tmp_path / "wheels")
    hub.join(box, school)
    hub.sync(box)
    with hub.here.database.read() as session:
        written = session.get_one(ReleaseRow, row.id).manifest
    assert written is not None
    with box.database.write() as session:
        mine = holding.find(session, row.id)
        assert mine is not None
        mine.signature = release.sign(written, hub.here.keys.publishing).as_json()
        with pytest.raises(BadSignature):
            holding.take_in(session, box.blobs, mine, written)


def test_an_entry_of_a_release_that_this_program_cannot_read_keeps_no_lesson_away(hub: Hub, box: Installation, school: School) -> None:
    hub.join(box, school)
    course = hub.course(school.org, groups=(school,))
    hub.lesson(course)
    with changes.writing(hub.here.database) as session:
        body = {"release": "a" * 64, "version": NEWER, "signature": ["of a later kind"]}
        catalog.append(session, hub.here.keys, holding.KIND, body)
        session.add(ReleaseOffer(org_uid=hub.region, node_uid=None, release_id="a" * 64, version=NEWER, paused=False))
    hub.sync(box)
    hub.lesson(course, position=1)
    hub.sync(box)  # with the catalog's entry here before
    assert len(lessons_shown(box)) == 2


def test_a_browsers_pass_opens_no_release(hub: Hub, tmp_path: Path) -> None:
    row = releasing.publish(hub, NEWER, tmp_path / "wheels")
    with hub.here.database.read() as session:
        written = session.get_one(ReleaseRow, row.id).manifest
    assert written is not None
    readable = lane.readable_files(written)
    assert len(readable) == 4
    for file in readable.values():
        assert not any(passes.opens(audience, file.audience) for audience in ("open", "learner", "teacher"))
        assert passes.opens("node", file.audience)


def test_the_sweep_leaves_a_release_and_takes_one_that_was_forgotten(
    hub: Hub, box: Installation, school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = releasing.publish(hub, NEWER, tmp_path / "wheels")
    offer(hub, row, hub.region)
    hub.join(box, school)
    hub.sync(box)

    hours = itertools.count(1)
    monkeypatch.setattr(box.steady, "now_s", lambda: 3_700.0 * next(hours))

    def sweep_twice() -> None:
        for _ in range(4):
            upkeep.sweep(JobContext(box, "", lambda _share: None))

    sweep_twice()
    assert missing(box, row.id) == []
    with box.database.write() as session:
        wheels = holding.blobs_in_use(session)
        holding.forget_others(session, [])
    sweep_twice()
    assert not any(box.blobs.has(name) for name in wheels)
    assert not (box.packages_dir / row.id).exists()


def test_whoever_looks_again_while_a_release_waits_reads_only_what_is_new_in_the_catalog(
    hub: Hub, box: Installation, school: School, tmp_path: Path
) -> None:
    first = releasing.publish(hub, NEWER, tmp_path / "first")
    hub.join(box, school)
    hub.sync(box)

    def look(release_id: str) -> tuple[str | None, list[str]]:
        """The version that is found, and the statements that read entries for it."""
        with counted(box.database) as asked, box.database.read() as session:
            found = holding.find(session, release_id)
        return found.version if found is not None else None, [text for text in asked if "catalog_entry.body" in text]

    assert look(first.id)[0] == NEWER
    assert look(first.id) == (NEWER, [])
    assert look("a" * 64) == (None, [])
    second = releasing.publish(hub, NEWEST, tmp_path / "second")
    hub.sync(box)
    version, asked = look(second.id)
    assert (version, len(asked)) == (NEWEST, 1)
    assert look(first.id) == (NEWER, [])


def test_a_release_that_a_new_epoch_took_out_of_the_catalog_is_not_known_any_more(hub: Hub, tmp_path: Path) -> None:
    row = releasing.publish(hub, NEWER, tmp_path / "wheels")
    with hub.here.database.write() as session:
        session.delete(session.get_one(ReleaseRow, row.id))
    with hub.here.database.write() as session:
        assert holding.find(session, row.id) is not None
        ring, last = keyring(session), row.sequence - 1
        begun = {"hub": ring.hub_uid, "epoch": 2, "sequence": last, "hash": session.get_one(CatalogEntry, last).hash}
        catalog.start_epoch(session, ring, signed_statement(hub.here.keys.root, catalog.EPOCH_FORMAT, begun))
        assert holding.find(session, row.id) is None
        session.rollback()
        assert holding.find(session, row.id) is not None


def test_a_release_that_was_refused_is_not_fetched_again_and_a_program_that_can_read_it_takes_what_came(
    hub: Hub, box: Installation, school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = releasing.publish(hub, NEWER, tmp_path / "wheels")
    offer(hub, row, hub.region)
    hub.join(box, school)
    with monkeypatch.context() as older:
        older.setattr(release, "SCOPE", "releases-of-before")  # it trusts no key with this release
        hub.sync(box)
        fetched = f"/p/{row.id}/{row.id}"
        assert hub.wire.delivered[fetched] > 0
        hub.wire.delivered.clear()
        hub.sync(box)
        assert fetched not in hub.wire.delivered
        assert missing(box, row.id) is None
        with box.database.read() as session:
            assert state.word_here(session, box) == f"unfit {NEWER} refused"
    hub.wire.delivered.clear()
    hub.sync(box)
    assert missing(box, row.id) == []
    assert fetched not in hub.wire.delivered
    assert list((box.settings.data_dir / "work").glob("*.refused*")) == []


def test_a_refused_release_that_a_power_cut_tore_is_fetched_again(
    hub: Hub, box: Installation, school: School, tmp_path: Path
) -> None:
    row = releasing.publish(hub, NEWER, tmp_path / "wheels")
    offer(hub, row, hub.region)
    hub.join(box, school)
    (box.settings.data_dir / "work" / f"{row.id}.refused").write_bytes(bytes(500))
    hub.sync(box)
    assert missing(box, row.id) == []


@pytest.mark.parametrize("token", ["", "a ", "\x7f", "é", "a" * 501, None, 7])
def test_a_pass_that_no_header_can_say_is_none(token: object) -> None:
    class Says:
        def get(self, target: str, *, signed: bool = True) -> bytes:
            raise NotImplementedError

        def post_json(self, target: str, value: dict[str, Any], *, signed: bool = True) -> dict[str, Any]:
            return {"passes": dict.fromkeys(value["packages"], token)}

    assert fetching._pass(Says(), "a" * 64) == {}
