"""What a week of sixty children costs a village's narrow direction: bytes per child and day, and how much of that direction is used.

Children watch as the player reports it (an event every ten seconds, jumps, two lessons of up to forty minutes a day) and an admin edits now
and then. A day is brought home by rounds, every twenty minutes; a week at once, after five days without a link. Both over S1 of `villagelink`
(256k/64k, 600 ms, 2 % lost; real TCP, cubic; the hub behind nginx).

bytes_per_child_day: what left the box towards the hub that day (IP packets, all of them: hellos, polls, acknowledgements of TCP), by
children. rows_bytes: the bodies of the outbox alone. as_reported: those bodies, had the box sent each report of the player by itself.
share: of the physical limit of the up direction, bodies / (rate * (1 - loss) * 1448/1500), over the time that bringing the week home
takes, from packing the first batch to the last acknowledgement; round_share: over the whole round, from hello on. Medians. Prints a table, then one JSON object.
BENCH=short: one day of eight children.

    python benchmarks/bench_upstream.py
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import lossy_link, serving
from eduhub import changes, clock
from eduhub.accounts.models import Person
from eduhub.config import Settings
from eduhub.installation import Installation, open_installation
from eduhub.learning import events, progress
from eduhub.ops import migrate, nginx
from eduhub.sync import rounds
from eduhub.sync.boxes import joining
from eduhub.sync.homeward import bringing, outbox
from eduhub.sync.models import OutboxRow
from eduhub.uids import make_uid
from tests.sync.world import WEDNESDAY_MS, Hub, School

SHORT = os.environ.get("BENCH") == "short"
CHILDREN, DAYS, SEEDS = (8, 1, (5,)) if SHORT else (60, 5, (1, 2, 3, 4, 5))
S1 = {"rate_down": "256k", "rate_up": "64k", "rtt": "600ms", "loss": "2%"}
UP_BITS_PER_S, LOSS, PAYLOAD_SHARE = 64_000, 0.02, 1448 / 1500
HUB_ADDRESS, PORT = "10.77.0.1", 8000
EVERY_MS, MINUTE_MS, LESSON_MS = 10_000, 60_000, 40 * 60_000
ROUND_EVERY_MS = 20 * MINUTE_MS


@dataclass
class Week:
    """Everything that the phones of a school report in a week, in the order of time."""

    reports: list[dict[str, Any]]

    @classmethod
    def drawn(cls, school: School, lessons: list[tuple[str, str, str]], lot: random.Random, *, days: int) -> "Week":
        """By lot: when each child watches, how long, with how many jumps."""
        found: list[dict[str, Any]] = []
        for day in range(days):
            for child in school.children:
                at_ms = WEDNESDAY_MS + day * 1440 * MINUTE_MS + lot.randrange(120 * MINUTE_MS)
                for _ in range(2):
                    length_ms = LESSON_MS if lot.random() < 0.6 else lot.randrange(5 * MINUTE_MS, LESSON_MS)
                    found += _watched(school, child, lot.choice(lessons), at_ms, length_ms, lot)
                    at_ms += length_ms + lot.randrange(60 * MINUTE_MS)
        return cls(sorted(found, key=lambda one: int(one["made_ms"])))

    def by_round(self) -> list[list[dict[str, Any]]]:
        """What comes between one round and the next."""
        slots: dict[int, list[dict[str, Any]]] = {}
        for one in self.reports:
            slots.setdefault(one["made_ms"] // ROUND_EVERY_MS, []).append(one)
        return [slots[number] for number in sorted(slots)]


def _watched(
    school: School, child: str, lesson: tuple[str, str, str], at_ms: int, length_ms: int, lot: random.Random
) -> list[dict[str, Any]]:
    """As player/watching.ts reports it: every ten seconds, at each pause and at each jump."""
    found, position_ms, end_ms = [], 0, at_ms + length_ms
    while at_ms < end_ms:
        is_whole = lot.random() < 0.97
        to_ms = position_ms + (EVERY_MS + lot.randrange(-40, 40) if is_whole else lot.randrange(1_000, EVERY_MS))
        at_ms += to_ms - position_ms
        found.append({
            "uid": make_uid(at_ms, lot.getrandbits(74)), "kind": "watched", "version": 1, "lesson": lesson[0], "timeline": lesson[1],
            "from_ms": position_ms, "to_ms": to_ms, "watched_ms": to_ms - position_ms, "stalls": int(lot.random() < 0.02),
            "part": lesson[2], "context": "shared_device", "made_ms": at_ms, "subjects": [], "actor": child, "org": school.org,
        })  # fmt: skip
        position_ms = to_ms if is_whole or lot.random() < 0.5 else max(0, to_ms - lot.randrange(60_000))
    return found


def take(box: Installation, reports: list[dict[str, Any]]) -> None:
    """As the box's pages take batches: each phone's report by itself, a few hundred in one transaction for the bench's sake."""
    for at in range(0, len(reports), 300):
        batch = reports[at : at + 300]
        with box.database.write() as session:
            done = events.store(session, events.judge(session, batch))
            progress.apply_all(session, done.accepted)
            outbox.add_events(session, box.steady, batch, counting={row.uid for row in done.accepted})


