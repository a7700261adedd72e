"""A box fetches what its classes take, floors first, and goes on at the byte after any cut."""

import errno
import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from eduhub.courses.models import Lesson
from eduhub.delivery import catalog, holding
from eduhub.delivery.models import BlobRow, PackageRow, PartRow
from eduhub.delivery.package import PIECE_BYTES
from eduhub.errors import BadFormat, LinkDown
from eduhub.installation import Installation
from eduhub.learning.models import Event
from eduhub.sync.fetching import partial, wanted
from eduhub.sync.fetching.partial import GRAIN_BYTES
from eduhub.sync.fetching.transfer import Transfer
from eduhub.sync.models import NoRoom, OutboxRow
from tests.sync.world import Hub, noise, piece_hashes


def held(box: Installation, package_id: str) -> set[str]:
    with box.database.read() as session:
        return set(session.scalars(select(PartRow.kind).where(PartRow.package_id == package_id, PartRow.held)))


def large_parts() -> dict[str, bytes]:
    """A lesson whose sound and picture have several pieces, the last one short."""
    return {"index": noise("index", 700), "aac": noise("aac", 3 * PIECE_BYTES + 77), "v240": noise("v", 5 * PIECE_BYTES + 1)}


def part_bytes(hub: Hub, package_id: str) -> dict[str, bytes]:
    with hub.here.database.read() as session:
        names = session.scalars(select(PartRow.sha256).where(PartRow.package_id == package_id)).all()
    return {name: hub.here.blobs.path(name).read_bytes() for name in names}


def test_a_lesson_of_a_taken_course_arrives_whole_and_is_reported(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)), parts=large_parts())
    hub.join(box, school)
    report = hub.sync(box)
    assert held(box, package) == {"index", "audio", "video", "pieces"}
    assert report.fetched.parts == 5
    for name, payload in part_bytes(hub, package).items():
        assert (box.packages_dir / package / name).read_bytes() == payload
    with box.database.read() as session:
        assert session.get_one(PackageRow, package).floor_held
    with hub.here.database.read() as session:
        assert session.scalars(select(Event.kind)).all() == ["arrived"]


def test_connections_for_lessons_are_opened_only_where_something_is_missing_that_has_room(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(Transfer, "open_ahead", lambda _self: opened.append("ahead"))
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    hub.lesson(course, parts=large_parts())
    hub.join(box, school)
    hub.sync(box)
    assert len(opened) == 1
    hub.sync(box)  # everything is here
    assert len(opened) == 1
    hub.lesson(course, position=1)
    with hub.here.database.read() as session, box.database.write() as at_box:
        later = session.scalars(select(Lesson.uid).where(Lesson.position == 1)).one()
        at_box.add(NoRoom(lesson_uid=later, bytes=1, noted_ms=0))
    hub.sync(box)
    assert len(opened) == 1


def test_only_taken_planned_and_open_courses_are_fetched(hub: Hub, box: Installation) -> None:
    school, other = hub.school("Shuanghu"), hub.school("Nyima")
    taken = hub.lesson(hub.course(hub.region, groups=(school,)))
    for_everybody = hub.lesson(hub.course(hub.region, audience="open"))
    hub.lesson(hub.course(hub.region, groups=(other,)))
    hub.join(box, school)
    hub.sync(box)
    with box.database.read() as session:
        assert set(session.scalars(select(PackageRow.id))) == {taken, for_everybody}


def test_a_box_gets_no_pass_for_what_its_school_may_not_have(hub: Hub, box: Installation) -> None:
    school, other = hub.school("Shuanghu"), hub.school("Nyima")
    secret = hub.lesson(hub.course(other.org, audience="own", groups=(other,)))
    hub.join(box, school)
    hub.sync(box)
    with hub.here.database.read() as session:
        from eduhub.sync import passes
        from eduhub.sync.models import Node

        node = session.scalars(select(Node)).one()
        assert passes.for_node(session, hub.here, node, [secret, "0" * 64])["passes"] == {}


def test_every_floor_comes_before_any_better_part(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    packages = [hub.lesson(course, position=number) for number in range(3)]
    hub.join(box, school)
    hub.sync(box)
    with hub.here.database.read() as session:
        floor = {row.sha256: row.is_floor for row in session.scalars(select(PartRow))}
    order = [path.split("/")[-1] for _method, path, _range in hub.wire.requests if path.startswith("/p/")]
    assert set(order[:3]) == set(packages)  # the manifests
    assert [floor[name] for name in dict.fromkeys(order[3:])] == [True] * 12 + [False] * 3


def test_codecs_that_old_phones_cannot_play_stay_at_the_hub(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    parts = {"index": noise("i", 500), "aac": noise("a", 900), "opus": noise("o", 700), "v240": noise("v", 900)}
    package = hub.lesson(hub.course(hub.region, groups=(school,)), parts=parts)
    hub.join(box, school)
    hub.sync(box)
    hub.wire.requests.clear()
    with box.database.read() as session:
        unheld = session.scalars(select(PartRow.bytes).where(PartRow.package_id == package, PartRow.held.is_(False)))
        # The floor is every sound track that is marked as floor; opus beside aac is not.
        assert unheld.all() == [700]
    hub.sync(box)
    assert not [path for _method, path, _range in hub.wire.requests if path.startswith("/p/")]


@pytest.mark.parametrize("seed", range(12))
def test_a_cut_at_any_byte_costs_no_byte_that_arrived(hub: Hub, box: Installation, seed: int) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)), parts=large_parts())
    hub.join(box, school)
    cut = int.from_bytes(noise(f"cut {seed}", 3)) % 260_000 + 20_000
    for _round in range(60):
        hub.wire.cut_after = cut
        try:
            hub.sync(box)
        except LinkDown:
            continue
        break
    hub.wire.cut_after = None
    hub.sync(box)
    for name, payload in part_bytes(hub, package).items():
        assert (box.packages_dir / package / name).read_bytes() == payload
        delivered = hub.wire.delivered[f"/p/{package}/{name}"]
        # A manifest is read whole; of every other blob each byte came once.
        assert delivered == len(payload)


