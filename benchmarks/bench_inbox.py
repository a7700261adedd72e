"""What a hub needs of processor time for a row that a box brings home, and a box to make and to pack it. On both engines.

The days are those of `bench_upstream`: children watch, the player reports every ten seconds, an admin writes a name anew now and then.
And one morning on which a box enrols as many children: rows of changes alone. All in this process, without a network and nginx.

hub_ms: processor time for a row, from the posted bytes to the commit; wait: the clock's time for it. On PostgreSQL with its server's part.
insert_ms: the peer of the same run, the plain INSERT of the rows that the table of events holds afterwards, one statement for each batch. Below it
nobody comes who keeps events. ratio: hub_ms to that. grow_ms: at the box, for each report of the player; pack_ms: for each row. Medians of the batches.
Prints a table, then one JSON object. BENCH=short: one day of eight children.

    python benchmarks/bench_inbox.py
"""

import cProfile
import json
import os
import pstats
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bench_upstream import Week, edit, lessons_by
from eduhub import changes, clock
from eduhub.accounts.models import Person
from eduhub.config import Settings
from eduhub.installation import Installation, open_installation
from eduhub.learning.models import Event
from eduhub.ops import migrate
from eduhub.schools.models import Enrolment
from eduhub.sync.homeward import inbox, outbox
from eduhub.sync.models import Node
from tests import postgresql_cluster
from tests.sync.world import WEDNESDAY_MS, Hub, School

SHORT = os.environ.get("BENCH") == "short"
CHILDREN, DAYS = (8, 1) if SHORT else (60, 1)
_TABLE: Any = Event.__table__


@dataclass(frozen=True)
class Spent:
    """What some work took."""

    processor_s: float
    wait_s: float


