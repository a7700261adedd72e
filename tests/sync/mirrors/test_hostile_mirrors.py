"""A mirror that lies, crawls or babbles costs little, is left alone, and spoils nothing for anybody else."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.delivery import catalog, holding
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import PIECE_BYTES
from eduhub.errors import BadFormat
from eduhub.installation import Installation
from eduhub.sync.mirrors import conversation, known
from eduhub.sync.mirrors.choosing import FOUND, Candidate
from eduhub.sync.mirrors.conversation import Conversation, Ways
from eduhub.sync.mirrors.models import Mirror
from eduhub.sync.models import FetchState
from tests.sync.mirrors.village import MIRROR_URL, Village, held_parts
from tests.sync.world import Hub, Wire, app_of, noise


def answers(village: Village) -> None:
    """The hub is back."""
    village.hub.wire.cut_after = None


def test_wrong_bytes_are_found_out_and_the_hub_brings_the_right_ones(village: Village) -> None:
    big = village.hub.lesson(village.course, position=1, parts={"aac": noise("a", 2 * PIECE_BYTES), "v240": noise("v", 40 * PIECE_BYTES)})
    village.hub.sync(village.near)
    village.meet(village.far)
    village.sight()
    village.wire.spoil = lambda path, _at, piece: bytes(len(piece)) if path.startswith("/p/") and path[3:67] != path[68:] else piece
    village.round()
    assert held_parts(village.far, big) == held_parts(village.near, big)
    assert held_parts(village.far, village.package) == held_parts(village.near, village.package)
    wrong = sum(count for path, count in village.wire.delivered.items() if path.startswith("/p/") and path[3:67] != path[68:])
    assert wrong <= 4 * PIECE_BYTES
    assert (village.mirror().why, village.mirror().bytes_got) == ("lied", 0)
    with village.far.database.read() as session:
        assert all(state.bad_pieces == 0 for state in session.scalars(select(FetchState)))


def test_a_mirror_whose_manifest_came_as_it_is_named_and_is_not_understood_here_is_no_liar(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise BadFormat("of a later kind")

    village.sight()
    with monkeypatch.context() as older:
        older.setattr(holding, "hold", refuse)
        village.round()
    assert f"/p/{village.package}/{village.package}" in village.wire.delivered
    assert village.mirror().why != "lied"


def test_a_liar_takes_no_byte_away_that_the_hub_had_brought(village: Village) -> None:
    big = village.hub.lesson(village.course, position=1, parts={"aac": noise("v", 6 * PIECE_BYTES)})
    village.hub.sync(village.near)
    village.meet(village.far)
    village.hub.wire.cut_after = 5 * PIECE_BYTES // 2
    with suppress(Exception):
        village.round()
    answers(village)
    name = next(path for path, count in village.hub.wire.delivered.items() if path.startswith(f"/p/{big}") and count > PIECE_BYTES)
    before = village.hub.wire.delivered[name]
    village.sight()
    village.wire.spoil = lambda path, at, piece: bytes(len(piece)) if path == name and at >= 3 * PIECE_BYTES else piece
    village.round()
    assert held_parts(village.far, big) == held_parts(village.near, big)
    # Before it was given up it had lied of three pieces; what the hub had brought of the others was never asked for again.
    assert village.hub.wire.delivered[name] - before == 3 * PIECE_BYTES


def test_a_manifest_of_something_else_is_a_lie(village: Village) -> None:
    village.sight()
    village.wire.spoil = lambda path, _at, piece: piece.replace(b"learner", b"teacher") if path[3:67] == path[68:] else piece
    village.round_without_hub()
    with village.far.database.read() as session:
        assert session.get(PackageRow, village.package) is None
    assert village.mirror().why == "lied"


def test_the_catalog_of_another_hub_is_not_listened_to(
    village: Village, make_installation: Callable[..., Installation], make_box: Callable[[], Installation]
) -> None:
    stranger = Hub(make_installation(role="hub"))
    box = make_box()
    stranger.join(box, stranger.school("Elsewhere"))
    stranger.sync(box)
    village.ways.wires[MIRROR_URL] = Wire(app_of(box))
    village.sight()
    village.round_without_hub()
    assert village.mirror().why == "refused"
    assert [path for _method, path, _range in village.ways.wires[MIRROR_URL].requests] == ["/sync/v1/hello"]


@pytest.mark.parametrize("change", [
    lambda found: found["head"]["head"].update(sequence=10**12),
    lambda found: found["head"]["head"].update(hash="0" * 64),
    lambda found: found["head"]["signature"].update(value="0" * 128),
    lambda found: found.update(head={"head": 1}),
    lambda found: found.update(epoch=2, epoch_statement={"statement": {"epoch": 2}, "signature": {}}),
    lambda found: found.update(mirror=7),
])  # fmt: skip
def test_a_forged_head_changes_nothing(village: Village, change: Callable[[dict[str, Any]], None]) -> None:
    village.hub.lesson(village.course, position=1)
    village.hub.sync(village.near)
    village.sight()

    def forge(path: str, _at: int, piece: bytes) -> bytes:
        if path != "/sync/v1/hello":
            return piece
        found = json.loads(piece)
        change(found)
        return json.dumps(found).encode()

    village.wire.spoil = forge
    with village.far.database.read() as session:
        before = catalog.state(session)
        held = (before.epoch, before.sequence, before.hash)
    village.round_without_hub()
    with village.far.database.read() as session:
        after = catalog.state(session)
        assert (after.epoch, after.sequence, after.hash) == held
    answers(village)
    village.round()  # the hub is believed as before
    assert held_parts(village.far, village.package)


def test_pages_that_fit_no_head_are_a_lie_and_stay_nowhere(village: Village) -> None:
    for position in range(1, 4):
        village.hub.lesson(village.course, position=position)
    village.hub.sync(village.near)
    village.sight()
    village.wire.spoil = lambda path, _at, piece: piece.replace(b'"org":"', b'"org":"x') if "pages" in path else piece
    village.round_without_hub()
    assert village.mirror().why == "lied"
    assert not list((village.far.settings.data_dir / "work").glob("catalog-*"))
    answers(village)
    assert village.round().catalog_entries == 3


def test_a_replayed_older_catalog_takes_nothing_back(village: Village) -> None:
    old = dict(_said(village))
    village.hub.lesson(village.course, position=1)
    village.meet(village.far)
    village.sight()
    village.wire.instead |= {path: (200, body) for path, body in old.items()}
    with village.far.database.read() as session:
        held = catalog.sequence(session)
    village.round_without_hub()
    with village.far.database.read() as session:
        assert catalog.sequence(session) == held


def _said(village: Village) -> Iterator[tuple[str, bytes]]:
    with httpx.Client(transport=village.wire, base_url=MIRROR_URL) as client:
        for path in ("/sync/v1/hello", "/sync/v1/catalog/pages/0"):
            yield path, client.get(path, params={"nonce": "0" * 32, "epoch": 1}).content


def test_a_mirror_that_promises_what_it_does_not_give_is_left_alone_for_a_while(village: Village) -> None:
    village.sight()
    village.wire.before = lambda path: village.wire.instead.update(
        {path: (404, b'{"code": "asked.not_found"}')} if path.startswith("/p/") and path[3:67] != path[68:] else {}
    )
    village.round_without_hub()
    assert not held_parts(village.far, village.package)
    village.round_without_hub()
    assert village.mirror().why == "empty"
    answers(village)
    village.round()
    assert held_parts(village.far, village.package) == held_parts(village.near, village.package)


# --- over sockets: whoever never ends --------------------------------------------------


class Babbler:
    """Accepts connections and sends what `say` gives, for ever."""

    def __init__(self, say: Callable[[bytes], Iterator[bytes]]) -> None:
        self._say = say
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            asked = connection.recv(65536)
            for block in self._say(asked):
                connection.sendall(block)


def _headers_without_end(_asked: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X-A: b\r\n"
        time.sleep(0.05)


def _a_byte_at_a_time(_asked: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    while True:
        yield b"{"
        time.sleep(0.05)


def _bytes_without_end(_asked: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    while True:
        yield b"[" * 65536


def _nothing(_asked: bytes) -> Iterator[bytes]:
    time.sleep(60)
    yield b""


def _another_protocol(_asked: bytes) -> Iterator[bytes]:
    yield b"220 mail.example.org ESMTP\r\n" * 1000


@pytest.mark.parametrize("say", [_headers_without_end, _a_byte_at_a_time, _bytes_without_end, _nothing, _another_protocol])
def test_whoever_never_ends_is_ended(
    village: Village, say: Callable[[bytes], Iterator[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.freeze(None)
    monkeypatch.setattr(conversation, "WITHIN_S", {True: 1.5, False: 1.5})
    babbler = Babbler(say)
    began_s = clock.monotonic_s()
    with Conversation(village.far, Candidate(babbler.url, FOUND), village.far_uid, Ways()) as talk:
        assert talk.greet() is None
    babbler.close()
    assert clock.monotonic_s() - began_s < 8
    assert talk.why in {"silent", "lied"}


def test_a_slow_giver_of_parts_is_left(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.freeze(None)
    monkeypatch.setattr(conversation, "NEAR", (1000, 1.0))

    def drip(_asked: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-59999/60000\r\nContent-Length: 60000\r\n\r\n"
        while True:
            yield b"x"
            time.sleep(0.05)

    babbler = Babbler(drip)

    class Half(Ways):
        """Words come from the neighbour, parts from somebody who drips."""

        def transport(self, candidate: Candidate) -> Any:
            return village.wire

        def transfer(self, candidate: Candidate) -> Any:
            return Ways().transfer(Candidate(babbler.url, FOUND))

    village.sight()
    village.ways = Half()  # type: ignore[assignment]
    began_s = clock.monotonic_s()
    village.round_without_hub()
    babbler.close()
    assert clock.monotonic_s() - began_s < 15
    assert village.mirror().why == "slow"


def test_hints_without_number_fill_no_table(village: Village) -> None:
    village.sight()
    village.round_without_hub()  # it gave something
    with village.far.database.write() as session:
        for batch in range(20):
            seen = [known.Sighting(f"http://192.168.{batch}.{n}:80", "", "x" * 500, 2**60) for n in range(200)]
            known.sighted(session, seen, village.now_s() + batch)
        rows = session.scalars(select(Mirror)).all()
        assert len(rows) <= known.MOST_FOUND
        assert MIRROR_URL in {row.url for row in rows}