def test_only_the_piece_that_came_wrong_is_fetched_again(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)), parts=large_parts())
    name = next(name for name, payload in part_bytes(hub, package).items() if len(payload) == 5 * PIECE_BYTES + 1)
    hub.join(box, school)
    spoiled: set[int] = set()

    def spoil(path: str, at: int, piece: bytes) -> bytes:
        if path.endswith(name) and at == 2 * PIECE_BYTES and at not in spoiled:
            spoiled.add(at)
            return b"\0" * len(piece)
        return piece

    hub.wire.spoil = spoil
    report = hub.sync(box)
    assert report.fetched.bad_pieces == 1
    asked = Counter[int]()
    for _method, path, span in hub.wire.requests:
        if path.endswith(name):
            first, last = (int(number) for number in span.removeprefix("bytes=").split("-"))
            asked.update(number // GRAIN_BYTES for number in range(first, last + 1, GRAIN_BYTES))
    assert {grain for grain, count in asked.items() if count > 1} == {8, 9, 10, 11}  # those of the third piece
    assert set(asked.values()) == {1, 2}
    assert (box.packages_dir / package / name).read_bytes() == part_bytes(hub, package)[name]


def test_a_blob_that_always_comes_wrong_is_given_up_for_this_round_and_shown_to_nobody(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)), parts=large_parts())
    audio = next(name for name, payload in part_bytes(hub, package).items() if len(payload) == 3 * PIECE_BYTES + 77)
    hub.wire.spoil = lambda path, _at, piece: b"\1" * len(piece) if path.endswith(audio) else piece
    hub.join(box, school)
    hub.sync(box)
    assert held(box, package) == {"index", "video", "pieces"}
    with box.database.read() as session:
        assert not session.get_one(PackageRow, package).floor_held
    hub.wire.spoil = None
    hub.sync(box)
    assert "audio" in held(box, package)