class Watch:
    """Processor time of this process, and of the server's process behind a session."""

    def __init__(self) -> None:
        self.servers = set[int]()

    def of(self, work: Callable[[], object]) -> Spent:
        """What this takes."""
        servers_s, own_s, began_s = self._servers_s(), time.process_time(), time.perf_counter()
        work()
        return Spent(time.process_time() - own_s + self._servers_s() - servers_s, time.perf_counter() - began_s)

    def knows(self, session: Session) -> None:
        """Count what this session's server does, where it has one."""
        if session.get_bind().dialect.name == "postgresql":
            self.servers.add(int(session.scalar(text("SELECT pg_backend_pid()")) or 0))

    def _servers_s(self) -> float:
        found = 0.0
        for pid in self.servers:
            ticks = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            found += (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
        return found


class Pair:
    """A hub on one engine, and a box that has joined it."""

    def __init__(self, folder: Path, database: str) -> None:
        clock.freeze(WEDNESDAY_MS)
        settings = Settings(data_dir=folder / "hub", secure_cookies=False)
        self.hub_here = _installation(replace(settings, database=database))
        hub = Hub(self.hub_here)
        self.school = hub.school("Shuanghu", children=CHILDREN)
        self.box = _installation(replace(settings, data_dir=folder / "box", role="node"))
        self.node_uid = hub.join(self.box, self.school)
        hub.sync(self.box)
        self.watch = Watch()
        with self.hub_here.database.read() as session:
            self.watch.knows(session)

    def close(self) -> None:
        """Both databases."""
        self.hub_here.database.close()
        self.box.database.close()
        clock.freeze(None)

    def days(self) -> tuple[int, Spent]:
        """The children watch; how many reports that are, and what it takes to let the outbox grow by them."""
        lot = random.Random(1)
        reports = Week.drawn(self.school, lessons_by(lot), lot, days=DAYS).reports
        spent = Spent(0, 0)
        for at in range(0, len(reports), 50):
            batch = reports[at : at + 50]
            one = self.watch.of(lambda batch=batch: self._queue(batch))  # type: ignore[misc]
            spent = Spent(spent.processor_s + one.processor_s, spent.wait_s + one.wait_s)
            if lot.random() < 0.01:
                edit(self.box, self.school, lot)
        return len(reports), spent

    def _queue(self, batch: list[dict[str, Any]]) -> None:
        with self.box.database.write() as session:
            outbox.add_events(session, self.box.steady, batch, counting={one["uid"] for one in batch})

    def enrol(self) -> None:
        """As many children again, one after the other."""
        for number in range(CHILDREN):
            with changes.writing(self.box.database) as session:
                _enrol(session, self.school, f"Child {number}")

    def home(self) -> dict[str, float]:
        """Everything that waits is posted, batch for batch."""
        packing, taking = list[float](), list[Spent]()
        with changes.writing(self.box.database) as session:
            outbox.queue_changes(session, self.box.steady)
            (incarnation,) = outbox.incarnations(session)
        after, rows = 0, 0
        while True:
            batches = list[outbox.Batch | None]()
            packed = self.watch.of(lambda: batches.append(self._pack(incarnation, after)))  # noqa: B023 - called at once
            batch = batches[0]
            if batch is None:
                break
            count = batch.last - batch.first + 1
            packing.append(packed.processor_s / count)
            took = self.watch.of(lambda: self._take(batch.body))  # noqa: B023
            taking.append(Spent(took.processor_s / count, took.wait_s / count))
            with self.box.database.write() as session:
                outbox.acknowledged(session, self.box.steady, incarnation, batch.last)
            after, rows = batch.last, rows + count
        return {
            "rows": rows, "batches": len(packing), "pack_ms": 1000 * statistics.median(packing),
            "hub_ms": 1000 * statistics.median(one.processor_s for one in taking),
            "hub_wait_ms": 1000 * statistics.median(one.wait_s for one in taking),
        }  # fmt: skip

    def _pack(self, incarnation: str, after: int) -> outbox.Batch | None:
        with changes.writing(self.box.database) as session:
            return outbox.next_batch(session, incarnation, after=after)

    def _take(self, body: bytes) -> None:
        """As `sync/http.py` takes a post."""
        with self.hub_here.database.write() as session:
            node = session.get_one(Node, self.node_uid)
            changes.hold_machine(session)
            received = inbox.receive(session, node, inbox.unpack(body))
        if received.put_aside:
            raise SystemExit(f"{received.put_aside} rows were put aside")

    def inserted(self) -> float:
        """Milliseconds for each row: the same events into the empty table of the hub, as one statement for each 500."""
        with self.hub_here.database.write() as session:
            rows = [dict(row._mapping) for row in session.execute(select(_TABLE).order_by(_TABLE.c.made_ms))]
            session.execute(delete(_TABLE))
        found = []
        for at in range(0, len(rows), outbox.MAX_BATCH_ROWS):
            batch = rows[at : at + outbox.MAX_BATCH_ROWS]
            found.append(self.watch.of(lambda batch=batch: self._insert(batch)).processor_s / len(batch))  # type: ignore[misc]
        with self.hub_here.database.read() as session:
            assert session.scalar(select(func.count()).select_from(_TABLE)) == len(rows)
        return 1000 * statistics.median(found)

    def _insert(self, rows: list[dict[str, Any]]) -> None:
        with self.hub_here.database.write() as session:
            session.connection().execute(insert(_TABLE), rows)


def _enrol(session: Session, school: School, name: str) -> None:
    person = Person(org_uid=school.org, name=name)
    session.add_all([person, Enrolment(
        org_uid=school.org, person_uid=person.uid, group_uid=school.group, starts_on="2026-11-25"
    )])  # fmt: skip


def _installation(settings: Settings) -> Installation:
    here = open_installation(settings)
    migrate.upgrade(here.database)
    return here


def measure(database: str) -> dict[str, float]:
    """One engine. "": SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(Path(folder), database)
        reports, grown = pair.days()
        days = pair.home()
        insert_ms = pair.inserted()
        pair.enrol()
        enrolled = pair.home()
        pair.close()
    return {
        **days, "insert_ms": insert_ms, "ratio": days["hub_ms"] / insert_ms, "reports": reports,
        "grow_ms": 1000 * grown.processor_s / reports,
        **{f"enrolling_{name}": enrolled[name] for name in ("rows", "pack_ms", "hub_ms", "hub_wait_ms")},
    }  # fmt: skip


def main() -> None:
    """Both engines."""
    found = {"sqlite": measure("")}
    if postgresql_cluster.missing() is None:
        cluster = postgresql_cluster.Cluster()
        try:
            found["postgresql"] = measure(cluster.address)
        finally:
            cluster.stop()
    for engine, figures in found.items():
        for name, value in figures.items():
            print(f"{engine:12}{name:24} {value:.4g}")
    print(json.dumps(found | {"children": CHILDREN, "days": DAYS, "loadavg": os.getloadavg()}))


def profiled() -> None:
    """Where the time goes on SQLite: `python benchmarks/bench_inbox.py --profile`."""
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(Path(folder), "")
        pair.days()
        profile = cProfile.Profile()
        profile.runcall(pair.home)
        pair.close()
    pstats.Stats(profile).sort_stats("cumulative").print_stats(70)


if __name__ == "__main__":
    profiled() if "--profile" in sys.argv else main()