def edit(box: Installation, school: School, lot: random.Random) -> None:
    """An admin writes a name anew."""
    with changes.writing(box.database) as session:
        session.get_one(Person, lot.choice(school.children)).name = f"Child {lot.randrange(10**6)}"


def as_reported(reports: list[dict[str, Any]]) -> int:
    """Bytes of bodies, were each report a row of its own, in batches as the outbox packs them."""
    rows = [{"sequence": number, "kind": "event", "version": 1, "body": one} for number, one in enumerate(reports, start=1)]
    return sum(
        len(outbox.pack(str(rows[0]["body"]["uid"]), 1, rows[at : at + outbox.MAX_BATCH_ROWS]))  # type: ignore[index]
        for at in range(0, len(rows), outbox.MAX_BATCH_ROWS)
    )


class Bodies:
    """Counts what is posted as outbox, each batch once, and how long it takes to bring it home: packing to the last acknowledgement."""

    def __init__(self) -> None:
        self.batches, self.seconds = dict[tuple[str, int], int](), 0.0
        pack, run = outbox.next_batch, bringing.Bringing.run

        def packed(*arguments: Any, **named: Any) -> outbox.Batch | None:
            batch = pack(*arguments, **named)
            if batch is not None:
                self.batches[batch.incarnation, batch.first] = len(batch.body)
            return batch

        def ran(this: bringing.Bringing) -> None:
            began = time.monotonic()
            try:
                run(this)
            finally:
                self.seconds += time.monotonic() - began

        outbox.next_batch, bringing.Bringing.run = packed, ran  # type: ignore[assignment, method-assign]

    @property
    def bytes(self) -> int:
        """Of all bodies."""
        return sum(self.batches.values())


def school_and_box(folder: Path) -> tuple[Installation, Installation, School]:
    """A hub and a box that has joined it, with its children."""
    settings = Settings(data_dir=folder / "hub", secure_cookies=False, web_processes=1, bind=HUB_ADDRESS)
    hub_here = _installation(settings)
    hub = Hub(hub_here)
    school = hub.school("Shuanghu", children=CHILDREN)
    box = _installation(replace(settings, data_dir=folder / "box", role="node", bind="127.0.0.1"))
    joining.join(box, f"http://{HUB_ADDRESS}:{PORT}", hub.code(school), transport=hub.wire)
    hub.sync(box)  # what a box reads at its first round is of no week
    return hub_here, box, school


def _installation(settings: Settings) -> Installation:
    here = open_installation(settings)
    migrate.upgrade(here.database)
    return here


def lessons_by(lot: random.Random) -> list[tuple[str, str, str]]:
    """Ten lessons, their time axes, and the sound that played."""
    return [
        (make_uid(WEDNESDAY_MS, lot.getrandbits(74)), make_uid(WEDNESDAY_MS, lot.getrandbits(74)), f"{lot.getrandbits(256):064x}")
        for _ in range(10)
    ]  # fmt: skip


def by_rounds(seed: int) -> dict[str, float]:
    """One day, brought home by rounds."""
    clock.freeze(WEDNESDAY_MS)
    lot = random.Random(seed)
    with tempfile.TemporaryDirectory() as name, lossy_link.link(seed=seed, **S1) as link:
        hub, box, school = school_and_box(Path(name))
        slots = Week.drawn(school, lessons_by(lot), lot, days=1).by_round()
        took_s, posted = 0.0, 0
        with link.inside("hub"), serving.lane(hub, "hub", "nginx", port=PORT):
            link.reset()
            for reports in slots:
                take(box, reports)
                if lot.random() < 0.2:
                    edit(box, school, lot)
                one = _round(link, box)
                took_s, posted = took_s + one["seconds"], posted + int(one["bytes"])
            sent = float(link.stats()["up"]["out_bytes"])
        hub.database.close()
    clock.freeze(None)
    return {"sent": sent, "bodies": posted, "seconds": took_s, "rounds": len(slots)}


