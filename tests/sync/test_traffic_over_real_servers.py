"""What crossed the sockets of a round is what the box has booked, lesson by lesson and in all, also when the line was cut."""

import socket
from contextlib import suppress

import pytest
from sqlalchemy import func, select

from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import PIECE_BYTES
from eduhub.errors import LinkDown
from eduhub.installation import Installation
from eduhub.sync import rounds
from eduhub.sync.allowance import traffic
from eduhub.sync.boxes import joining
from eduhub.sync.fetching.meter import Meter, Passed
from eduhub.sync.models import Traffic, Upstream
from tests.sync.relays import Relay, relay
from tests.sync.test_over_real_servers import address as address
from tests.sync.world import Hub, noise

pytestmark = pytest.mark.processes


def booked(box: Installation) -> tuple[int, int]:
    with box.database.read() as session:
        return tuple(session.execute(select(func.sum(Traffic.bytes_down), func.sum(Traffic.bytes_up))).one())  # type: ignore[return-value]


def fits(crossed: int, found: int, packets_of: int) -> bool:
    """At least what crossed as payload of the sockets, at most the headers of as many packets as there can be more."""
    return crossed <= found <= crossed + 52 * packets_of


def test_the_sum_of_all_lessons_and_of_none_is_what_crossed_the_link(hub: Hub, address: str, box: Installation) -> None:
    school = hub.school("Shuanghu")
    parts = {"index": noise("i", 800), "aac": noise("a", 3 * PIECE_BYTES), "v240": noise("v", 12 * PIECE_BYTES + 5)}
    package = hub.lesson(hub.course(hub.region, groups=(school,)), parts=parts)
    with relay(address) as line:
        joining.join(box, line.url, hub.code(school))
        joined = (line.down, line.up)  # joining is no round: it is not booked
        rounds.run(box, on_progress=lambda _share: None)
        down, up = booked(box)
        packets = 400 + line.down // 200  # on a busy machine the box reads late, and little at a time is sent to it
        assert fits(line.down - joined[0], down, packets)
        assert fits(line.up - joined[1], up, packets)
    with box.database.read() as session:
        row = session.get_one(PackageRow, package)
        parts_bytes = sum(session.scalars(select(PartRow.bytes).where(PartRow.package_id == package)))
        of_lesson = next(found for found in traffic.by_lesson(session, 0) if found.lesson_uid == row.lesson_uid)
        assert of_lesson.moved.down == parts_bytes + len(row.manifest)


def test_a_cut_line_is_booked_up_to_the_cut(hub: Hub, address: str, box: Installation) -> None:
    school = hub.school("Shuanghu")
    parts = {"index": noise("i", 800), "v240": noise("v", 40 * PIECE_BYTES + 5)}
    hub.lesson(hub.course(hub.region, groups=(school,)), parts=parts)
    with relay(address) as line:
        joining.join(box, line.url, hub.code(school))
        joined = line.down
        line.cut_after = joined + 9 * PIECE_BYTES
        with suppress(LinkDown):
            rounds.run(box, on_progress=_impatient(line))
        down, _up = booked(box)
        assert line.down >= line.cut_after
        # The block at the cut was counted by the relay and never sent on; what a closed socket still held is lost, too.
        assert down >= line.cut_after - joined - 5 * (16 << 10)


def _impatient(line: Relay):  # type: ignore[no-untyped-def]
    def on_progress(_share: float) -> None:
        if line.cut_after is not None and line.down >= line.cut_after:
            raise LinkDown("enough")

    return on_progress


def test_a_meter_counts_what_a_socket_carried_also_after_it_was_closed() -> None:
    meter = Meter()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        meter.watch(ours)
        theirs, _ = listening.accept()
        theirs.sendall(b"d" * 10_000)
        ours.sendall(b"u" * 3_000)
        came = 0
        while came < 10_000:
            came += len(ours.recv(4096))
        meter.left(ours)
        ours.close()
        theirs.close()
    found = meter.total()
    assert 10_000 < found.down < 11_500
    assert 3_000 < found.up < 4_500
    assert meter.total() == found


def test_a_socket_that_tls_took_over_is_counted_once() -> None:
    meter = Meter()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        plain = socket.create_connection(listening.getsockname())
        meter.watch(plain)
        theirs, _ = listening.accept()
        plain.sendall(b"u" * 5_000)
        wrapped = socket.socket(fileno=plain.detach())
        meter.is_now(plain, wrapped)
        wrapped.sendall(b"u" * 5_000)
        received = 0
        while received < 10_000:
            received += len(theirs.recv(4096))
        found = meter.total()
        wrapped.close()
        theirs.close()
    assert 10_000 < found.up < 11_500
    assert found.down < 1_500
    assert meter.total() == found != Passed(0, 0)


def test_a_box_without_a_round_has_booked_nothing(box: Installation) -> None:
    with box.database.read() as session:
        assert session.scalars(select(Upstream)).all() == []
    assert booked(box) == (None, None)
