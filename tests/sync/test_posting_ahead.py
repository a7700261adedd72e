"""Batches that are posted before the one before is acknowledged: in order, each once, whatever becomes of the connection."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.errors import EduHubError, LinkDown
from eduhub.installation import Installation
from eduhub.learning.models import Event
from eduhub.sync import rounds
from eduhub.sync.boxes import joining
from eduhub.sync.fetching.meter import Meter
from eduhub.sync.homeward import inbox, outbox
from eduhub.sync.homeward.ahead import Broken, Flight
from tests.sync.relays import relay
from tests.sync.world import Hub, School, watched

ROOT = Path(__file__).parents[2]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"


class Server:
    """Answers each whole POST with its number, once `answers` lets it; `hang_up_after` so many it ends the connection."""

    def __init__(self, hang_up_after: int | None = None) -> None:
        self.came, self.answers, self._hang_up_after = list[bytes](), threading.Event(), hang_up_after
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/below"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            connection, _ = self._listening.accept()
            waiting = b""
            with connection:
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
                while received := connection.recv(65_536):
                    waiting += received
                    while (head := waiting.partition(b"\r\n\r\n"))[1]:
                        length = int(head[0].lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                        if len(head[2]) < length:
                            break
                        self.came.append(head[0].split(b"\r\n")[0] + b" " + head[2][:length])
                        waiting = head[2][length:]

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError):
            self.answers.wait(20)
            for number in range(100):
                while len(self.came) <= number:
                    clock.sleep_s(0.01)
                if number == self._hang_up_after:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                body = b"%d" % number
                connection.sendall(OK % (len(body), body))

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    made = Server(getattr(request, "param", None))
    yield made
    made.close()


def test_what_is_posted_behind_comes_before_anything_was_answered(server: Server) -> None:
    flight = Flight(server.url, None, Meter())
    for number in range(3):
        flight.send("/outbox", bytes([65 + number]) * 30_000, {"Content-Type": "text/plain"})
    while len(server.came) < 3:
        clock.sleep_s(0.01)
    server.answers.set()
    assert [flight.answer()[:2] for _ in range(3)] == [(200, b"0"), (200, b"1"), (200, b"2")]
    flight.close()
    assert [came[:29] for came in server.came] == [b"POST /below/outbox HTTP/1.1 " + letter for letter in (b"A", b"B", b"C")]


@pytest.mark.parametrize("server", [1], indirect=True)
def test_a_connection_that_ends_between_two_answers_is_broken_and_what_was_answered_counts(server: Server) -> None:
    flight = Flight(server.url, None, Meter())
    for _ in range(2):
        flight.send("/outbox", b"x", {})
    server.answers.set()
    assert flight.answer()[:2] == (200, b"0")
    with pytest.raises(Broken):
        flight.answer()
    with pytest.raises(Broken):
        flight.answer()
    flight.close()


def test_nobody_there_is_broken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    flight = Flight(f"http://127.0.0.1:{port}", None, Meter())
    with pytest.raises(Broken):
        flight.send("/outbox", b"x", {})
    flight.close()


def test_a_long_silence_is_broken(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eduhub.sync.homeward.ahead.WORKS_S", 0.5)
    flight = Flight(server.url, None, Meter())
    flight.send("/outbox", b"x", {})
    with pytest.raises(Broken, match="silence"):
        flight.answer()
    flight.close()


def test_a_server_that_reads_nothing_any_more_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eduhub.sync.homeward.ahead.SILENCE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:  # nobody takes the connection: its buffers fill up
        flight = Flight(f"http://127.0.0.1:{listening.getsockname()[1]}", None, Meter())
        with pytest.raises(Broken, match="silence"):
            flight.send("/outbox", bytes(64 << 20), {})
        flight.close()


# --- a box and its hub ----------------------------------------------------------------


@pytest.fixture
def address(hub: Hub) -> Iterator[str]:
    """The hub behind gunicorn."""
    clock.freeze(None)
    settings = json.dumps(asdict(hub.here.settings) | {"data_dir": str(hub.here.settings.data_dir)})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.sync.serving", str(listening.fileno()), settings], pass_fds=[listening.fileno()], cwd=ROOT
        )
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        process.terminate()
        process.wait(30)


def watch(box: Installation, school: School, count: int) -> list[str]:
    made = [watched(school.org, school.children[number % len(school.children)]) for number in range(count)]
    with box.database.write() as session:
        outbox.add_events(session, box.steady, made)
    return sorted(str(event["uid"]) for event in made)


def at_hub(hub: Hub) -> list[str]:
    with hub.here.database.read() as session:
        return sorted(session.scalars(select(Event.uid).where(Event.kind == "watched")))


def posted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The batches that are packed from now on, as their first and last rows."""
    found: list[tuple[int, int]] = []
    real = outbox.next_batch

    def told(*arguments: object, **named: object) -> outbox.Batch | None:
        batch = real(*arguments, **named)  # type: ignore[arg-type]
        found.extend([(batch.first, batch.last)] if batch is not None else [])
        return batch

    monkeypatch.setattr(outbox, "next_batch", told)
    return found


