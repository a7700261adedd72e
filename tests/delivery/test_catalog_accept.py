"""A box takes in what continues its chain and what the hub's key signed, and nothing else."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from eduhub.delivery import catalog, keys
from eduhub.delivery.chain import Entry, SignedHead, head_value
from eduhub.delivery.models import CatalogEntry, TrustedKey
from eduhub.delivery.trust import key_statement
from eduhub.errors import BadFormat, BadSignature, CatalogCutShort, RolledBack
from eduhub.signing import Signature, SigningKey, canonical
from eduhub.uids import new_uid

from .conftest import HUB, Machine


def rows(machine: Machine) -> int:
    with machine.here.database.read() as session:
        return session.scalar(select(func.count()).select_from(CatalogEntry)) or 0


def assert_untouched(node: Machine, sequence: int) -> None:
    """After a refusal: the same end, no entry behind it, no key learned from what was refused."""
    assert (node.sequence, rows(node)) == (sequence, sequence)
    with node.here.database.read() as session:
        assert session.scalar(select(func.count()).select_from(TrustedKey)) == min(1, sequence)


def forged_head(key: SigningKey, head: SignedHead, **changed: object) -> SignedHead:
    moved = replace(head, **changed)
    payload = canonical(head_value(moved.hub, moved.epoch, moved.sequence, moved.hash))
    return replace(moved, signature=key.sign("eduhub-head/1", payload))


def rewritten(entries: list[Entry], at: int, body: dict[str, object]) -> list[Entry]:
    """A chain that is whole in itself, with another body at index `at`."""
    made: list[Entry] = entries[:at]
    for entry in entries[at:]:
        value = {
            "sequence": entry.sequence, "epoch": entry.epoch, "kind": entry.kind, "version": entry.version,
            "body": body if entry.sequence == at + 1 else entry.body,
            "previous": made[-1].hash if made else entry.previous,
        }  # fmt: skip
        made.append(Entry.from_value(value))
    return made


def test_a_new_box_reads_the_whole_catalog_and_learns_the_keys_on_the_way(hub: Machine, node: Machine) -> None:
    hub.add_entries(600)
    head, entries = hub.offer()
    assert node.accept(head, entries) == 601
    with node.here.database.read() as there, hub.here.database.read() as here:
        assert catalog.head(there) == head
        for number in range(3):
            assert catalog.page(there, number) == catalog.page(here, number)
        assert keys.keyring(there).public_key(head.signature.key, scope="packages") == hub.here.keys.publishing.public


def test_entries_that_are_held_already_may_be_offered_again(hub: Machine, node: Machine) -> None:
    node.accept(*hub.offer())
    hub.add_entries(3)
    head, entries = hub.offer()
    assert node.accept(head, entries) == 3
    assert node.accept(head, entries) == 0
    assert node.accept(head, []) == 0


def test_entries_behind_the_head_are_left_for_the_next_head(hub: Machine, node: Machine) -> None:
    head, _ = hub.offer()
    hub.add_entries(5)
    _, entries = hub.offer()
    assert node.accept(head, entries) == 1
    assert_untouched(node, 1)


def test_a_source_that_never_ends_is_left_at_the_heads_sequence(hub: Machine, node: Machine) -> None:
    head, entries = hub.offer()
    read = itertools.count()

    def endless() -> Iterator[Entry]:
        yield from entries
        while next(read) < 1000:
            yield entries[-1]

    assert node.accept(head, endless()) == 1
    assert next(read) == 0


def test_fewer_entries_than_the_head_promises_change_nothing(hub: Machine, node: Machine) -> None:
    hub.add_entries(4)
    head, entries = hub.offer()
    for kept in range(5):
        with pytest.raises(CatalogCutShort):
            node.accept(head, entries[:kept])
        assert_untouched(node, 0)


def test_a_gap_or_another_order_is_refused(hub: Machine, node: Machine) -> None:
    hub.add_entries(4)
    head, entries = hub.offer()
    for wrong in (entries[:2] + entries[3:], [entries[1], entries[0], *entries[2:]], entries[1:]):
        with pytest.raises(BadFormat):
            node.accept(head, wrong)
    assert_untouched(node, 0)


def test_a_changed_entry_is_refused(hub: Machine, node: Machine) -> None:
    hub.add_entries(4)
    head, entries = hub.offer()
    changed = Entry.from_value({**_value(entries[2]), "body": {"number": 99}})
    with pytest.raises(BadFormat):
        node.accept(head, [*entries[:2], changed, *entries[3:]])
    with pytest.raises(RolledBack):  # a whole chain, but not the one that was signed
        node.accept(head, rewritten(entries, 2, {"number": 99}))
    assert_untouched(node, 0)


def _value(entry: Entry) -> dict[str, object]:
    names = ("sequence", "epoch", "kind", "version", "body", "previous")
    return {name: getattr(entry, name) for name in names}


def test_an_older_head_is_a_rollback(hub: Machine, node: Machine) -> None:
    old_head, old_entries = hub.offer()
    hub.add_entries(1)
    node.accept(*hub.offer())
    with pytest.raises(RolledBack):
        node.accept(old_head, old_entries)
    assert_untouched(node, 2)


def test_another_history_of_the_same_length_is_refused_though_it_is_signed(
    hub: Machine, make_node: Callable[[], Machine]
) -> None:
    """A hub that was copied and went on twice: a box that saw one never takes the other."""
    hub.add_entries(3)
    head, entries = hub.offer()
    node = make_node()
    node.accept(head, entries)
    other = rewritten(entries, 2, {"number": 99})
    signed = forged_head(hub.here.keys.publishing, head, hash=other[-1].hash)
    with pytest.raises(RolledBack):
        node.accept(signed, other)
    longer = forged_head(hub.here.keys.publishing, head, hash=other[-1].hash, sequence=head.sequence + 1)
    with pytest.raises(RolledBack):
        node.accept(longer, other)
    assert_untouched(node, 4)
    assert make_node().accept(signed, other) == 4  # a box that saw neither cannot tell


def test_a_head_that_another_key_signed_is_refused(hub: Machine, node: Machine) -> None:
    head, entries = hub.offer()
    stranger = SigningKey.generate()
    with pytest.raises(BadSignature):
        node.accept(forged_head(stranger, head), entries)
    assert_untouched(node, 0)
    node.accept(head, entries)
    hub.add_entries(1)
    head, entries = hub.offer()
    with pytest.raises(BadSignature):
        node.accept(forged_head(stranger, head), entries)
    bent = head.signature.value[:-1] + ("0" if head.signature.value[-1] != "0" else "1")
    with pytest.raises(BadSignature):
        node.accept(replace(head, signature=Signature(head.signature.key, bent)), entries)
    assert_untouched(node, 1)


def test_the_signature_of_one_head_does_not_serve_another(hub: Machine, node: Machine) -> None:
    node.accept(*hub.offer())
    first, _ = hub.offer()
    hub.add_entries(1)
    second, entries = hub.offer()
    with pytest.raises(BadSignature):
        node.accept(replace(second, signature=first.signature), entries)
    assert_untouched(node, 1)


def test_a_key_that_only_a_stranger_spoke_for_is_refused(hub: Machine, node: Machine) -> None:
    head, entries = hub.offer()
    stranger = SigningKey.generate()
    body = key_statement(stranger, HUB, stranger.public, scopes=keys.SCOPES, from_sequence=1)
    chain = rewritten(entries, 0, body)
    with pytest.raises(BadSignature):
        node.accept(forged_head(stranger, head, hash=chain[-1].hash), chain)
    assert_untouched(node, 0)


def test_a_catalog_of_another_hub_is_refused_even_under_the_same_root(hub: Machine, node: Machine) -> None:
    head, entries = hub.offer()
    with pytest.raises(BadSignature):
        node.accept(forged_head(hub.here.keys.publishing, head, hub=new_uid()), entries)
    assert_untouched(node, 0)


def test_a_head_of_an_epoch_that_the_root_did_not_begin_is_refused(hub: Machine, node: Machine) -> None:
    head, entries = hub.offer()
    with pytest.raises(BadFormat):
        node.accept(forged_head(hub.here.keys.publishing, head, epoch=2), entries)
    assert_untouched(node, 0)


def test_kinds_and_fields_that_are_not_known_here_are_stored_and_relayed(hub: Machine, node: Machine) -> None:
    with hub.here.database.write() as session:
        catalog.append(session, hub.here.keys, "hologram", {"depth": [1, 2, {"x": None}]}, version=7)
    head, entries = hub.offer()
    assert node.accept(head, entries) == 2
    with node.here.database.read() as session:
        (entry,) = catalog.entries_after(session, 1)
        assert (entry.kind, entry.version, entry.body) == ("hologram", 7, {"depth": [1, 2, {"x": None}]})
    assert node.offer() == (head, entries)


def test_an_entry_may_have_fields_that_a_later_hub_added(hub: Machine, node: Machine) -> None:
    head, entries = hub.offer()
    first = entries[0]
    later = Entry.from_value({**_value(first), "colour": "red"})
    assert node.accept(forged_head(hub.here.keys.publishing, head, hash=later.hash), [later]) == 1
    with node.here.database.read() as session:
        assert b'"colour":"red"' in catalog.page(session, 0)


def test_pages_are_closed_at_256_entries_and_never_change_then(hub: Machine) -> None:
    hub.add_entries(254)
    with hub.here.database.read() as session:
        assert not catalog.is_closed(session, 0)
    hub.add_entries(1)
    with hub.here.database.read() as session:
        assert catalog.is_closed(session, 0)
        closed = catalog.page(session, 0)
    hub.add_entries(2)
    with hub.here.database.read() as session:
        assert catalog.page(session, 0) == closed
        assert [entry.sequence for entry in catalog.read_page(catalog.page(session, 1), 1)] == [257, 258]


@pytest.mark.parametrize("number", [0, 1])
def test_a_page_in_another_place_is_refused(hub: Machine, number: int) -> None:
    hub.add_entries(300)
    with hub.here.database.read() as session:
        payload = catalog.page(session, number)
    with pytest.raises(BadFormat):
        catalog.read_page(payload, 1 - number)
    for wrong in (payload[:-1], payload + b" ", b"[]", payload.replace(b'"number":', b'"number" :')):
        with pytest.raises(BadFormat):
            catalog.read_page(wrong, number)


def test_a_hub_does_not_sign_with_a_key_that_nobody_trusts(hub: Machine) -> None:
    (hub.here.keys.folder / "publishing.key").unlink()
    hub.here.keys.make_publishing()
    with pytest.raises(BadSignature):
        hub.add_entries(1)
    assert hub.sequence == 1
