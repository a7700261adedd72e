"""What the hub makes of a batch is what it would make of its rows one by one, in a few questions."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.accounts.models import AuditEntry, Credential, Person, RoleGrant
from eduhub.changes import FieldChange
from eduhub.learning.models import Event, Progress, WatchTally
from eduhub.schools.models import Enrolment, Group, LearnerRecord
from eduhub.sync.homeward import inbox
from eduhub.sync.models import Node, StreamRow
from eduhub.uids import make_uid, new_uid
from tests.questions import counted
from tests.sync.world import WEDNESDAY_MS, Hub, School, watched

BOX = make_uid(WEDNESDAY_MS, 1)


def uid(number: int) -> str:
    """One of a few that rows name again."""
    return make_uid(WEDNESDAY_MS, 1000 + number)


def change(table: str, row_uid: str, counter: int, org: str, **fields: Any) -> dict[str, Any]:
    """A row of the outbox: some fields of one row."""
    made = [
        FieldChange(table, row_uid, name, counter, BOX, org, value, WEDNESDAY_MS).as_json()
        for name, value in {"org_uid": org, **fields}.items()
    ]  # fmt: skip
    return {"kind": "change", "version": 1, "body": {"changes": made}}


def event(body: dict[str, Any]) -> dict[str, Any]:
    """A row of the outbox: something happened."""
    return {"kind": "event", "version": 1, "body": body}


def numbered(rows: list[dict[str, Any]], first: int = 1) -> dict[str, Any]:
    """A batch."""
    return {
        "incarnation": BOX, "oldest": 1,
        "rows": [row | {"sequence": number} for number, row in enumerate(rows, start=first)],
    }  # fmt: skip


def test_ten_times_the_rows_are_no_more_questions(hub: Hub) -> None:
    school = hub.school("Shuanghu", children=3)
    node_uid, lesson, timeline = join(hub, school), new_uid(), new_uid()

    def asked(count: int) -> int:
        rows = [
            event(watched(school.org, school.children[number % 3], lesson=lesson) | {"timeline": timeline})
            for number in range(count)
        ] + [
            change("person", new_uid(), number, school.org, name=f"Child {number}") for number in range(1, count + 1)
        ]  # fmt: skip
        with hub.here.database.write() as session:
            node, held = session.get_one(Node, node_uid), inbox.receive(session, session.get_one(Node, node_uid), numbered([])).contiguous
            with counted(hub.here.database) as questions:
                received = inbox.receive(session, node, numbered(rows, first=held + 1))
        assert received.applied == 2 * count
        return len(questions)

    asked(6)
    assert asked(60) <= asked(6) + 3  # a counter that is moved on; long statements are cut


def test_one_row_that_fits_nothing_takes_no_other_with_it(hub: Hub) -> None:
    school = hub.school("Shuanghu")
    node_uid, children = join(hub, school), [new_uid() for _child in range(9)]
    rows = [change("person", child, 1, school.org, name=f"Child {number}") for number, child in enumerate(children)]
    rows[4] = change("person", children[4], 1, school.org, name=5)
    with hub.here.database.write() as session:
        received = inbox.receive(session, session.get_one(Node, node_uid), numbered(rows))
    assert (received.contiguous, received.applied, received.put_aside) == (9, 8, 1)
    with hub.here.database.read() as session:
        there = set(session.scalars(select(Person.uid).where(Person.uid.in_(children))))
    assert there == {*children} - {children[4]}


# --- whatever comes, together as one by one --------------------------------------------


def join(hub: Hub, school: School) -> str:
    """A box of the school, of which nothing is needed but its row."""
    with hub.here.database.write() as session:
        node = Node(uid=new_uid(), org_uid=school.org, site_uid=school.site, name="shuanghu-3", signing_public="", sealing_public="", certificate={})
        session.add(node)
    return node.uid


def a_row(school: School, other: School) -> st.SearchStrategy[dict[str, Any]]:
    """Something that a box sends: mostly what boxes send, of few children, and what none should."""
    few = st.integers(0, 5).map(uid)
    people = st.sampled_from([*school.children, *other.children]) | few
    groups = st.sampled_from([school.group, other.group, uid(7)])
    orgs = st.sampled_from([school.org] * 5 + [other.org])
    counters = st.integers(1, 6)
    spans = st.tuples(st.integers(0, 4), st.integers(1, 4)).map(lambda span: (span[0] * 10_000, (span[0] + span[1]) * 10_000))

    def watching(event_uid: int, org: str, actor: str, subjects: list[str], context: str, lesson: int, span: tuple[int, int]) -> dict[str, Any]:
        found = watched(org, actor, lesson=uid(20 + lesson), from_ms=span[0], to_ms=span[1])
        return event(found | {"uid": uid(100 + event_uid), "subjects": subjects, "context": context, "timeline": uid(30)})

    def enrolling(row: str, counter: int, org: str, person: str, group: str, ended: str | None) -> dict[str, Any]:
        return change("enrolment", row, counter, org, person_uid=person, group_uid=group, starts_on="2026-09-01", ended_on=ended)

    ends = st.sampled_from([None, None, "2026-10-01"])
    return st.one_of(
        st.builds(
            watching, st.integers(0, 12), orgs, people, st.sampled_from([[], [], [school.children[0], uid(0)]]),
            st.sampled_from(["own_device", "station"]), st.integers(0, 2), spans,
        ),
        st.builds(lambda row, counter, org, name: change("person", row, counter, org, name=name), people, counters, orgs, st.sampled_from(["Dolma", "Pema", 5])),
        st.builds(enrolling, st.integers(10, 13).map(uid), counters, orgs, people, groups, ends),
        st.builds(lambda row, counter: change("enrolment", row, counter, school.org, ended_on="2026-10-01"), st.integers(10, 13).map(uid), counters),
        st.builds(lambda row, counter: change("learner_record", row, counter, school.org, grade=counter), people, counters),
        st.builds(lambda counter: change(
            "learner_group", uid(7), counter, school.org, kind="cohort", site_uid=school.site, stage="primary", intake_year=2025, class_number=2
        ), counters),
        st.builds(lambda row, counter, person: change(
            "credential", row, counter, school.org, person_uid=person, kind="card", verifier="v", machine_uid=BOX
        ), st.integers(14, 15).map(uid), counters, people),
        st.builds(lambda row, counter, person, group: change(
            "role_grant", row, counter, school.org, person_uid=person, role="assistant", scope_kind="group", scope_uid=group, starts_on="2026-09-01"
        ), st.integers(16, 17).map(uid), counters, people, groups),
        st.sampled_from([event({"uid": "nonsense"}), {"kind": "riddle", "body": {}}, {"kind": "change", "body": {"changes": 1}}]),
    )  # fmt: skip


class TakenBack(Exception):
    """So that a transaction keeps nothing."""


def after(hub: Hub, node_uid: str, batches: list[dict[str, Any]]) -> list[object]:
    """What the hub holds when it has taken these."""
    found: list[object] = []
    try:
        with hub.here.database.write() as session:
            for batch in batches:
                inbox.receive(session, session.get_one(Node, node_uid), batch)
            found = state(session)
            raise TakenBack
    except TakenBack:
        return found


def state(session: Session) -> list[object]:
    """Everything that a batch may touch, but for the numbers in the order of which it was written."""
    asked = (
        select(Event.uid, Event.quarantined), select(WatchTally.lesson_uid, WatchTally.org_uid, WatchTally.played_ms),
        select(Progress.person_uid, Progress.lesson_uid, Progress.spans, Progress.watched_ms, Progress.position_ms, Progress.last_event_uid),
        select(Person.uid, Person.org_uid, Person.name), select(Enrolment.uid, Enrolment.person_uid, Enrolment.group_uid, Enrolment.ended_on),
        select(LearnerRecord.uid, LearnerRecord.grade), select(Group.uid, Group.org_uid), select(Credential.uid, Credential.person_uid),
        select(RoleGrant.uid, RoleGrant.person_uid), select(StreamRow.org_uid, StreamRow.table_name, StreamRow.row_uid, StreamRow.kind),
        select(AuditEntry.action),
    )  # fmt: skip
    return [sorted(map(repr, session.execute(one))) for one in asked]


def test_rows_taken_together_come_to_what_they_come_to_one_by_one(hub: Hub) -> None:
    school, other = hub.school("Shuanghu", children=2), hub.school("Nyima", children=2)
    node_uid = join(hub, school)
    with hub.here.database.write() as session:  # one of Nyima's learns here, too
        session.add(Enrolment(uid=uid(13), org_uid=school.org, person_uid=other.children[0], group_uid=school.group, starts_on="2026-09-01"))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(a_row(school, other), min_size=2, max_size=14))
    def check(rows: list[dict[str, Any]]) -> None:
        one_by_one = [numbered([row], first=number) for number, row in enumerate(rows, start=1)]
        assert after(hub, node_uid, [numbered(rows)]) == after(hub, node_uid, one_by_one)

    check()
