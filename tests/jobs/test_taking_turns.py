"""Priorities, schools that take turns, limits and time windows: who goes next."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, text

from eduhub import clock
from eduhub.config import Settings
from eduhub.db import Database
from eduhub.errors import BadInput
from eduhub.jobs import lanes, queue, turns
from eduhub.jobs.models import JobRow, JobTurn
from eduhub.jobs.running import Worker
from eduhub.uids import new_uid

NOON_MS = 1_800_072_000_000  # 2027-01-16 12:00 in Shanghai
HOUR_MS = 3_600_000
KINDS = ["encode", "publish"]


class Hub:
    """A hub whose jobs carry the name of what they are; `next()` does the next one, or tells that there is none."""

    def __init__(self, database: Database, worker: Worker) -> None:
        self.database, self.worker = database, worker

    def add(self, school: str | None, name: str, *, kind: str = "encode", priority: int = 50, window: str = "") -> str:
        clock.freeze(clock.now_ms() + 1)  # age is told in milliseconds
        with self.database.write() as session:
            return queue.enqueue(
                session, kind, {"name": name}, org_uid=school, priority=priority, time_window=window
            ).uid

    def take(self, **how) -> queue.Claim | None:
        return queue.claim(self.database, self.worker, KINDS, 3600, **how)

    def next(self, **how) -> str | None:
        held = self.take(**how)
        if held is None:
            return None
        with self.database.write() as session:
            queue.finish(session, held)
        return held.args["name"]

    def rest(self, **how) -> list[str]:
        return list(iter(lambda: self.next(**how), None))


@pytest.fixture
def hub(database: Database, tmp_path: Path) -> Iterator[Hub]:
    clock.freeze(NOON_MS)
    with Worker(tmp_path / "run") as worker:
        yield Hub(database, worker)


def test_schools_take_turns_within_a_priority(hub):
    for number in range(4):
        hub.add("Nyalam", f"nyalam {number}")
    hub.add("Shuanghu", "shuanghu 0"), hub.add("Shuanghu", "shuanghu 1"), hub.add("Gertse", "gertse 0")
    assert hub.rest() == ["nyalam 0", "shuanghu 0", "gertse 0", "nyalam 1", "shuanghu 1", "nyalam 2", "nyalam 3"]


def test_a_smaller_priority_goes_before_anybodys_turn(hub):
    hub.add("Nyalam", "floor", priority=50), hub.add("Nyalam", "v360", priority=60)
    hub.add("Shuanghu", "their v360", priority=60)
    assert hub.next() == "floor"
    hub.add("Nyalam", "second floor", priority=50)
    assert hub.rest() == ["second floor", "v360", "their v360"]


def test_turns_in_one_priority_cost_none_in_another(hub):
    """A school that sends many floors does not wait longer for its videos than one that sends none."""
    hub.add("Nyalam", "nyalam v360 a", priority=60), hub.add("Shuanghu", "shuanghu v360 a", priority=60)
    hub.add("Nyalam", "nyalam v360 b", priority=60), hub.add("Shuanghu", "shuanghu v360 b", priority=60)
    done = []
    for number in range(4):
        hub.add("Nyalam", f"floor {number}", priority=50)
        done += [hub.next(), hub.next()]
    assert done[1::2] == ["nyalam v360 a", "shuanghu v360 a", "nyalam v360 b", "shuanghu v360 b"]


def test_work_of_no_school_takes_its_turn_too(hub):
    hub.add("Nyalam", "nyalam 0"), hub.add("Nyalam", "nyalam 1"), hub.add(None, "scrub")
    assert hub.rest() == ["nyalam 0", "scrub", "nyalam 1"]


def test_a_school_whose_worker_died_has_not_had_its_turn(hub, tmp_path):
    hub.add("Nyalam", "nyalam"), hub.add("Shuanghu", "shuanghu")
    with Worker(tmp_path / "run") as dying:
        held = queue.claim(hub.database, dying, KINDS, 3600)
        assert held is not None
        assert held.args == {"name": "nyalam"}
    assert hub.rest() == ["nyalam", "shuanghu"]


def test_a_school_whose_job_was_given_back_has_not_had_its_turn(hub):
    hub.add("Nyalam", "nyalam"), hub.add("Shuanghu", "shuanghu")
    held = hub.take()
    with hub.database.write() as session:
        queue.give_back(session, held)
    assert hub.rest() == ["nyalam", "shuanghu"]


def test_a_kind_at_its_limit_holds_up_no_other(hub):
    hub.add("Nyalam", "a"), hub.add("Nyalam", "b"), hub.add("Nyalam", "publishing", kind="publish", priority=90)
    assert hub.take(limits={"encode": 1}) is not None
    assert hub.rest(limits={"encode": 1}) == ["publishing"]
    assert hub.take() is not None


def test_a_job_whose_line_is_not_known_is_found_all_the_same(hub):
    hub.add("Nyalam", "left by another release")
    with hub.database.write() as session:
        session.execute(delete(JobTurn))
    assert hub.next() == "left by another release"


def test_work_in_a_time_window_begins_only_while_that_is_open(hub):
    hub.add("Nyalam", "v720", window="encode", priority=55), hub.add("Nyalam", "v240", priority=60)
    hub.add("Nyalam", "light v360", window="encode", priority=60)
    assert hub.rest(closed={"encode"}) == ["v240"]
    assert hub.rest() == ["v720", "light v360"]
    with pytest.raises(BadInput):
        hub.add("Nyalam", "?", window="siesta")


def at(clock_there: str) -> int:
    hours, minutes = clock_there.split(":")
    return NOON_MS + (int(hours) - 12) * HOUR_MS + int(minutes) * 60_000


@pytest.mark.parametrize(
    ("window", "moment", "hours"),
    [
        ("22:00-06:00", "21:59", 1 / 60), ("22:00-06:00", "22:00", 0), ("22:00-06:00", "23:59", 0),
        ("22:00-06:00", "00:00", 0), ("22:00-06:00", "05:59", 0), ("22:00-06:00", "06:00", 16),
        ("09:00-17:00", "08:00", 1), ("09:00-17:00", "12:00", 0), ("09:00-17:00", "17:00", 16),
        ("00:00-24:00", "13:37", 0), ("00:00-00:00", "13:37", 0), ("20:00-24:00", "23:59", 0),
        ("20:00-24:00", "00:00", 20), ("24:00-05:00", "06:00", 18), ("24:00-05:00", "04:59", 0),
    ],
)  # fmt: skip
def test_a_window_knows_when_it_opens(window, moment, hours):
    clock.freeze(at(moment))
    settings = Settings(encode_window=window, time_zone="Asia/Shanghai")
    assert lanes.opens_in_s(settings) == {"encode": pytest.approx(hours * 3600)}
    assert lanes.closed_now(settings) == (frozenset() if hours == 0 else {"encode"})


def test_a_window_is_of_the_wall_also_on_the_day_the_clocks_change():
    settings = Settings(encode_window="09:00-10:00", time_zone="Europe/Berlin")
    clock.freeze(1_806_188_400_000)  # 2027-03-28 00:00 there, an hour of which is left out at two
    assert lanes.opens_in_s(settings)["encode"] == 8 * 3600


def test_a_clock_that_is_surely_wrong_closes_nothing():
    clock.freeze(86_400_000)
    assert lanes.closed_now(Settings(encode_window="22:00-06:00", time_zone="UTC")) == frozenset()


@pytest.fixture
def many(hub: Hub) -> Hub:
    """Ten thousand jobs of a hundred schools, two thirds of them in a window."""
    with hub.database.write() as session:
        for number in range(100):
            queue.enqueue(session, "encode", {"name": "first"}, org_uid=f"school {number:02}", priority=60)
        same = {"kind": "encode", "args": {"name": "more"}, "state": "waiting", "priority": 60, "not_before_ms": 0,
                "attempt": 0, "max_attempts": 5, "cancel_asked": False, "progress_permille": 0, "made_ms": 0}  # fmt: skip
        session.execute(insert(JobRow), [
            same | {"uid": new_uid(), "turn_of": f"school {number % 90:02}", "time_window": ("", "encode")[number % 3 > 0]}
            for number in range(9900)
        ])  # fmt: skip
    if not hub.database.is_sqlite:
        with hub.database.engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE job, job_turn")
            connection.commit()
    return hub


@pytest.mark.parametrize(
    ("kinds", "closed", "found"), [(["encode"], (), True), (["encode"], ("encode",), True), (["publish"], (), False)]
)
def test_a_claim_does_not_read_the_thousands_that_wait(many, kinds, closed, found):
    with many.database.write() as session:
        raw = session.connection().connection.driver_connection
        thousands = 0

        def count() -> None:
            nonlocal thousands
            thousands += 1

        if many.database.is_sqlite:
            raw.set_progress_handler(count, 1000)  # steps of its machine; a row that is looked at costs several
        assert (turns.next_job(session, kinds, closed) is not None) is found
        if many.database.is_sqlite:
            raw.set_progress_handler(None, 0)
            assert thousands < 5
        else:
            read = session.execute(text(
                "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname IN ('job', 'job_turn')"
            )).scalar_one()  # fmt: skip
            assert read < 500
