"""Machines that exchange their logs in any order end equal."""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from eduhub import changes
from eduhub.changes import Change, FieldChange, FieldVersion, Machine, Tombstone
from eduhub.db import Database
from eduhub.errors import BadInput
from eduhub.schools.models import Enrolment, Group, LearnerRecord
from eduhub.uids import make_uid

ORG = make_uid(1, 1)
ROWS = [make_uid(2, number) for number in range(3)]
DAYS = ["2026-09-01", "2027-01-10", "2027-07-01"]

Act = tuple[Any, ...]

acts = st.lists(
    st.one_of(
        st.tuples(st.just("enrol"), st.integers(0, 2), st.integers(0, 2), st.sampled_from(DAYS)),
        st.tuples(st.just("move"), st.integers(0, 2), st.integers(0, 2), st.sampled_from(["a", "b", "c"])),
        st.tuples(st.just("withdraw"), st.integers(0, 2), st.integers(0, 2), st.sampled_from(DAYS)),
        st.tuples(st.just("grade"), st.integers(0, 2), st.integers(0, 2), st.one_of(st.none(), st.integers(1, 9))),
        st.tuples(st.just("rename"), st.integers(0, 2), st.integers(0, 2), st.dictionaries(st.sampled_from(["bo", "zh"]), st.text("ab", max_size=2))),
        st.tuples(st.just("erase"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("send"), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2**20)),
    ),
    max_size=25,
)  # fmt: skip


@dataclass
class Village:
    """Some machines and what a test does on them."""

    machines: list[Database]

    def empty(self) -> None:
        for database in self.machines:
            with database.engine.begin() as connection:
                for model in (Machine, Change, FieldVersion, Tombstone, Enrolment, Group, LearnerRecord):
                    connection.execute(delete(model.__table__))

    def do(self, act: Act) -> None:
        kind, place, row, *rest = act
        place %= len(self.machines)
        if kind == "send":
            self.send(place, (row + place) % len(self.machines), pick=rest[0])
            return
        # Of a span that was ended elsewhere only the end may have arrived: it cannot begin here again.
        with suppress(BadInput) if kind == "enrol" else nullcontext(), self.machines[place].write() as session:
            getattr(self, f"_{kind}")(session, row, *rest)

    def _enrol(self, session: Any, row: int, day: str) -> None:
        if session.get(Tombstone, ("enrolment", ROWS[row])) is None and session.get(Enrolment, ROWS[row]) is None:
            session.add(
                Enrolment(uid=ROWS[row], org_uid=ORG, person_uid="p", group_uid="g", starts_on=day)
            )

    def _move(self, session: Any, row: int, group: str) -> None:
        if span := session.get(Enrolment, ROWS[row]):
            span.group_uid = group

    def _withdraw(self, session: Any, row: int, day: str) -> None:
        if span := session.get(Enrolment, ROWS[row]):
            span.ended_on, span.end_reason = day, "withdrawn"

    def _grade(self, session: Any, row: int, grade: int | None) -> None:
        if session.get(Tombstone, ("learner_record", ROWS[row])) is not None:
            return
        record = session.get(LearnerRecord, ROWS[row])
        if record is None:
            session.add(record := LearnerRecord(uid=ROWS[row], org_uid=ORG))
        record.grade = grade

    def _rename(self, session: Any, row: int, names: dict[str, str]) -> None:
        if session.get(Tombstone, ("learner_group", ROWS[row])) is not None:
            return
        group = session.get(Group, ROWS[row])
        if group is None:
            session.add(group := Group(uid=ROWS[row], org_uid=ORG, kind="cohort"))
        group.names = names

    def _erase(self, session: Any, row: int) -> None:
        if span := session.get(Enrolment, ROWS[row]):
            changes.erase(session, span)

    def send(self, source: int, target: int, *, pick: int | None = None) -> None:
        """Some (`pick`: which, as bits; None: all) of one machine's log to another, newest first when odd."""
        with self.machines[source].read() as session:
            log = [_from(row) for row in session.scalars(select(Change).order_by(Change.seq))]
            graves = session.execute(select(Tombstone.table_name, Tombstone.row_uid, Tombstone.org_uid)).all()
        if pick is not None:
            log = [change for number, change in enumerate(log) if pick >> number % 20 & 1]
            log = log[::-1] if pick % 2 else log + log
            graves = graves[: pick % 3]
        with self.machines[target].write() as session:
            changes.merge(session, [FieldChange.from_json(change.as_json()) for change in log])
            for table_name, row_uid, org_uid in graves:
                changes.bury(session, table_name, row_uid, org_uid)

    def exchange_everything(self) -> None:
        for _round in range(2):
            for source in range(len(self.machines)):
                for target in range(len(self.machines)):
                    if source != target:
                        self.send(source, target)

    def states(self) -> list[Any]:
        found = []
        for database in self.machines:
            with database.read() as session:
                tables = [
                    [tuple(row) for row in session.execute(select(model.__table__).order_by(model.uid))]
                    for model in (Enrolment, Group, LearnerRecord)
                ]
                winners = session.execute(
                    select(FieldVersion.table_name, FieldVersion.row_uid, FieldVersion.field, Change.value)
                    .join(Change, Change.seq == FieldVersion.change_seq)
                    .order_by(FieldVersion.table_name, FieldVersion.row_uid, FieldVersion.field)
                )
                log = {(*change.as_json()[:5], repr(change.value)) for change in map(_from, session.scalars(select(Change)))}
                found.append((tables, [tuple(row) for row in winners], log))
        return found


def _from(row: Change) -> FieldChange:
    return FieldChange(
        row.table_name, row.row_uid, row.field, row.counter, row.machine_uid, row.org_uid, row.value, row.made_ms, row.by_uid
    )  # fmt: skip


histories = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@histories
@given(history=acts)
def test_two_machines_end_equal_whatever_they_did(second_database: Callable[[], Database], history: list[Act]) -> None:
    _end_equal(second_database, 2, history)


@histories
@given(history=acts)
def test_three_machines_end_equal_whatever_they_did(
    second_database: Callable[[], Database], history: list[Act]
) -> None:
    _end_equal(second_database, 3, history)


@histories
@given(before=acts, after=acts)
def test_clones_that_still_bear_one_name_end_equal(
    second_database: Callable[[], Database], before: list[Act], after: list[Act]
) -> None:
    village = _village(second_database, 2)
    for act in before:
        village.do(act)
    village.exchange_everything()
    with village.machines[0].read() as session:
        machine = session.execute(select(Machine.uid, Machine.counter)).first()
    if machine is not None:
        with village.machines[1].write() as session:
            changes.machine_uid(session)
            session.execute(update(Machine).values(uid=machine.uid, counter=machine.counter))
    for act in after:
        village.do(act)
    village.exchange_everything()
    first, second = village.states()
    assert first == second


def _end_equal(second_database: Callable[[], Database], count: int, history: list[Act]) -> None:
    village = _village(second_database, count)
    for act in history:
        village.do(act)
    village.exchange_everything()
    first, *others = village.states()
    for other in others:
        assert other == first


_villages: dict[tuple[int, int], Village] = {}


def _village(second_database: Callable[[], Database], count: int) -> Village:
    # One fixture call serves all examples of a test; its databases are emptied between them.
    place = (id(second_database), count)
    if place not in _villages:
        _villages.clear()
        _villages[place] = Village([second_database() for _ in range(count)])
    _villages[place].empty()
    return _villages[place]
