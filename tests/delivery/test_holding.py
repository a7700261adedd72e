"""Parts show up one by one, a lesson when its floor is here, and an old revision goes when nobody can be reading it."""

import os
from collections.abc import Callable

import pytest
from sqlalchemy import select

from eduhub.delivery import holding, movements, package
from eduhub.delivery.models import BlobRow, PackageRow, PartRow
from eduhub.delivery.package import Manifest
from eduhub.errors import BadSignature, BlobMissing, HashMismatch, NotFound
from eduhub.signing import SigningKey, sha256_hex
from eduhub.uids import new_uid

from .conftest import LESSON, NOTES, STILLS, VIDEO, VOICE, Machine, lesson_manifest, next_revision, part, pieces_of


@pytest.fixture
def box(hub: Machine, node: Machine) -> Callable[[Manifest], str]:
    """Holds a manifest on the node, signed by the hub; returns the package's id."""
    node.accept(*hub.offer())

    def hold(manifest: Manifest) -> str:
        payload = manifest.to_bytes()
        with node.here.database.write() as session:
            signature = package.sign(payload, hub.here.keys.publishing)
            return holding.hold(session, node.here.blobs, payload, signature).id

    return hold


def arrive(node: Machine, package_id: str, *payloads: bytes) -> None:
    for payload in payloads:
        blob = node.here.blobs.put_bytes(payload)
        with node.here.database.write() as session:
            holding.part_arrived(session, node.here.blobs, package_id, blob.sha256)


def shown(node: Machine, lesson: str = LESSON) -> str | None:
    with node.here.database.read() as session:
        row = holding.current(session, lesson)
        return row.id if row else None


def linked(node: Machine, package_id: str) -> set[str]:
    folder = node.here.packages_dir / package_id
    return {file.name for file in folder.iterdir()} if folder.exists() else set()


def clear_away(node: Machine, now_steady_s: float) -> list[str]:
    return holding.clear_away(node.here.database, node.here.blobs, now_steady_s=now_steady_s, pass_hours=12)


def test_a_lesson_is_shown_when_its_floor_is_here_and_not_before(node: Machine, box: Callable[[Manifest], str]) -> None:
    package_id = box(lesson_manifest())
    assert shown(node) is None
    assert linked(node, package_id) == {package_id}
    arrive(node, package_id, VIDEO, NOTES, VOICE)
    assert shown(node) is None
    arrive(node, package_id, STILLS)
    assert shown(node) == package_id
    assert linked(node, package_id) == {package_id, *(sha256_hex(payload) for payload in (VIDEO, NOTES, VOICE, STILLS))}


def test_a_part_is_one_file_under_two_names(node: Machine, box: Callable[[Manifest], str]) -> None:
    package_id = box(lesson_manifest())
    arrive(node, package_id, VOICE)
    name = sha256_hex(VOICE)
    assert os.path.samefile(node.here.blobs.path(name), node.here.packages_dir / package_id / name)
    with node.here.database.read() as session:
        assert session.get_one(BlobRow, name).bytes == len(VOICE)
        assert session.get_one(PartRow, (package_id, name)).held


def test_piece_lists_are_parts_too(node: Machine, box: Callable[[Manifest], str]) -> None:
    package_id = box(lesson_manifest())
    with node.here.database.read() as session:
        row = session.get_one(PartRow, (package_id, sha256_hex(pieces_of(VIDEO))))
        assert (row.kind, row.bytes, row.is_floor, row.wanted, row.held) == ("pieces", 96, False, True, False)


def test_holding_and_arriving_twice_change_nothing(node: Machine, box: Callable[[Manifest], str]) -> None:
    package_id = box(lesson_manifest())
    arrive(node, package_id, VOICE, STILLS, VOICE)
    assert box(lesson_manifest()) == package_id
    arrive(node, package_id, STILLS)
    assert shown(node) == package_id


def test_a_part_that_is_not_in_the_package_or_not_here_is_refused(node: Machine, box: Callable[[Manifest], str]) -> None:
    package_id = box(lesson_manifest())
    with node.here.database.write() as session:
        with pytest.raises(NotFound):
            holding.part_arrived(session, node.here.blobs, package_id, sha256_hex(b"of another package"))
        with pytest.raises(NotFound):
            holding.part_arrived(session, node.here.blobs, "0" * 64, sha256_hex(VOICE))
        with pytest.raises(BlobMissing):
            holding.part_arrived(session, node.here.blobs, package_id, sha256_hex(VOICE))
    assert linked(node, package_id) == {package_id}


def test_a_part_with_another_size_than_the_manifest_says_is_refused(
    node: Machine, box: Callable[[Manifest], str]
) -> None:
    lying = part("aac", VOICE, floor=True)
    package_id = box(lesson_manifest(parts=(type(lying)(**{**vars(lying), "bytes": 7}),)))
    with pytest.raises(HashMismatch):
        arrive(node, package_id, VOICE)
    assert linked(node, package_id) == {package_id}


def test_a_package_that_was_not_signed_for_this_hub_by_a_trusted_key_is_not_held(hub: Machine, node: Machine) -> None:
    node.accept(*hub.offer())
    payload, foreign = lesson_manifest().to_bytes(), lesson_manifest(hub=new_uid()).to_bytes()
    stranger = SigningKey.generate()
    for bytes_, key in ((payload, stranger), (payload, hub.here.keys.root), (foreign, hub.here.keys.publishing)):
        with node.here.database.write() as session, pytest.raises(BadSignature):
            holding.hold(session, node.here.blobs, bytes_, package.sign(bytes_, key))
    with node.here.database.read() as session:
        assert session.scalars(select(PackageRow)).all() == []
    assert not node.here.blobs.has(sha256_hex(payload))