@pytest.mark.processes
def test_many_batches_come_home_over_one_connection_of_their_own_each_once(
    hub: Hub, address: str, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_BATCH_ROWS", 40)
    school = hub.school("Shuanghu", children=3)
    with relay(address) as between:
        joining.join(box, between.url, hub.code(school))
        rounds.run(box, on_progress=lambda _share: None)
        made, packed = watch(box, school, 330), posted(monkeypatch)
        flights: list[Flight] = []
        real = Flight.answer
        monkeypatch.setattr(Flight, "answer", lambda flight: flights.append(flight) or real(flight))  # type: ignore[func-returns-value]
        assert rounds.run(box, on_progress=lambda _share: None).outbox_rows == 330
    assert at_hub(hub) == made
    assert len(packed) == len(set(packed)) == 9
    assert len(flights) == 9
    assert len(set(map(id, flights))) == 1
    with box.database.read() as session:
        assert outbox.waiting(session) == 0


@pytest.mark.processes
@pytest.mark.parametrize("answers_bytes", [200, 1_500, 4_000])
def test_a_line_that_breaks_while_batches_are_under_way_costs_a_repetition_and_nothing_else(
    hub: Hub, address: str, box: Installation, monkeypatch: pytest.MonkeyPatch, answers_bytes: int
) -> None:
    monkeypatch.setattr(outbox, "MAX_BATCH_ROWS", 30)
    school = hub.school("Shuanghu", children=3)
    with relay(address) as between:
        joining.join(box, between.url, hub.code(school))
        rounds.run(box, on_progress=lambda _share: None)
        made = watch(box, school, 200)
        between.cut_after = between.down + answers_bytes
        with suppress(EduHubError):
            rounds.run(box, on_progress=lambda _share: None)
        between.cut_after = None
        rounds.run(box, on_progress=lambda _share: None)
    assert at_hub(hub) == made
    with box.database.read() as session:
        assert outbox.waiting(session) == 0


@pytest.mark.processes
def test_what_was_under_way_when_a_connection_ended_is_posted_one_by_one_in_the_same_round(
    hub: Hub, address: str, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_BATCH_ROWS", 30)
    school = hub.school("Shuanghu", children=3)
    with relay(address) as between:
        joining.join(box, between.url, hub.code(school))
        rounds.run(box, on_progress=lambda _share: None)
        made = watch(box, school, 200)
        between.cut_after = between.down + 2_000

        def mend() -> None:
            while between.cut_after is not None and between.down < between.cut_after:
                clock.sleep_s(0.001)
            between.cut_after = None

        threading.Thread(target=mend, daemon=True).start()
        assert rounds.run(box, on_progress=lambda _share: None).outbox_rows > 0
        assert between.cut_after is None
    assert at_hub(hub) == made


def test_a_hub_that_was_restored_while_batches_were_under_way_gets_them_again(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_BATCH_ROWS", 10)
    school = hub.school("Shuanghu", children=2)
    hub.join(box, school)
    hub.sync(box)
    made, count = watch(box, school, 60), list[int]()
    real = inbox.receive

    def forgets(*arguments: object) -> inbox.Received:
        count.append(1)
        found = real(*arguments)  # type: ignore[arg-type]
        if len(count) == 3:
            raise LinkDown("the third is lost, and those behind it have a gap before them")
        return found

    monkeypatch.setattr(inbox, "receive", forgets)
    with suppress(EduHubError):
        hub.sync(box)
    hub.sync(box)
    assert at_hub(hub) == made
