"""What happens at a box is at the hub once, whatever is repeated, reordered or lost on the way."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from eduhub import changes
from eduhub.accounts.models import Person
from eduhub.errors import BadFormat, BadSignature, LinkDown, NodeRefused
from eduhub.installation import Installation
from eduhub.learning import events
from eduhub.learning.models import Event, Progress
from eduhub.schools.models import Enrolment
from eduhub.sync.homeward import inbox, outbox
from eduhub.sync.models import InboxState, Node, OutboxRow, Upstream
from eduhub.uids import new_uid
from tests.sync.world import Hub, School, watched


def watch(box: Installation, school: School, child: str, **facts: Any) -> str:
    """A child watches something at the box; returns the event's uid."""
    event = watched(school.org, child, **facts)
    with box.database.write() as session:
        events.append(session, [event], source=changes.machine_uid(session))
        outbox.add_events(session, box.steady, [event])
    return str(event["uid"])


def enrol(box: Installation, school: School, name: str) -> str:
    """Pema enrols a new child at the box; returns the child's uid."""
    with box.database.write() as session:
        person = Person(org_uid=school.org, name=name)
        session.add_all([person, Enrolment(
            org_uid=school.org, person_uid=person.uid, group_uid=school.group, starts_on="2026-11-25"
        )])  # fmt: skip
    return person.uid


def events_at(hub: Hub) -> list[str]:
    with hub.here.database.read() as session:
        return sorted(session.scalars(select(Event.uid)))