class Friday:
    """A hub and a box that was without a link for a week, from which each run gets copies."""

    def __init__(self, folder: Path) -> None:
        clock.freeze(WEDNESDAY_MS)
        self.folder, lot = folder, random.Random(1)
        hub, box, school = school_and_box(folder)
        self.reports = Week.drawn(school, lessons_by(lot), lot, days=DAYS).reports
        take(box, self.reports)
        for _ in range(DAYS * 3):
            edit(box, school, lot)
        with box.database.read() as session:
            self.rows = len(session.scalars(select(OutboxRow.sequence)).all())
        hub.database.close()
        box.database.close()
        clock.freeze(None)

    def brought_home(self, seed: int) -> dict[str, float]:
        """All of it in one round, over one link."""
        with tempfile.TemporaryDirectory() as name, lossy_link.link(seed=seed, **S1) as link:
            for each in ("hub", "box"):
                shutil.copytree(self.folder / each, Path(name, each))
            settings = Settings(data_dir=Path(name, "hub"), secure_cookies=False, web_processes=1, bind=HUB_ADDRESS)
            hub = open_installation(settings)
            box = open_installation(replace(settings, data_dir=Path(name, "box"), role="node", bind="127.0.0.1"))
            with link.inside("hub"), serving.lane(hub, "hub", "nginx", port=PORT):
                link.reset()
                one = _round(link, box)
                sent = float(link.stats()["up"]["out_bytes"])
            with box.database.read() as session:
                waiting = outbox.waiting(session)
            hub.database.close()
            box.database.close()
        if waiting:
            raise SystemExit(f"seed {seed}: {waiting} rows did not come home")
        return {"sent": sent, "bodies": one["bytes"], "seconds": one["seconds"], "posting": one["posting"]}


def _round(link: Any, box: Installation) -> dict[str, float]:
    """A round of the box, from the school's side of the link."""
    command = [sys.executable, __file__, "--round", str(box.settings.data_dir)]
    box.database.close()
    done = link.run("school", command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def one_round(folder: Path) -> None:
    """The box's program: one round; prints what it took and posted."""
    here, bodies = open_installation(Settings(data_dir=folder, role="node", secure_cookies=False)), Bodies()
    began = time.monotonic()
    rounds.run(here, on_progress=lambda _share: None)
    print(json.dumps({"seconds": time.monotonic() - began, "bytes": bodies.bytes, "posting": bodies.seconds}))
    here.database.close()


def main() -> None:
    """Every seed, both ways."""
    if reason := lossy_link.missing() or ("" if nginx.program() else "nginx is not installed"):
        print(f"nothing is measured: {reason}")
        print(json.dumps({}))
        return
    began, per = os.getloadavg(), CHILDREN * DAYS
    day = by_rounds(SEEDS[0])
    with tempfile.TemporaryDirectory() as folder:
        made = Friday(Path(folder))
        friday = [made.brought_home(seed) for seed in SEEDS]
    least_s = friday[0]["bodies"] * 8 / (UP_BITS_PER_S * (1 - LOSS) * PAYLOAD_SHARE)
    figures = {
        "bytes_per_child_day": round(day["sent"] / CHILDREN), "rows_bytes_per_child_day": round(day["bodies"] / CHILDREN),
        "rounds_a_day": day["rounds"], "day_round_s": round(day["seconds"] / day["rounds"], 1),
        "at_once_bytes_per_child_day": round(statistics.median(one["sent"] for one in friday) / per),
        "at_once_rows_bytes_per_child_day": round(friday[0]["bodies"] / per),
        "as_reported_rows_bytes_per_child_day": round(as_reported(made.reports) / per),
        "reports_per_child_day": round(len(made.reports) / per), "rows_per_child_day": round(made.rows / per, 1),
        "at_once_round_s": round(statistics.median(one["seconds"] for one in friday), 1),
        "at_once_posting_s": round(statistics.median(one["posting"] for one in friday), 1),
        "least_s": round(least_s, 1), "share": round(statistics.median(least_s / one["posting"] for one in friday), 3),
        "round_share": round(statistics.median(least_s / one["seconds"] for one in friday), 3),
        "children": CHILDREN, "days": DAYS, "seeds": len(SEEDS), "loadavg": [*began, *os.getloadavg()],
    }  # fmt: skip
    for name, value in figures.items():
        print(f"{name:40} {value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--round"]:
        one_round(Path(sys.argv[2]))
    else:
        main()