def test_mixing_one_manifest_with_the_signature_of_another_is_refused(hub: Machine, node: Machine) -> None:
    node.accept(*hub.offer())
    one, other = lesson_manifest().to_bytes(), next_revision(lesson_manifest()).to_bytes()
    signature = package.sign(one, hub.here.keys.publishing)
    with node.here.database.write() as session, pytest.raises(BadSignature):
        holding.hold(session, node.here.blobs, other, signature)


def test_a_new_revision_reveals_at_once_what_it_shares_with_the_old(
    node: Machine, box: Callable[[Manifest], str]
) -> None:
    first = lesson_manifest()
    arrive(node, box(first), VOICE, STILLS)
    captions = part("zh.vtt", b"WEBVTT", kind="captions", type="text/vtt")
    second = box(next_revision(first, parts=(*first.parts, captions)))
    assert shown(node) != second
    with node.here.database.write() as session:
        assert holding.reveal_present(session, node.here.blobs, second) == 2
        assert holding.reveal_present(session, node.here.blobs, second) == 0
    assert shown(node) == second


def test_an_old_revision_is_readable_until_the_new_floor_is_here_and_every_pass_has_ended(
    node: Machine, box: Callable[[Manifest], str]
) -> None:
    first = lesson_manifest()
    old = box(first)
    arrive(node, old, VOICE, STILLS, VIDEO)
    new = box(next_revision(first, parts=(part("opus", b"new voice", floor=True),)))
    assert clear_away(node, 1000) == []
    assert clear_away(node, 10**7) == []  # the successor is not here: nothing ever ends it
    assert shown(node) == old
    arrive(node, new, b"new voice")
    assert shown(node) == new
    assert clear_away(node, 10**7 + 5) == []  # passes made a moment ago are alive
    assert clear_away(node, 10**7 + 5 + 12 * 3600 - 1) == []
    assert sha256_hex(VOICE) in linked(node, old)
    assert clear_away(node, 10**7 + 5 + 12 * 3600) == [old]
    assert linked(node, old) == set()
    assert shown(node) == new
    with node.here.database.read() as session:
        assert {sha256_hex(VIDEO), sha256_hex(VOICE), old} & holding.in_use(session) == set()
        assert {sha256_hex(b"new voice"), new} <= holding.in_use(session)


def test_parts_that_the_new_revision_shares_stay_when_the_old_one_goes(
    node: Machine, box: Callable[[Manifest], str]
) -> None:
    first = lesson_manifest()
    old = box(first)
    arrive(node, old, VOICE, STILLS, VIDEO)
    new = box(next_revision(first, parts=first.parts[:2]))
    with node.here.database.write() as session:
        holding.reveal_present(session, node.here.blobs, new)
    clear_away(node, 0)
    assert clear_away(node, 12 * 3600) == [old]
    assert shown(node) == new
    assert linked(node, new) == {new, sha256_hex(VOICE), sha256_hex(STILLS)}
    with node.here.database.read() as session:
        used = holding.in_use(session)
    assert used & {sha256_hex(payload) for payload in (VOICE, STILLS, VIDEO)} == {sha256_hex(VOICE), sha256_hex(STILLS)}


def test_a_crash_between_the_rows_and_the_files_is_made_good_by_the_next_call(
    node: Machine, box: Callable[[Manifest], str]
) -> None:
    package_id = box(lesson_manifest())
    arrive(node, package_id, VOICE, STILLS)
    with node.here.database.write() as session:
        holding.withdraw(session, package_id)
        assert holding.retire(session, now_steady_s=0, pass_hours=12) == [package_id]
    assert linked(node, package_id)  # the crash
    assert clear_away(node, 0) == [package_id]
    assert linked(node, package_id) == set()
    with node.here.database.read() as session:
        before = movements.count(session)
    assert clear_away(node, 0) == [package_id]
    with node.here.database.read() as session:
        assert movements.count(session) == before, "what went long ago is written again, and every page is made anew"


def test_a_withdrawn_lesson_is_hidden_at_once_and_not_revealed_by_parts_that_still_arrive(
    node: Machine, box: Callable[[Manifest], str]
) -> None:
    package_id = box(lesson_manifest())
    arrive(node, package_id, VOICE, STILLS)
    with node.here.database.write() as session:
        holding.withdraw(session, package_id)
        holding.withdraw(session, "0" * 64)
    assert shown(node) is None
    clear_away(node, 0)
    arrive(node, package_id, VIDEO)
    assert shown(node) is None
    assert linked(node, package_id) == set()


def test_revisions_that_come_in_another_order_supersede_each_other_all_the_same(
    node: Machine, box: Callable[[Manifest], str]
) -> None:
    first = lesson_manifest()
    second = next_revision(first)
    third = next_revision(second)
    ids = {3: box(third), 1: box(first), 2: box(second)}
    with node.here.database.read() as session:
        found = {row.revision: row.superseded_by for row in session.scalars(select(PackageRow))}
    assert found == {1: ids[2], 2: ids[3], 3: None}
