"""The keys of a hub that was restored from a backup of before they were changed: who believes what, and what comes back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.changes import FieldChange
from eduhub.config import Settings
from eduhub.delivery import keys
from eduhub.delivery.models import PackageRow
from eduhub.delivery.trust import key_statement, keyring
from eduhub.errors import BadFormat, BadInput, BadSignature
from eduhub.installation import Installation
from eduhub.learning.models import Event
from eduhub.ops import backup, restore
from eduhub.signing import SigningKey, canonical
from eduhub.sync.boxes import restoring
from eduhub.sync.courier import sealing
from eduhub.sync.models import Node
from eduhub.sync.school_stream import streams
from eduhub.uids import new_uid
from tests.ops.commanding import eduhub
from tests.ops.watching import watch
from tests.sync.world import Hub


def test_a_hub_whose_key_was_revoked_after_the_backup_is_believed_by_the_boxes_that_know_it(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    school = hub.school("Shuanghu", children=1)
    course = hub.course(hub.region, groups=(school,))
    before = hub.lesson(course, position=1)
    hub.join(box, school)
    hub.sync(box)
    backup.backup(hub.here, tmp_path / "backup")
    old = hub.rotate_and_revoke()
    hub.sync(box)
    watched_at_box = watch(box, school, school.children[0])
    bring_back(tmp_path / "backup")
    assert hub.here.keys.publishing.id != old
    after = hub.lesson(course, position=2)
    hub.sync(box)
    hub.sync(box)
    with hub.here.database.read() as session:
        assert session.get(Event, watched_at_box) is not None
    with box.database.read() as session:
        assert all(session.get_one(PackageRow, package).floor_held for package in (before, after))


def test_a_box_that_joins_a_restored_hub_believes_it(
    hub: Hub, make_installation: Callable[..., Installation], bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    school = hub.school("Shuanghu", children=1)
    first, spare = make_installation(role="node"), make_installation(role="node")
    hub.join(first, school)
    hub.sync(first)
    backup.backup(hub.here, tmp_path / "backup")
    bring_back(tmp_path / "backup")
    hub.join(spare, school, "shuanghu-4")  # which is told of the new key before it hears of the new epoch
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    for box in (first, spare):
        hub.sync(box)
        with box.database.read() as session:
            assert session.get_one(PackageRow, package).floor_held
            assert session.get(Person, school.children[0]) is not None
            assert keyring(session).keys[hub.here.keys.publishing.id].revoked_at_sequence is None


@pytest.mark.parametrize("is_said_to_be_revoked", [False, True])
def test_what_a_hub_wrote_with_a_key_that_its_backup_does_not_know_comes_back_unless_that_key_was_shut_out(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path, is_said_to_be_revoked: bool
) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    backup.backup(hub.here, tmp_path / "backup")
    hub.rotate_and_revoke()
    with hub.here.database.write() as session:
        session.get_one(Person, school.children[0]).name = "Renamed since"
    hub.sync(box)
    lost_key = hub.here.keys.publishing.id
    bring_back(tmp_path / "backup", revoked=[lost_key] if is_said_to_be_revoked else [])
    hub.sync(box)
    hub.sync(box)
    with hub.here.database.read() as session:
        assert (session.get_one(Person, school.children[0]).name == "Renamed since") is not is_said_to_be_revoked
        assert (lost_key in keyring(session).keys) is is_said_to_be_revoked  # what a box brings is believed once, and not from then on


def test_a_key_that_somebody_else_than_the_root_spoke_for_opens_nothing_at_a_restored_hub(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    backup.backup(hub.here, tmp_path / "backup")
    bring_back(tmp_path / "backup")
    forged, root = SigningKey.generate(), SigningKey.generate()
    with hub.here.database.read() as session:
        hub_uid = keyring(session).hub_uid
        node = session.scalars(select(Node)).one()
        page = streams.page(session, school.org, epoch=1, after=0)
    statement = key_statement(root, hub_uid, forged.public, scopes=keys.SCOPES, from_sequence=0)
    brought = {"payload": page.payload.decode(), "signature": forged.sign(streams.FORMAT, page.payload).as_json(), "key_statement": statement}
    with hub.here.database.write() as session, pytest.raises(BadSignature):
        restoring.take_back(session, hub.here, node, [brought])
    for wrong in (7, {}, {"statement": {}}, [statement]):
        with hub.here.database.write() as session, pytest.raises((BadSignature, BadFormat)):
            restoring.take_back(session, hub.here, node, [brought | {"key_statement": wrong}])


def test_a_restored_hub_signs_with_no_key_of_before_whatever_lay_in_the_backup(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    hub.join(box, hub.school("Shuanghu"))
    present, following = hub.here.keys.publishing, hub.here.keys.make_next_publishing()
    folder = backup.backup(hub.here, tmp_path / "backup").folder
    kept = next(folder.glob("tables-*")) / "keys"
    assert not {"root.key", "publishing.key", "publishing-next.key"} & {path.name for path in kept.iterdir()}
    keys.write_key(kept / "publishing.key", following.seed)  # a backup of an earlier release, which a rotation overtook
    bring_back(folder)
    assert hub.here.keys.publishing.id not in (present.id, following.id)
    assert hub.here.keys.make_next_publishing().id != following.id
    hub.sync(box)


def test_of_a_hub_that_was_stolen_no_key_counts_and_boxes_bring_back_what_they_made_themselves(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path
) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    before, secret = hub.here.keys.publishing.id, hub.here.keys.secret
    with hub.here.database.write() as session:
        sealing.state_key(session, hub.here)
        sealed_to = sealing.stated_key(session)
    hub.sync(box)
    backup.backup(hub.here, tmp_path / "backup")
    with hub.here.database.write() as session:
        keys.rotate(session, hub.here.keys, hub.here.keys.root)  # of this one the backup knows nothing, and nobody has revoked it
    hub.here.keys.adopt_next_publishing()
    with hub.here.database.write() as session:
        session.get_one(Person, school.children[0]).name = "Renamed since"
    hub.sync(box)
    watched_at_box = watch(box, school, school.children[0])
    bring_back(tmp_path / "backup", is_stolen=True)
    hub.sync(box)
    hub.sync(box)
    with hub.here.database.read() as session:
        assert session.get_one(Person, school.children[0]).name != "Renamed since"
        assert session.get(Event, watched_at_box) is not None
        assert keyring(session).keys[before].revoked_at_sequence is not None
    assert hub.here.keys.secret != secret  # with it anybody's cookie could be made
    with box.database.read() as session:
        assert sealing.stated_key(session) not in (None, sealed_to)
        trusted = [key for key, facts in keyring(session).keys.items() if facts.revoked_at_sequence is None]
    assert trusted == [hub.here.keys.publishing.id]
    backup.backup(hub.here, tmp_path / "after")
    bring_back(tmp_path / "after")  # nobody says again that it was stolen once
    page = {"payload": "{}", "signature": hub.here.keys.publishing.sign(streams.FORMAT, b"{}").as_json(), "key_statement": {"no": "word"}}
    with hub.here.database.write() as session, pytest.raises(BadFormat, match="not an eduhub-stream"):  # the statement is not looked at
        restoring.take_back(session, hub.here, session.scalars(select(Node)).one(), [page])


@pytest.mark.parametrize(
    "how",
    ["an operator's role", "a role said twice", "the role of an operator", "a password", "another verifier", "a card of an operator"],
)
def test_what_no_stream_carries_is_not_taken_back_though_the_hubs_own_key_signed_it(
    hub: Hub, box: Installation, bring_back: Callable[..., restore.RestoreReport], tmp_path: Path, how: str
) -> None:
    school = hub.school("Shuanghu", children=1)
    operator = hub.adult(hub.region, "Tenzin", "operator")
    with hub.here.database.write() as session:
        grant = session.scalars(select(RoleGrant.uid).where(RoleGrant.person_uid == operator)).one()
        word = session.scalars(select(Credential.uid).where(Credential.person_uid == operator, Credential.kind == "password")).one()
    hub.join(box, school)
    hub.sync(box)
    backup.backup(hub.here, tmp_path / "backup")
    stolen = hub.here.keys.publishing
    bring_back(tmp_path / "backup")
    child, new, machine = school.children[0], new_uid(), new_uid()
    role = {"org_uid": school.org, "person_uid": child, "scope_kind": "all", "scope_uid": None, "starts_on": "2026-11-25", "ended_on": None}
    card = {"org_uid": school.org, "person_uid": child, "verifier": "evil", "machine_uid": machine, "revoked_on": None}
    high, low = 1 << 22, 1
    entry = {
        "an operator's role": entry_of("role_grant", new, machine, school.org, high, role | {"role": "operator"}),
        "a role said twice": both(
            entry_of("role_grant", new, machine, school.org, high, role | {"role": "operator"}),
            entry_of("role_grant", new, machine, school.org, low, {"role": "teacher"}),
        ),
        "the role of an operator": entry_of("role_grant", grant, machine, school.org, high, {"person_uid": child}),
        "a password": entry_of("credential", new, machine, school.org, high, card | {"kind": "password"}),
        "another verifier": both(
            entry_of("credential", word, machine, school.org, high, {"verifier": "evil"}),
            entry_of("credential", word, machine, school.org, low, {"kind": "card"}),
        ),
        "a card of an operator": entry_of("credential", new, machine, school.org, high, card | {"kind": "card", "person_uid": operator}),
    }[how]  # fmt: skip
    other = entry_of("person", child, machine, school.org, high, {"name": "Renamed"})
    before = rights_in(hub.here)
    payload = canonical({"format": streams.FORMAT, "org": school.org, "epoch": 1, "after": 0, "upto": 9, "more": False, "entries": [entry, other]})
    page = {"payload": payload.decode(), "signature": stolen.sign(streams.FORMAT, payload).as_json()}
    with hub.here.database.write() as session:
        restoring.take_back(session, hub.here, session.scalars(select(Node)).one(), [page])
    assert rights_in(hub.here) == before
    with hub.here.database.read() as session:
        assert session.get_one(Person, child).name == "Renamed"  # one bad entry costs the others nothing


def rights_in(installation: Installation) -> list[Any]:
    with installation.database.read() as session:
        grants = session.execute(select(RoleGrant.uid, RoleGrant.person_uid, RoleGrant.role)).all()
        words = session.execute(select(Credential.uid, Credential.person_uid, Credential.kind, Credential.verifier)).all()
        return sorted(tuple(row) for row in (*grants, *words))


def both(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return first | {"fields": [*first["fields"], *second["fields"]]}


def entry_of(table: str, uid: str, machine: str, org: str, counter: int, fields: dict[str, Any]) -> dict[str, Any]:
    found = [FieldChange(table, uid, name, counter, machine, org, value, 0).as_json() for name, value in fields.items()]
    return {"sequence": 9, "kind": "row", "version": 1, "table": table, "uid": uid, "fields": found}


def test_a_restore_that_is_told_no_key_id_writes_nothing(
    hub: Hub, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    backup.backup(hub.here, tmp_path / "backup")
    settings = make_settings(role="hub", empty_database=True)
    with pytest.raises(BadInput):
        restore.restore(tmp_path / "backup", settings, hub.here.keys.root, revoked=["the old one"])
    assert not list(settings.data_dir.glob("keys/*.key"))
    hub.here.keys.take_root_away(tmp_path / "root.key")
    arguments = ("restore", str(tmp_path / "backup"), "--root-key", str(tmp_path / "root.key"), "--revoked")
    assert eduhub(settings, *arguments, "the old one").returncode == 1
    done = eduhub(settings, *arguments, "00112233445566aa")
    assert "Make a backup" in done.stdout, done.stderr
    assert "00112233445566aa  not known here, shut out from entry" in eduhub(settings, "keys", "list").stdout


def test_a_restore_with_stolen_keeps_no_secret_that_one_that_was_cut_has_brought_back(
    hub: Hub, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    backup.backup(hub.here, tmp_path / "backup")
    settings = make_settings(role="hub", empty_database=True)
    (settings.data_dir / "keys").mkdir(parents=True)
    keys.write_key(settings.data_dir / "keys" / "secret.key", hub.here.keys.secret)
    restore.restore(tmp_path / "backup", settings, hub.here.keys.root, is_stolen=True)
    assert (settings.data_dir / "keys" / "secret.key").read_text().strip() != hub.here.keys.secret.hex()


def test_a_box_is_told_that_it_has_no_keys_to_shut_out(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    for facts in ({"is_stolen": True}, {"revoked": ["00112233445566aa"]}):
        with pytest.raises(BadInput, match="only a hub"):
            restore.restore(tmp_path, make_settings(role="node", empty_database=True), None, **facts)
