"""A hub that was lost comes back from its backup, and its boxes bring what they hold."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from eduhub import changes, clock
from eduhub.accounts.models import Person
from eduhub.db import Database
from eduhub.delivery import catalog
from eduhub.delivery.models import BlobRow, PackageRow, PartRow
from eduhub.errors import BackupRefused, BadSignature, RolledBack
from eduhub.installation import Installation, open_installation
from eduhub.learning.models import Event, Progress
from eduhub.ops import backup, migrate, restore
from eduhub.rosters import erasing
from eduhub.schools.models import Enrolment
from eduhub.signing import SigningKey
from eduhub.sync.homeward import outbox
from eduhub.sync.models import JoinCode, Node, OutboxRow
from eduhub.sync.school_stream import streams
from tests.ops.watching import watch
from tests.sync.test_two_machines_of_one_name import copy_of  # noqa: F401 - a fixture
from tests.sync.world import WEDNESDAY_MS, Hub, School

DAY_MS = 86_400_000



def enrol(at: Installation, school: School, name: str) -> str:
    with at.database.write() as session:
        person = Person(org_uid=school.org, name=name)
        session.add_all([person, Enrolment(
            org_uid=school.org, person_uid=person.uid, group_uid=school.group, starts_on="2026-11-25"
        )])  # fmt: skip
    return person.uid


def rows_of(installation: Installation) -> dict[str, list[Any]]:
    with installation.database.read() as session:
        return {
            table.name: sorted(str(tuple(row)) for row in session.execute(select(table)))
            for table in migrate.METADATA.sorted_tables
        }


# --- the week that was lost ----------------------------------------------------------


def test_after_a_lost_week_no_event_and_no_enrolment_that_a_box_knew_is_missing(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    school = hub.school("Shuanghu", children=2)
    lesson = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.join(box, school)
    hub.sync(box)
    before = [watch(box, school, school.children[0])]
    hub.sync(box)
    made = backup.backup(hub.here, tmp_path / "backup")

    seen, enrolled, made_at_hub = list(before), [], []
    for day in range(1, 8):
        clock.freeze(WEDNESDAY_MS + day * DAY_MS)
        seen.append(watch(box, school, school.children[day % 2]))
        enrolled.append(enrol(box, school, f"at the box, day {day}"))
        made_at_hub.append(enrol(hub.here, school, f"at the hub, day {day}"))
        hub.sync(box)
        seen.append(watch(box, school, made_at_hub[-1]))
        if day == 4:  # a withdrawal at the hub that the box has heard of
            with hub.here.database.write() as session:
                for span in session.scalars(select(Enrolment).where(Enrolment.person_uid == made_at_hub[0])):
                    span.ended_on, span.end_reason = "2026-11-28", "withdrawn"
    only_the_hub_knew = enrol(hub.here, school, "an hour before the fire")

    report = bring_back(tmp_path / "backup")
    assert report.lost_after_ms == made.made_ms == WEDNESDAY_MS
    assert report.epoch == 2
    with hub.here.database.read() as session:
        assert session.scalars(select(Event.uid).where(Event.kind == "watched")).all() == before

    given_back = hub.sync(box)
    assert given_back.new_epoch
    assert given_back.pages_given_back > 0
    with hub.here.database.read() as session:
        assert sorted(set(session.scalars(select(Event.uid).where(Event.kind == "watched")))) == sorted(seen)
        spans = {span.person_uid: span for span in session.scalars(select(Enrolment))}
        assert {*school.children, *enrolled, *made_at_hub} == spans.keys()
        assert spans[made_at_hub[0]].ended_on == "2026-11-28"
        assert session.get(Person, only_the_hub_knew) is None
        assert session.scalar(select(func.sum(Progress.watched_ms))) == 30_000 * len(seen)
        assert session.scalars(select(Event).where(Event.quarantined.is_not(None))).all() == []

    # Boxes go on by themselves, and what they hold stays readable.
    with box.database.read() as session:
        assert session.get_one(PackageRow, lesson).floor_held
        assert set(session.scalars(select(Person.uid))) == {*school.children, *enrolled, *made_at_hub[1:]}
        assert outbox.waiting(session) == 0
    again = watch(box, school, enrolled[0])
    newcomer = enrol(hub.here, school, "after the fire")
    assert not hub.sync(box).new_epoch
    with hub.here.database.read() as session, box.database.read() as at_box:
        assert session.get(Event, again) is not None
        assert at_box.get(Person, newcomer) is not None


@pytest.mark.one_writer  # a box has its database on the disk that is copied
def test_both_machines_of_a_copied_disk_bring_back_what_the_hub_lost_though_one_has_taken_the_numbers_of_the_other(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path,
    copy_of: Callable[[Installation], Installation],  # noqa: F811
) -> None:  # fmt: skip
    school = hub.school("Shuanghu", children=2)
    hub.join(box, school)
    hub.sync(box)
    backup.backup(hub.here, tmp_path / "backup")
    twin = copy_of(box)
    seen = [watch(twin, school, child) for child in school.children]
    hub.sync(twin)
    bring_back(tmp_path / "backup")
    seen += [watch(box, school, school.children[0]) for _ in range(4)]  # further than the twin has counted
    hub.sync(box)
    for _ in range(2):
        hub.sync(twin)
    with hub.here.database.read() as session:
        assert sorted(session.scalars(select(Event.uid).where(Event.kind == "watched"))) == sorted(seen)


def test_a_restore_that_is_interrupted_at_the_box_is_finished_by_the_next_round(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    backup.backup(hub.here, tmp_path / "backup")
    uids = [watch(box, school, school.children[0]) for _number in range(5)]
    late = enrol(hub.here, school, "Dolma")
    hub.sync(box)
    bring_back(tmp_path / "backup")
    for cut in (500, 700, 1_000, 1_500, 2_000, 2_500):
        hub.wire.cut_after = cut
        with pytest.raises(Exception):  # noqa: B017, PT011 - wherever the line breaks
            hub.sync(box)
    hub.wire.cut_after = None
    hub.sync(box)
    with hub.here.database.read() as session:
        assert sorted(session.scalars(select(Event.uid))) == sorted(uids)
        assert session.get(Person, late) is not None


def test_a_new_lesson_after_the_restore_reaches_the_box(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    hub.join(box, school)
    hub.sync(box)
    backup.backup(hub.here, tmp_path / "backup")
    lost = hub.lesson(course, position=1)
    hub.sync(box)
    bring_back(tmp_path / "backup")
    new = hub.lesson(course, position=2)
    hub.sync(box)
    with box.database.read() as session:
        assert session.get_one(PackageRow, new).floor_held
        assert session.get_one(PackageRow, lost).floor_held  # stays readable
        assert catalog.state(session).epoch == 2


def test_a_box_that_missed_one_restore_of_its_hub_brings_back_after_the_next_what_was_lost_in_the_first(
    hub: Hub, box: Installation, bring_back: Any, tmp_path: Path
) -> None:
    school = hub.school("Shuanghu", children=3)
    hub.join(box, school)
    hub.sync(box)
    backup.backup(hub.here, tmp_path / "first")
    new = hub.child(school, "Pema")
    hub.sync(box)
    bring_back(tmp_path / "first")
    with hub.here.database.write() as session:  # the stream grows beyond where the lost row had its place
        for number, child in enumerate(school.children):
            session.get_one(Person, child).name = f"Child {number}"
    with hub.here.database.write() as session:
        streams.refresh(session, school.org)
    backup.backup(hub.here, tmp_path / "second")
    bring_back(tmp_path / "second")
    hub.sync(box)
    with hub.here.database.read() as session:
        assert session.get(Person, new) is not None
    with box.database.read() as session:
        assert session.get(Person, new) is not None
        assert session.get_one(Person, school.children[0]).name == "Child 0"


def test_a_box_follows_no_epoch_that_the_root_did_not_sign(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.join(box, hub.school("Shuanghu"))
    hub.sync(box)
    with hub.here.database.write() as session:
        statement = catalog.begin_epoch(session, hub.here.keys, hub.here.keys.root)
        state = catalog.state(session)
        state.epoch_statement = {**statement, "statement": {**statement["statement"], "epoch": 7}}
        state.epoch = 7
    with pytest.raises(BadSignature):
        hub.sync(box)
    with box.database.read() as session:
        assert catalog.state(session).epoch == 1


def test_an_old_copy_of_the_hub_without_a_new_epoch_is_refused(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    backup.backup(hub.here, tmp_path / "backup")
    bring_back(tmp_path / "backup")
    hub.sync(box)
    with hub.here.database.write() as session:
        catalog.state(session).epoch = 1
        catalog.state(session).epoch_statement = None
        catalog.sign_head(session, hub.here.keys)
    with pytest.raises((RolledBack, BadSignature)):
        hub.sync(box)


# --- the folder -----------------------------------------------------------------------


def test_every_row_comes_back_as_it_was_but_for_what_begins_anew(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    school = hub.school("Shuanghu", children=2)
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.join(box, school)
    hub.code(school, "another-box")
    before, secret = rows_of(hub.here), hub.here.keys.secret
    steady_s = hub.here.steady.now_s()
    backup.backup(hub.here, tmp_path / "backup")
    report = bring_back(tmp_path / "backup")
    after = rows_of(hub.here)
    differing = {name for name in before if before[name] != after[name]}
    assert differing == {"machine", "catalog_state", "join_code", "catalog_entry", "trusted_key"}  # a key that nobody has revoked
    for name in ("catalog_entry", "trusted_key"):  # all that were there, and the new key's
        assert [row for row in after[name] if row in before[name]] == before[name]
        assert len(after[name]) == len(before[name]) + 1
    assert report.rows == sum(len(rows) for rows in before.values())
    assert hub.here.keys.secret == secret
    assert not hub.here.keys.has_root
    assert hub.here.steady.now_s() >= steady_s
    with hub.here.database.read() as session:
        for part in session.scalars(select(PartRow)):
            assert (hub.here.packages_dir / package / part.sha256).is_file()
        assert session.scalars(select(JoinCode).where(JoinCode.used_by_node_uid.is_(None))).all() == []
        assert session.scalars(select(Node.name)).all() == ["shuanghu-3"]


def test_writing_goes_on_after_a_restore(
    hub: Hub, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    school = hub.school("Shuanghu", children=1)
    backup.backup(hub.here, tmp_path / "backup")
    with hub.here.database.read() as session:
        machine, latest = changes.machine_uid(session), changes.latest_seq(session)
    bring_back(tmp_path / "backup")
    enrol(hub.here, school, "Dolma")
    with hub.here.database.read() as session:
        assert changes.machine_uid(session) != machine
        assert changes.latest_seq(session) > latest


def test_a_second_backup_into_the_folder_adds_new_blobs_only(hub: Hub, tmp_path: Path) -> None:
    course = hub.course(hub.region)
    hub.lesson(course, position=1)
    first = backup.backup(hub.here, tmp_path / "backup")
    hub.lesson(course, position=2)
    second = backup.backup(hub.here, tmp_path / "backup")
    assert (first.blobs, first.blobs_added) == (6, 6)
    assert (second.blobs, second.blobs_added) == (12, 6)
    assert len(list((tmp_path / "backup").glob("tables-*"))) == 1


def test_the_root_key_is_never_in_a_backup(hub: Hub, tmp_path: Path) -> None:
    backup.backup(hub.here, tmp_path / "backup")
    seed = hub.here.keys.root.seed.hex().encode()
    for path in (tmp_path / "backup").rglob("*"):
        assert path.is_dir() or seed not in path.read_bytes()


@pytest.mark.parametrize("harm", ["a table", "a key", "no manifest", "a table gone"])
def test_a_backup_that_is_not_whole_is_refused_and_nothing_is_written(
    hub: Hub, make_settings: Callable[..., Any], tmp_path: Path, harm: str
) -> None:
    hub.lesson(hub.course(hub.region))
    folder = tmp_path / "backup"
    backup.backup(hub.here, folder)
    victim = {
        "a table": next(folder.glob("tables-*/person.jsonl")),
        "a key": next(folder.glob("tables-*/keys/secret.key")), "no manifest": folder / "manifest.json",
        "a table gone": next(folder.glob("tables-*/course.jsonl")),
    }[harm]  # fmt: skip
    if harm.endswith("gone") or harm == "no manifest":
        victim.unlink()
    else:
        payload = bytearray(victim.read_bytes())
        payload[len(payload) // 2] ^= 1
        victim.unlink()
        victim.write_bytes(payload)
    settings = make_settings(role="hub", empty_database=True)
    with pytest.raises(BackupRefused):
        restore.restore(folder, settings, hub.here.keys.root)
    assert not (settings.data_dir / "keys" / "publishing.key").exists()


@pytest.mark.parametrize("harm", ["damaged in the backup", "gone from the backup", "lost before the backup"])
def test_one_lost_part_hides_its_lesson_and_keeps_nothing_else_from_coming_back(
    hub: Hub, make_settings: Callable[..., Any], tmp_path: Path, harm: str
) -> None:
    course = hub.course(hub.region)
    package_id = hub.lesson(course, position=1)
    hub.lesson(course, position=2)
    with hub.here.database.read() as session:
        floor = select(PartRow.sha256).where(PartRow.package_id == package_id, PartRow.is_floor)
        lost = session.scalars(floor.order_by(PartRow.sha256)).first()
    assert lost is not None
    if harm == "lost before the backup":
        hub.here.blobs.remove(lost)
    made = backup.backup(hub.here, tmp_path / "backup")
    copy = tmp_path / "backup" / "blobs" / lost[:2] / lost
    assert made.blobs_missing == (0 if copy.exists() else 1)
    if harm == "damaged in the backup":
        copy.unlink()  # the copy is a hard link: only the backup's is to be damaged
        copy.write_bytes(b"dust")
    elif harm == "gone from the backup":
        copy.unlink()
    settings = make_settings(role="hub", empty_database=True)
    report = restore.restore(tmp_path / "backup", settings, hub.here.keys.root)
    assert report.blobs_missing == 1
    database = Database(settings.database_url)
    with database.read() as session:
        shown = {row.id: row.floor_held for row in session.scalars(select(PackageRow))}
        assert len(shown) == 2
        assert [found for found, is_shown in shown.items() if not is_shown] == [package_id]
        assert session.get(BlobRow, lost) is None
    database.close()


def test_a_restore_goes_onto_an_empty_machine_only(hub: Hub, make_settings: Callable[..., Any], tmp_path: Path) -> None:
    backup.backup(hub.here, tmp_path / "backup")
    with pytest.raises(BackupRefused):
        restore.restore(tmp_path / "backup", hub.here.settings, hub.here.keys.root)


def test_a_hub_is_restored_with_its_own_root_key_only(hub: Hub, make_settings: Callable[..., Any], tmp_path: Path) -> None:
    backup.backup(hub.here, tmp_path / "backup")
    for key in (None, SigningKey.generate()):
        with pytest.raises((BackupRefused, BadSignature)):
            restore.restore(tmp_path / "backup", make_settings(role="hub", empty_database=True), key)


def test_a_hub_restored_twice_from_one_backup_is_told_the_epoch_before(
    hub: Hub, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    backup.backup(hub.here, tmp_path / "backup")
    root = hub.here.keys.root
    first = bring_back(tmp_path / "backup")
    hub.here.keys.folder.joinpath("root.key").write_text(root.seed.hex() + "\n")
    assert bring_back(tmp_path / "backup", after_epoch=first.epoch).epoch == 3


def test_a_backup_that_is_cut_short_leaves_the_one_before_it(
    hub: Hub, make_settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.school("Shuanghu", children=1)
    backup.backup(hub.here, tmp_path / "backup")
    kept = json.loads((tmp_path / "backup" / "manifest.json").read_bytes())
    hub.lesson(hub.course(hub.region))

    def power_cut(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(backup, "_copy_keys", power_cut)
        with pytest.raises(KeyboardInterrupt):
            backup.backup(hub.here, tmp_path / "backup")
    report = restore.restore(
        tmp_path / "backup", make_settings(role="hub", empty_database=True), hub.here.keys.root
    )
    assert report.made_ms == kept["made_ms"]


def test_a_box_is_backed_up_and_restored_too(
    hub: Hub, box: Installation, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    uids = [watch(box, school, school.children[0])]
    backup.backup(box, tmp_path / "backup")
    settings = make_settings(role="node", empty_database=True)
    restore.restore(tmp_path / "backup", settings, None)
    restored = open_installation(settings)
    try:
        uids.append(watch(restored, school, school.children[0]))
        hub.sync(restored)
        with restored.database.read() as session:
            assert len(set(session.scalars(select(OutboxRow.incarnation)))) == 2
    finally:
        restored.database.close()
    with hub.here.database.read() as session:
        assert sorted(session.scalars(select(Event.uid))) == sorted(uids)
    shutil.rmtree(tmp_path / "backup")


def test_of_a_child_who_was_erased_after_the_backup_nothing_learned_comes_back(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    watch(box, school, school.children[0])
    hub.sync(box)
    backup.backup(hub.here, tmp_path / "backup")
    with hub.here.database.write() as session:
        erasing.erase_child(session, school.children[0])
    hub.sync(box)
    bring_back(tmp_path / "backup")
    hub.sync(box)
    with hub.here.database.read() as session:
        for model in (Person, Event, Progress):
            assert session.scalars(select(model)).all() == []