def test_what_a_child_watched_comes_home_and_counts_once(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    uid = watch(box, school, school.children[0])
    assert hub.sync(box).outbox_rows == 1
    hub.sync(box)
    assert events_at(hub) == [uid]
    with hub.here.database.read() as session:
        assert session.scalars(select(Progress)).one().watched_ms == 30_000


def test_a_child_enrolled_at_the_box_is_enrolled_at_the_hub_and_at_the_other_box(
    hub: Hub, make_box: Callable[[], Installation]
) -> None:
    school = hub.school("Shuanghu")
    first, second = make_box(), make_box()
    hub.join(first, school, "shuanghu-1")
    hub.join(second, school, "shuanghu-2")
    hub.sync(first)
    child = enrol(first, school, "Dolma")
    uid = watch(first, school, child)
    hub.sync(first)
    hub.sync(second)
    with hub.here.database.read() as at_hub, second.database.read() as at_second:
        for session in (at_hub, at_second):
            assert session.get_one(Person, child).name == "Dolma"
            assert session.scalars(select(Enrolment.person_uid)).all() == [child]
        assert at_second.scalars(select(Progress.person_uid)).all() == [child]
    assert events_at(hub) == [uid]


def test_a_lost_acknowledgement_doubles_nothing(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    uid = watch(box, school, school.children[0])
    hub.wire.lose_answers_to = {"/sync/v1/outbox"}
    for _time in range(3):
        with pytest.raises(LinkDown):
            hub.sync(box)
    with box.database.read() as session:
        assert outbox.waiting(session) == 1
    hub.wire.lose_answers_to = set()
    hub.sync(box)
    assert events_at(hub) == [uid]
    with hub.here.database.read() as session:
        assert session.scalars(select(Progress)).one().watched_ms == 30_000


def test_batches_stay_below_64_kib_and_all_rows_arrive(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    made = [watched(school.org, school.children[0]) for _number in range(600)]
    with box.database.write() as session:
        outbox.add_events(session, box.steady, made)
        assert len(outbox.next_batch(session, changes.machine_uid(session)).body) <= outbox.MAX_BATCH_BYTES  # type: ignore[union-attr]
    hub.sync(box)
    assert len(events_at(hub)) == 600


def test_acknowledged_rows_are_kept_35_days_of_running_time_and_the_count_goes_on(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    for _number in range(3):
        watch(box, school, school.children[0])
    hub.sync(box)
    with box.database.write() as session:
        outbox.prune(session, box.steady)
        assert len(session.scalars(select(OutboxRow)).all()) == 3
        for row in session.scalars(select(OutboxRow)):
            row.acknowledged_steady_s = int(box.steady.now_s()) - outbox.KEPT_S - 1
        session.flush()
        outbox.prune(session, box.steady)
        assert session.scalars(select(OutboxRow.sequence)).all() == [3]
    watch(box, school, school.children[0])
    with box.database.read() as session:
        assert session.scalars(select(OutboxRow.sequence).order_by(OutboxRow.sequence)).all() == [3, 4]


def test_a_renewed_box_counts_anew_under_another_incarnation(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    uids = [watch(box, school, school.children[0])]
    with box.database.write() as session:
        changes.renew_machine(session)
    uids.append(watch(box, school, school.children[0]))
    hub.sync(box)
    assert events_at(hub) == sorted(uids)
    with hub.here.database.read() as session:
        assert sorted(session.scalars(select(InboxState.contiguous))) == [1, 1]


# --- batches that no box of ours would send ------------------------------------------


def node_of(hub: Hub, session: Any) -> Node:
    return session.scalars(select(Node)).one()  # type: ignore[no-any-return]


@pytest.mark.parametrize("body", [
    b"", b"not gzip", gzip.compress(b"[]"), gzip.compress(b"{}"), gzip.compress(b"\xff"),
    gzip.compress(b'{"format":"eduhub-outbox/1","incarnation":"x","oldest":1,"rows":[]}'),
    gzip.compress(b"0" * (inbox.MAX_UNPACKED_BYTES + 10)), b"\0" * (outbox.MAX_BATCH_BYTES + 1),
    gzip.compress(b"[" * 100_000), gzip.compress(b"{}" * 50)[:20],
], ids=[
    "nothing", "not gzip", "a list", "an empty object", "not text", "an incarnation that is no uid", "a bomb", "too long",
    "too deep", "cut short",
])  # fmt: skip
def test_a_batch_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(BadFormat):
        inbox.unpack(body)


def test_nobody_may_speak_for_another_box_or_for_the_hub(hub: Hub, make_box: Callable[[], Installation]) -> None:
    school = hub.school("Shuanghu")
    first, second = make_box(), make_box()
    hub.join(first, school, "shuanghu-1")
    other = hub.join(second, school, "shuanghu-2")
    hub.sync(first)
    watch(first, school, new_uid())
    hub.sync(first)
    with first.database.read() as session:
        taken = changes.machine_uid(session)
    with hub.here.database.write() as session:
        node = session.get_one(Node, other)
        for incarnation in (taken, changes.machine_uid(session)):
            with pytest.raises(NodeRefused):
                inbox.receive(session, node, {"incarnation": incarnation, "oldest": 1, "rows": []})


def test_a_box_that_takes_a_new_name_each_time_is_refused_in_the_end_and_its_old_names_go_on(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_INCARNATIONS", 3)
    other = hub.join(box, hub.school("Shuanghu"))
    names = [new_uid() for _ in range(3)]
    with hub.here.database.write() as session:
        node = session.get_one(Node, other)
        for incarnation in names * 2:
            inbox.receive(session, node, {"incarnation": incarnation, "oldest": 1, "rows": []})
        with pytest.raises(NodeRefused):
            inbox.receive(session, node, {"incarnation": new_uid(), "oldest": 1, "rows": []})
        assert len(session.scalars(select(InboxState)).all()) == 3


def test_an_acknowledgement_of_something_else_is_refused(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    watch(box, school, school.children[0])
    hub.wire.spoil = (
        lambda path, _at, piece: piece.replace(b'"contiguous":1', b'"contiguous":9') if path.endswith("outbox") else piece
    )
    with pytest.raises(BadSignature):
        hub.sync(box)
    with box.database.read() as session:
        assert outbox.waiting(session) == 1
        assert session.scalars(select(Upstream.last_error)).one() == "signing.bad_signature"


def test_events_of_another_schools_children_are_put_aside_and_do_not_stop_the_rest(
    hub: Hub, box: Installation
) -> None:
    school, other = hub.school("Shuanghu", children=1), hub.school("Nyima", children=1)
    hub.join(box, school)
    hub.sync(box)
    rows = [
        {"sequence": 1, "kind": "event", "version": 1, "body": watched(other.org, other.children[0])},
        {"sequence": 2, "kind": "event", "version": 1, "body": watched(school.org, other.children[0])},
        {"sequence": 3, "kind": "event", "version": 1, "body": {"uid": "nonsense"}},
        {"sequence": 4, "kind": "riddle", "version": 1, "body": {}},
        {"sequence": 5, "kind": "event", "version": 1, "body": watched(school.org, school.children[0])},
    ]
    with hub.here.database.write() as session:
        received = inbox.receive(session, node_of(hub, session), {"incarnation": new_uid(), "oldest": 1, "rows": rows})
        assert (received.contiguous, received.applied, received.put_aside) == (5, 1, 4)
    with hub.here.database.read() as session:
        assert set(session.scalars(select(Progress.person_uid))) == {school.children[0]}


def test_rows_that_are_gone_for_good_at_the_box_are_not_waited_for(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    row = {"sequence": 41, "kind": "event", "version": 1, "body": watched(school.org, school.children[0])}
    with hub.here.database.write() as session:
        received = inbox.receive(session, node_of(hub, session), {"incarnation": new_uid(), "oldest": 41, "rows": [row]})
    assert (received.contiguous, received.applied) == (41, 1)


# --- any order, any repetition --------------------------------------------------------


@pytest.fixture
def state_machine_world(hub: Hub, box: Installation) -> tuple[Hub, School]:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    return hub, school


def test_exactly_once_under_repeated_reordered_and_lost_batches(state_machine_world: tuple[Hub, School]) -> None:
    hub, school = state_machine_world

    class Home(RuleBasedStateMachine):
        """A box that makes events and posts batches of them; answers get lost, batches come twice and late."""

        @initialize()
        def begin(self) -> None:
            self.incarnation = new_uid()
            self.made: list[dict[str, Any]] = []
            self.acknowledged = 0
            self.sent: list[bytes] = []

        @rule()
        def something_is_watched(self) -> None:
            self.made.append(watched(school.org, school.children[0]))

        @rule(count=st.integers(1, 4))
        def a_batch_is_posted(self, count: int) -> None:
            rows = [
                {"sequence": number, "kind": "event", "version": 1, "body": event}
                for number, event in enumerate(self.made, start=1)
                if self.acknowledged < number <= self.acknowledged + count
            ]
            self.sent.append(outbox.pack(self.incarnation, 1, rows))

        @rule(choice=st.integers(0, 100), answer_arrives=st.booleans())
        def some_batch_arrives(self, choice: int, answer_arrives: bool) -> None:
            if not self.sent:
                return
            body = self.sent[choice % len(self.sent)]
            with hub.here.database.write() as session:
                received = inbox.receive(session, node_of(hub, session), inbox.unpack(body))
            assert received.contiguous >= self.acknowledged
            if answer_arrives:
                self.acknowledged = received.contiguous

        @invariant()
        def the_hub_holds_what_it_acknowledged_each_once(self) -> None:
            if not hasattr(self, "made"):
                return
            own = [event["uid"] for event in self.made]
            with hub.here.database.read() as session:
                held = session.scalars(select(Event.uid).where(Event.source == self.incarnation)).all()
                total = sum(session.scalars(select(Progress.watched_ms)))
                every = session.scalars(select(Event.uid)).all()
            assert sorted(held) == sorted(own[: len(held)])
            assert len(held) >= self.acknowledged
            assert total == 30_000 * len(every)

    Home.TestCase.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
    Home.TestCase().runTest()


def test_a_batch_is_gzip_json_that_anybody_can_write() -> None:
    incarnation = new_uid()
    found = inbox.unpack(gzip.compress(json.dumps(
        {"format": "eduhub-outbox/1", "incarnation": incarnation, "oldest": 1, "rows": [], "later": True}
    ).encode()))  # fmt: skip
    assert found["incarnation"] == incarnation