def test_a_manifest_signed_by_nobody_we_trust_is_not_taken_in(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.wire.spoil = lambda path, _at, piece: piece.replace(b'"v240"', b'"v999"') if path.endswith(package) else piece
    hub.join(box, school)
    hub.sync(box)
    with box.database.read() as session:
        assert session.get(PackageRow, package) is None


def test_a_manifest_that_was_refused_is_not_fetched_again_but_judged_anew(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    package = hub.lesson(course)
    hub.join(box, school)
    with monkeypatch.context() as older:
        older.setattr(holding, "hold", refuse)
        hub.sync(box)
        assert hub.wire.delivered[f"/p/{package}/{package}"] > 0
        hub.wire.delivered.clear()
        hub.sync(box)
        assert f"/p/{package}/{package}" not in hub.wire.delivered
    other = hub.lesson(course, position=1)
    hub.sync(box)
    assert f"/p/{package}/{package}" not in hub.wire.delivered
    assert "audio" in held(box, package)
    assert "audio" in held(box, other)
    assert list((box.settings.data_dir / "work").glob("*.refused*")) == []


def refuse(*_arguments: object, **_named: object) -> None:
    """What a program does that cannot read a manifest."""
    raise BadFormat("of a later kind")


def test_a_lesson_that_was_taken_back_is_shown_no_more(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.join(box, school)
    hub.sync(box)
    with hub.here.database.write() as session:
        lesson = session.scalars(select(Lesson)).one()
        lesson.state = "withdrawn"
        holding.withdraw(session, package)
        catalog.append(session, hub.here.keys, "withdraw", {"lesson": lesson.uid, "package": package, "revision": 1})
    hub.sync(box)
    with box.database.read() as session:
        assert session.get_one(PackageRow, package).withdrawn
    assert not (box.packages_dir / package).exists()


def test_a_full_disk_is_reported_and_loses_nothing(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)), parts=large_parts())
    hub.join(box, school)
    written = 0

    def full_after(file: int, payload: bytes, at: int) -> int:
        nonlocal written
        if written + len(payload) > 200_000:
            raise OSError(errno.ENOSPC, "no space left on device")
        written += len(payload)
        return os.pwrite(file, payload, at)

    with monkeypatch.context() as patch:
        patch.setattr(partial, "pwrite", full_after)
        assert hub.sync(box).fetched.disk_full
    with hub.here.database.read() as session:
        assert "no_disk" in session.scalars(select(Event.kind)).all()
    kept = sum(path.stat().st_size for path in (box.settings.data_dir / "work").glob("*.part"))
    assert kept > 100_000
    hub.sync(box)
    assert "video" in held(box, package)


def test_one_round_at_a_time(hub: Hub, box: Installation) -> None:
    import fcntl

    hub.join(box, hub.school("Shuanghu"))
    with (box.settings.data_dir / "run" / "sync.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not hub.sync(box).ran
    assert hub.sync(box).ran


def test_outside_the_window_lessons_wait_and_the_roster_does_not(
    hub: Hub, make_installation: Callable[..., Installation]
) -> None:
    box = make_installation(role="node", sync_window="22:00-23:00")
    school = hub.school("Shuanghu", children=1)
    hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.join(box, school)
    report = hub.sync(box)
    assert not report.in_window
    assert report.stream_entries > 0
    with box.database.read() as session:
        assert session.scalars(select(BlobRow.sha256)).all() == []


# --- one file, any cuts and any flipped bytes ----------------------------------------


class Line:
    """Brings pieces of a blob in some order, spoils some once, and ends after given numbers of bytes."""

    def __init__(self, payload: bytes, spoiled: set[int], order: random.Random) -> None:
        self.payload, self.spoiled, self.order, self.sent = payload, spoiled, order, 0

    def bring(self, part: partial.PartFile, room: int | None) -> None:
        """All that is missing, or as much as there is room for; each piece from its own beginning on."""
        while missing := list(part.missing()):
            first, end = self.order.choice(missing)
            stop = min(end, first + 30_000, first + (end if room is None else room))
            block = self.payload[first:stop]
            if first // PIECE_BYTES in self.spoiled:
                self.spoiled.discard(first // PIECE_BYTES)
                block = bytes(byte ^ 1 for byte in block)
            self.sent += len(block)
            part.write(first, block)
            if room is not None:
                room -= len(block)
                if room <= 0:
                    return


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.integers(1, 4 * PIECE_BYTES),
    ends=st.lists(st.tuples(st.integers(1, 3 * PIECE_BYTES), st.booleans()), max_size=6),
    spoiled=st.sets(st.integers(0, 3), max_size=3),
    seed=st.integers(0, 1000),
)
def test_whatever_is_cut_killed_or_spoiled_the_file_comes_out_whole(
    tmp_path: Path, size: int, ends: list[tuple[int, bool]], spoiled: set[int], seed: int
) -> None:
    payload = noise(f"{size}", size)
    name = hashlib.sha256(payload).hexdigest()
    line = Line(payload, {number for number in spoiled if number * PIECE_BYTES < size}, random.Random(seed))
    bad = len(line.spoiled)
    hashes = piece_hashes(payload) if size > PIECE_BYTES else None
    for room, is_kill in [*ends, (None, False)]:
        with partial.PartFile(tmp_path, name, size) as part:
            part.check_by(hashes)
            line.bring(part, room)
        if is_kill:
            (tmp_path / f"{name}.come").unlink(missing_ok=True)
    assert part.is_whole()
    assert part.path.read_bytes() == payload
    if not any(is_kill for _room, is_kill in ends):
        assert line.sent <= size + bad * PIECE_BYTES
    part.path.unlink()


def test_a_kill_costs_the_pieces_that_were_under_way_and_no_other(tmp_path: Path) -> None:
    payload = noise("killed", 5 * PIECE_BYTES + 77)
    name = hashlib.sha256(payload).hexdigest()
    with partial.PartFile(tmp_path, name, len(payload)) as part:
        for piece in (0, 3):
            part.write(piece * PIECE_BYTES, payload[piece * PIECE_BYTES : (piece + 1) * PIECE_BYTES])
        part.write(4 * PIECE_BYTES, payload[4 * PIECE_BYTES : 4 * PIECE_BYTES + 1000])
    (tmp_path / f"{name}.come").unlink()  # written in good order only
    with partial.PartFile(tmp_path, name, len(payload)) as part:
        assert not part.can_go_on(), "what is here is not known before the piece list is"
        part.check_by(piece_hashes(payload))
        assert [first // PIECE_BYTES for first, _end in part.missing()] == [1, 2, 4, 5]
        assert part.held() == 2 * PIECE_BYTES
        assert part.bad_pieces == 0, "nothing came wrong"


def test_nothing_queued_is_lost_when_the_link_is_down(hub: Hub, box: Installation) -> None:
    hub.join(box, hub.school("Shuanghu"))
    hub.wire.cut_after = 0
    with pytest.raises(LinkDown):
        hub.sync(box)
    with box.database.read() as session:
        assert session.scalars(select(OutboxRow)).all() == []
        assert wanted.wanted_packages(session, "nobody", None) == {}
