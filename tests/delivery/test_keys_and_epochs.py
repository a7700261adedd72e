"""Rotation, revocation and new epochs: decided by sequences, and by the root key alone."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from eduhub.delivery import catalog, keys, package
from eduhub.delivery.models import CatalogEntry, CatalogState, PackageRow
from eduhub.delivery.trust import key_statement, revoke_statement, signed_statement
from eduhub.errors import AlreadyJoined, BadFormat, BadInput, BadSignature, KeyMissing, RolledBack
from eduhub.installation import Installation
from eduhub.signing import SigningKey
from eduhub.uids import new_uid

from .conftest import HUB, Machine, lesson_manifest, next_revision


def rotate(hub: Machine, root: SigningKey | None = None) -> SigningKey:
    with hub.here.database.write() as session:
        following = keys.rotate(session, hub.here.keys, root or hub.here.keys.root)
    hub.here.keys.adopt_next_publishing()
    return following


def ring_of(machine: Machine) -> keys.Keyring:
    with machine.here.database.read() as session:
        return keys.keyring(session)


def test_making_hub_keys_twice_changes_nothing(hub: Machine) -> None:
    before = (hub.here.keys.root.id, hub.here.keys.publishing.id, hub.sequence)
    with hub.here.database.write() as session:
        assert keys.make_hub_keys(session, hub.here.keys).hub_uid == HUB
    assert (hub.here.keys.root.id, hub.here.keys.publishing.id, hub.sequence) == before


def test_a_pinned_root_is_never_replaced(node: Machine) -> None:
    with node.here.database.write() as session, pytest.raises(AlreadyJoined):
        keys.pin_root(session, SigningKey.generate().public, HUB)


def test_before_a_root_is_pinned_nothing_is_trusted(make_installation: Callable[..., Installation]) -> None:
    here = make_installation()
    with here.database.read() as session, pytest.raises(KeyMissing):
        keys.keyring(session)


def test_a_hub_goes_on_publishing_when_its_root_key_is_in_a_drawer(hub: Machine, tmp_path: Path) -> None:
    hub.here.keys.take_root_away(tmp_path / "drawer.key")
    hub.add_entries(2)
    rotate(hub, keys.read_key(tmp_path / "drawer.key"))
    hub.add_entries(2)
    assert hub.sequence == 6


def test_a_rotation_that_crashed_half_way_is_finished_by_the_next_one(hub: Machine) -> None:
    old = hub.here.keys.publishing.id
    with hub.here.database.write() as session:
        following = keys.rotate(session, hub.here.keys, hub.here.keys.root)
    assert hub.here.keys.publishing.id == old  # the commit came, the crash came, the adoption did not
    hub.add_entries(1)
    assert rotate(hub).id == following.id
    assert hub.here.keys.publishing.id == following.id
    hub.add_entries(1)
    assert hub.sequence == 4


def test_a_revoked_key_still_verifies_what_it_signed_before_and_nothing_after(hub: Machine, node: Machine) -> None:
    old = hub.here.keys.publishing
    row = hub.publish(lesson_manifest())
    published_at = hub.sequence
    new = rotate(hub)
    with hub.here.database.write() as session:
        entry = keys.revoke(session, hub.here.keys, hub.here.keys.root, old.id)
    node.accept(*hub.offer())
    for machine in (hub, node):
        ring, signature = ring_of(machine), package.Signature.from_json(row.signature)
        package.verify(row.manifest, signature, ring, sequence=published_at)
        package.verify(row.manifest, signature, ring, sequence=entry.sequence - 1)
        for sequence in (entry.sequence, entry.sequence + 1, None):
            with pytest.raises(BadSignature):
                package.verify(row.manifest, signature, ring, sequence=sequence)
        assert ring.public_key(new.id, scope="catalog") == new.public


def test_a_key_holds_from_the_sequence_that_the_root_said(hub: Machine) -> None:
    hub.add_entries(3)
    new = rotate(hub)
    ring = ring_of(hub)
    assert ring.public_key(new.id, scope="catalog", sequence=5) == new.public
    with pytest.raises(BadSignature):
        ring.public_key(new.id, scope="catalog", sequence=4)


def test_a_head_that_a_revoked_key_signed_is_refused(hub: Machine, node: Machine) -> None:
    old = hub.here.keys.publishing
    rotate(hub)
    with hub.here.database.write() as session:
        keys.revoke(session, hub.here.keys, hub.here.keys.root, old.id)
    hub.add_entries(1)
    head, entries = hub.offer()
    signed_by_thief = catalog.SignedHead(
        head.hub, head.epoch, head.sequence, head.hash, old.sign("eduhub-head/1", head.payload)
    )  # fmt: skip
    with pytest.raises(BadSignature):
        node.accept(signed_by_thief, entries)
    assert node.sequence == 0
    node.accept(head, entries)


def test_the_key_that_publishes_cannot_be_revoked_before_a_rotation(hub: Machine) -> None:
    with hub.here.database.write() as session, pytest.raises(BadInput):
        keys.revoke(session, hub.here.keys, hub.here.keys.root, hub.here.keys.publishing.id)


def test_nothing_brings_a_revoked_key_back(hub: Machine, node: Machine) -> None:
    old = hub.here.keys.publishing
    rotate(hub)
    with hub.here.database.write() as session:
        revoked = keys.revoke(session, hub.here.keys, hub.here.keys.root, old.id)
        keys.state_key(session, hub.here.keys, hub.here.keys.root, old.public)
        keys.revoke(session, hub.here.keys, hub.here.keys.root, old.id)
    node.accept(*hub.offer())
    for machine in (hub, node):
        assert ring_of(machine).keys[old.id].revoked_at_sequence == revoked.sequence
        with pytest.raises(BadSignature):
            ring_of(machine).public_key(old.id, scope="catalog", sequence=machine.sequence)


def test_a_key_is_good_for_its_scopes_only(hub: Machine, node: Machine) -> None:
    helper = SigningKey.generate()
    with hub.here.database.write() as session:
        keys.state_key(session, hub.here.keys, hub.here.keys.root, helper.public, scopes=("nodes", "holograms"))
    node.accept(*hub.offer())
    assert ring_of(node).public_key(helper.id, scope="nodes", sequence=2) == helper.public
    for scope in ("packages", "catalog", "stream"):
        with pytest.raises(BadSignature):
            ring_of(node).public_key(helper.id, scope=scope, sequence=2)
    manifest = lesson_manifest().to_bytes()
    with pytest.raises(BadSignature):
        package.verify(manifest, package.sign(manifest, helper), ring_of(node))


@pytest.mark.parametrize(
    "forge",
    [
        lambda root, key: key_statement(SigningKey.generate(), HUB, key, scopes=("catalog",), from_sequence=1),
        lambda root, key: key_statement(root, new_uid(), key, scopes=("catalog",), from_sequence=1),
        lambda root, key: {**key_statement(root, HUB, key, scopes=("catalog",), from_sequence=1), "statement": {}},
        lambda root, key: revoke_statement(root, HUB, "0" * 16),
        lambda root, key: signed_statement(
            root, "eduhub-epoch/1", {"hub": HUB, "key": key.hex(), "scopes": [], "from_sequence": 1}
        ),
        lambda root, key: key_statement(root, HUB, key[:31], scopes=("catalog",), from_sequence=1),
        lambda root, key: key_statement(root, HUB, key, scopes=("catalog",), from_sequence=-1),
        lambda root, key: None,
    ],
)
def test_a_statement_that_the_root_did_not_make_for_this_hub_is_refused(
    hub: Machine, forge: Callable[..., object]
) -> None:
    body = forge(hub.here.keys.root, SigningKey.generate().public)
    with pytest.raises((BadSignature, BadFormat)):
        ring_of(hub).with_entry("key", body, 2)


# --- epochs -------------------------------------------------------------------------


def forget_after(hub: Machine, sequence: int) -> None:
    """The hub is lost and restored from a backup that ended at `sequence`."""
    with hub.here.database.write() as session:
        hash_ = session.get_one(CatalogEntry, sequence).hash
        session.execute(delete(CatalogEntry).where(CatalogEntry.sequence > sequence))
        session.execute(update(CatalogState).values(sequence=sequence, hash=hash_, head=None))


def begin_epoch(hub: Machine, **facts: int) -> dict[str, Any]:
    with hub.here.database.write() as session:
        return catalog.begin_epoch(session, hub.here.keys, hub.here.keys.root, **facts)


def follow(machine: Machine, statement: object) -> None:
    with machine.here.database.write() as session:
        catalog.start_epoch(session, keys.keyring(session), statement)


def same_catalog(one: Machine, other: Machine) -> bool:
    return one.offer() == other.offer()


def test_after_a_restore_boxes_drop_what_the_hub_lost_and_go_on(hub: Machine, make_node: Callable[[], Machine]) -> None:
    hub.add_entries(9)
    ahead, behind = make_node(), make_node()
    behind.accept(*hub.offer())
    hub.add_entries(5)
    ahead.accept(*hub.offer())
    forget_after(hub, 12)
    statement = begin_epoch(hub)
    hub.add_entries(3)
    new = make_node()
    for node in (ahead, behind, new):
        with pytest.raises((RolledBack, BadFormat)):
            node.accept(*hub.offer())
        follow(node, statement)
        node.accept(*hub.offer())
        assert same_catalog(node, hub)
        assert node.sequence == 15


def test_packages_that_were_held_stay_readable_in_a_new_epoch(hub: Machine, node: Machine) -> None:
    node.accept(*hub.offer())
    row = hub.publish(lesson_manifest())
    forget_after(hub, 1)
    follow(hub, begin_epoch_statement(hub))
    with hub.here.database.read() as session:
        assert session.get_one(PackageRow, row.id).floor_held
        assert session.get_one(CatalogState, 1).sequence == 1


def begin_epoch_statement(hub: Machine) -> dict[str, Any]:
    with hub.here.database.read() as session:
        return epoch_statement(session, hub.here.keys.root)


def epoch_statement(session: Session, root: SigningKey) -> dict[str, Any]:
    """As `catalog.begin_epoch` writes it, for a hub that has not acted on it yet."""
    now = catalog.state(session)
    facts = {"hub": HUB, "epoch": now.epoch + 1, "sequence": now.sequence, "hash": now.hash}
    return signed_statement(root, "eduhub-epoch/1", facts)


def test_an_epoch_that_the_root_did_not_sign_is_refused(hub: Machine, node: Machine) -> None:
    hub.add_entries(3)
    node.accept(*hub.offer())
    statement = begin_epoch_statement(hub)
    facts = dict(statement["statement"])
    forged = signed_statement(hub.here.keys.publishing, "eduhub-epoch/1", facts)
    other_hub = signed_statement(hub.here.keys.root, "eduhub-epoch/1", {**facts, "hub": new_uid()})
    bent = {**statement, "statement": {**facts, "sequence": 1}}
    for wrong in (forged, other_hub, bent, None, {}, []):
        with pytest.raises((BadSignature, BadFormat)):
            follow(node, wrong)
    assert node.sequence == 4


def test_an_epoch_that_is_not_greater_is_a_rollback(hub: Machine, node: Machine) -> None:
    node.accept(*hub.offer())
    statement = begin_epoch(hub)
    follow(node, statement)
    with pytest.raises(RolledBack):
        follow(node, statement)
    head, entries = hub.offer()
    old = catalog.SignedHead(head.hub, 1, head.sequence + 9, head.hash, head.signature)
    with pytest.raises(RolledBack):
        node.accept(old, entries)


def test_a_box_that_missed_an_epoch_reads_the_catalog_again(hub: Machine, make_node: Callable[[], Machine]) -> None:
    hub.add_entries(10)
    missed = make_node()
    missed.accept(*hub.offer())
    forget_after(hub, 5)
    begin_epoch(hub)  # epoch 2, which the box never hears of
    hub.add_entries(10)
    forget_after(hub, 9)
    statement = begin_epoch(hub)  # epoch 3: at sequence 9 the box holds an entry of epoch 1
    hub.add_entries(1)
    follow(missed, statement)
    assert missed.sequence == 0
    missed.accept(*hub.offer())
    assert same_catalog(missed, hub)


def test_a_hub_that_is_restored_twice_from_one_backup_counts_on_from_what_its_boxes_saw(hub: Machine) -> None:
    hub.add_entries(2)
    assert begin_epoch(hub, after_epoch=6)["statement"]["epoch"] == 7


def test_a_key_that_was_revoked_after_the_backup_signs_nothing_in_the_new_epoch(
    hub: Machine, node: Machine, tmp_path: Path
) -> None:
    stolen = hub.here.keys.publishing
    hub.add_entries(4)
    shutil.copytree(hub.here.keys.folder, tmp_path / "backup")
    new = rotate(hub)
    hub.add_entries(5)
    with hub.here.database.write() as session:
        keys.revoke(session, hub.here.keys, hub.here.keys.root, stolen.id)
    node.accept(*hub.offer())
    assert ring_of(node).keys[stolen.id].revoked_at_sequence == 12
    forget_after(hub, 7)  # the backup knows the rotation, not the revocation
    statement = begin_epoch(hub)
    follow(node, statement)
    assert ring_of(node).keys[stolen.id].revoked_at_sequence == 8
    with pytest.raises(BadSignature):
        ring_of(node).public_key(stolen.id, scope="packages", sequence=8)
    hub.add_entries(1)
    node.accept(*hub.offer())
    assert ring_of(node).public_key(new.id, scope="packages", sequence=8) == new.public


def test_a_hub_can_revoke_a_key_that_its_backup_does_not_know(hub: Machine, node: Machine) -> None:
    lost = rotate(hub)
    node.accept(*hub.offer())
    with hub.here.database.write() as session:
        session.execute(delete(keys.TrustedKey).where(keys.TrustedKey.id == lost.id))
    (hub.here.keys.folder / "publishing.key").unlink()
    forget_after(hub, 1)
    fresh = hub.here.keys.make_publishing()
    with hub.here.database.write() as session:
        ring = keys.keyring(session)
        catalog.start_epoch(session, ring, epoch_statement(session, hub.here.keys.root))
        keys.state_key(session, hub.here.keys, hub.here.keys.root, fresh.public)
        keys.revoke(session, hub.here.keys, hub.here.keys.root, lost.id)
        statement = catalog.state(session).epoch_statement
    follow(node, statement)
    node.accept(*hub.offer())
    for sequence in (3, None):  # the revocation is entry 3
        with pytest.raises(BadSignature):
            ring_of(node).public_key(lost.id, scope="catalog", sequence=sequence)
    assert same_catalog(node, hub)


def test_a_manifest_of_a_later_revision_is_signed_by_the_new_key(hub: Machine) -> None:
    first = lesson_manifest()
    hub.publish(first)
    new = rotate(hub)
    assert hub.publish(next_revision(first)).signature["key"] == new.id
