"""A stream that is brought on by what changed is the one that is made as a whole, whatever happened in whatever order."""

from contextlib import nullcontext
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.changes import FieldChange, FieldVersion, Tombstone
from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow, Unit
from eduhub.learning import progress
from eduhub.learning.models import Progress
from eduhub.rosters import erasing
from eduhub.schools.models import Enrolment, Group, LearnerRecord, Organisation, SchoolCalendar, Site
from eduhub.sync.models import Node, StreamRow, StreamState
from eduhub.sync.school_stream import scope, streams
from eduhub.sync.school_stream.watching import Watch
from eduhub.uids import new_uid
from tests.sync import whole_scope
from tests.sync.world import WEDNESDAY_MS, Hub

DAY_MS = 86_400_000
PICK = st.integers(0, 11)
DAYS = [None, "2026-11-20", "2026-11-25", "2026-11-26", "2026-11-27", "2026-12-24"]
ROLES = ["teacher", "student", "school_admin", "operator", "region_operator", "assistant"]
AUDIENCES = ["own", "listed", "all", "open"]
STATES = ["draft", "published", "withdrawn", "submitted"]
# Fields that decide who sees a row, and what another machine might have written there.
DECISIVE: dict[Any, list[str]] = {
    Person: ["org_uid"], Enrolment: ["person_uid", "group_uid", "ended_on"], RoleGrant: ["person_uid", "role", "ended_on"],
    Credential: ["person_uid", "kind", "verifier"], Course: ["org_uid", "audience"], Lesson: ["course_uid", "state"], Unit: ["course_uid"],
    Group: ["org_uid"], GroupCourse: ["group_uid"], PlanRow: ["group_uid"], Organisation: ["parent_uid"], Site: ["org_uid"],
}  # fmt: skip


class Undone(Exception):
    """Ends an example without keeping it."""


class Streams(RuleBasedStateMachine):
    """Anybody writes anything; two schools read their streams now and then."""

    hub: Hub

    def __init__(self) -> None:
        super().__init__()
        clock.freeze(WEDNESDAY_MS)
        self.day = self.steps = 0
        self.schools: list[str] = []
        self.rows: dict[Any, list[str]] = {}
        self.watch, self.is_watched = Watch(), True
        self.seen: dict[str, dict[scope.Key, tuple[str, int, int]]] = {}
        self.transaction = self.hub.here.database.write()
        self.session: Session = self.transaction.__enter__()

    def teardown(self) -> None:
        try:
            for org in self.schools:
                self.check(org)
        finally:
            clock.freeze(WEDNESDAY_MS)
            assert not self.transaction.__exit__(Undone, Undone(), None)

    @initialize()
    def begin(self) -> None:
        regions = [self.org("region", None), self.org("region", None)]
        self.schools = [self.org("school", regions[0]), self.org("school", regions[1])]
        self.orgs = [*regions, *self.schools]
        for org in self.schools:
            group = self.add(Group(org_uid=org, kind="cohort"))
            course = self.add(Course(org_uid=org, titles={}, audience="own"))
            self.enrol(self.add(Person(org_uid=org, name="Dolma")), group, org, None)
            self.lesson_of(course, "published")

    def org(self, kind: str, parent: str | None) -> str:
        uid = new_uid()
        return self.add(Organisation(uid=uid, org_uid=uid, kind=kind, parent_uid=parent, names={"en": kind}))

    def add(self, row: Any) -> str:
        self.session.add(row)
        self.session.flush()
        self.rows.setdefault(type(row), []).append(row.uid)
        return str(row.uid)

    def lesson_of(self, course: str, state: str) -> str:
        return self.add(Lesson(org_uid=self.orgs[0], course_uid=course, position=0, titles={}, texts={}, language="zh",
                               state=state, timeline_uid=new_uid()))  # fmt: skip

    def enrol(self, person: str, group: str, org: str, day: str | None) -> None:
        self.add(Enrolment(org_uid=org, person_uid=person, group_uid=group, starts_on="2026-09-01", ended_on=day))

    def somebody(self, who: int) -> str:
        """Every second one is new: somebody of whom nothing else is written."""
        return self.add(Person(org_uid=self.orgs[who // 2 % 4], name="Pema")) if who % 2 else self.one(Person, who // 2)

    def one(self, model: Any, pick: int) -> str:
        uids = self.rows.get(model) or [new_uid()]
        return uids[pick % len(uids)]

    # --- what people do -------------------------------------------------------------

    @rule(at=PICK, then=PICK)
    def somebody_comes(self, at: int, then: int) -> None:
        person = self.add(Person(org_uid=self.orgs[at % 4], name="Tashi"))
        if then % 3 == 0:
            self.session.add(LearnerRecord(uid=person, org_uid=self.orgs[at % 4], grade=3))
            self.session.flush()

    @rule(who=PICK, where=PICK, day=st.sampled_from(DAYS))
    def a_child_is_enrolled(self, who: int, where: int, day: str | None) -> None:
        self.enrol(self.somebody(who), self.one(Group, where), self.orgs[where % 4], day)

    @rule(who=PICK, role=st.sampled_from(ROLES), kind=st.sampled_from(["organisation", "group", "course", "all"]), at=PICK,
          day=st.sampled_from(DAYS))  # fmt: skip
    def a_role_is_granted(self, who: int, role: str, kind: str, at: int, day: str | None) -> None:
        uid = {"organisation": self.orgs[at % 4], "group": self.one(Group, at), "course": self.one(Course, at), "all": None}[kind]
        self.add(RoleGrant(org_uid=self.orgs[at % 4], person_uid=self.somebody(who), role=role, scope_kind=kind,
                           scope_uid=uid, starts_on="2026-09-01", ended_on=day))  # fmt: skip

    @rule(who=PICK, kind=st.sampled_from(["card", "home_token"]), at=PICK)
    def a_card_is_made(self, who: int, kind: str, at: int) -> None:
        self.add(Credential(org_uid=self.orgs[at % 4], person_uid=self.one(Person, who), kind=kind, verifier="v", machine_uid=new_uid()))

    @rule(who=PICK, at=PICK, day=st.sampled_from(DAYS))
    def a_word_for_boxes_is_made(self, who: int, at: int, day: str | None) -> None:
        self.add(Credential(org_uid=self.orgs[at % 4], person_uid=self.one(Person, who), kind="box_word",
                            verifier=f"until={day or '2026-11-28'} $", machine_uid=new_uid()))  # fmt: skip

    @rule(which=PICK)
    def a_word_or_card_is_used_or_ended(self, which: int) -> None:
        held = self.session.get(Credential, self.one(Credential, which))
        if held is not None:
            held.revoked_on = "2026-11-25"
            self.session.flush()

    @rule(at=PICK, audience=st.sampled_from(AUDIENCES), lessons=st.integers(0, 2))
    def a_course_is_made(self, at: int, audience: str, lessons: int) -> None:
        listed = [self.orgs[(at + 1) % 4]] if audience == "listed" else None
        course = self.add(Course(org_uid=self.orgs[at % 4], titles={}, audience=audience, listed_org_uids=listed))
        self.add(Unit(org_uid=self.orgs[at % 4], course_uid=course, titles={}, position=0))
        for number in range(lessons):
            self.lesson_of(course, STATES[number])

    @rule(which=PICK, audience=st.sampled_from(AUDIENCES), at=PICK)
    def an_audience_changes(self, which: int, audience: str, at: int) -> None:
        course = self.session.get(Course, self.one(Course, which))
        if course is not None:
            course.audience, course.listed_org_uids = audience, [self.orgs[at % 4]]
            self.session.flush()

    @rule(which=PICK, state=st.sampled_from(STATES))
    def a_lesson_is_published_or_not(self, which: int, state: str) -> None:
        self.lesson_of(self.one(Course, which), state)

    @rule(at=PICK, what=PICK)
    def a_class_takes_a_course_and_plans_a_lesson(self, at: int, what: int) -> None:
        group = self.one(Group, at)
        self.add(GroupCourse(org_uid=self.orgs[at % 4], group_uid=group, course_uid=self.one(Course, what), starts_on="2026-09-01"))
        self.add(PlanRow(org_uid=self.orgs[what % 4], group_uid=group, lesson_uid=self.one(Lesson, what)))

    @rule(at=PICK)
    def places_are_made(self, at: int) -> None:
        org = self.orgs[at % 4]
        self.add(Group(org_uid=org, kind="cohort"))
        site = self.add(Site(org_uid=org, name="site"))
        self.add(Node(org_uid=org, site_uid=site, name="n", signing_public="", sealing_public="", certificate={}))
        if self.session.get(SchoolCalendar, org) is None and changes.erased(self.session, "school_calendar", [org]) == set():
            self.add(SchoolCalendar(uid=org, org_uid=org, current_school_year=2026, terms=[], class_hours=[]))

    @rule(which=PICK, below=PICK)
    def a_place_moves(self, which: int, below: int) -> None:
        """Also into a ring, as two machines can make one."""
        place = self.session.get(Organisation, self.orgs[which % 4])
        if place is not None:
            place.parent_uid = [*self.orgs, None, new_uid()][below % 6]
            self.session.flush()

    @rule(which=PICK, word=st.text("ab", max_size=3))
    def words_change(self, which: int, word: str) -> None:
        for model, field, value in ((Organisation, "names", {"en": word}), (Course, "titles", {"en": word}), (Person, "name", word)):
            row = self.session.get(model, self.one(model, which))
            if row is not None:
                setattr(row, field, value)
        self.session.flush()

    @rule(model=st.sampled_from([Enrolment, RoleGrant, Credential]), which=PICK, who=PICK)
    def it_was_somebody_elses(self, model: Any, which: int, who: int) -> None:
        row = self.session.get(model, self.one(model, which))
        if row is not None:
            row.person_uid = self.somebody(who)
            self.session.flush()

    @rule(model=st.sampled_from(sorted(DECISIVE, key=str)), which=PICK, field=PICK, to=PICK, ahead=st.booleans())
    def another_machine_wrote_something_else(self, model: Any, which: int, field: int, to: int, ahead: bool) -> None:
        """It may win or lose."""
        name = DECISIVE[model][field % len(DECISIVE[model])]
        other: dict[str, Any] = {
            "org_uid": self.orgs[to % 4], "person_uid": self.one(Person, to), "group_uid": self.one(Group, to),
            "course_uid": self.one(Course, to), "ended_on": DAYS[to % len(DAYS)], "role": ROLES[to % len(ROLES)],
            "kind": ["card", "totp", "box_word"][to % 3], "verifier": f"until={DAYS[1 + to % 5]} $", "audience": AUDIENCES[to % 4], "state": STATES[to % 4],
            "parent_uid": self.orgs[to % 4],
        }  # fmt: skip
        counter = 10_000 + to if ahead else 1
        changes.merge(self.session, [FieldChange(
            model.__tablename__, self.one(model, which), name, counter, new_uid(), self.orgs[0], other[name], 1, None
        )])  # fmt: skip
        self.session.expire_all()

    @rule(model=st.sampled_from(sorted({*DECISIVE, SchoolCalendar, Node} - {Organisation}, key=str)), which=PICK)
    def a_row_is_erased(self, model: Any, which: int) -> None:
        row = self.session.get(model, self.one(model, which))
        if row is not None:
            changes.erase(self.session, row)
            self.session.expire_all()
            # Whose it was nobody knows any more: such a one the hourly round finds.
            self.is_watched = self.is_watched and model not in (Enrolment, RoleGrant)

    @rule(who=PICK)
    def a_child_is_erased(self, who: int) -> None:
        if self.session.get(Person, self.one(Person, who)) is not None:
            erasing.erase_child(self.session, self.one(Person, who))

    @rule(who=PICK, what=PICK, to_s=st.integers(1, 50))
    def somebody_learns(self, who: int, what: int, to_s: int) -> None:
        person = self.one(Person, who)
        if changes.erased(self.session, "person", [person]):
            return  # nothing is booked to somebody who was erased
        progress.take(self.session, {
            "person": person, "lesson": self.one(Lesson, what), "timeline": self.orgs[to_s % 2], "org": self.orgs[what % 4],
            "spans": [[0, to_s * 1000]], "watched_ms": to_s * 1000, "position_ms": 0, "last_event": new_uid(),
        })  # fmt: skip

    @rule(days=st.sampled_from([-1, 1, 2, 30]))
    def time_passes(self, days: int) -> None:
        self.day += days
        self.is_watched = self.is_watched and days > 0
        clock.freeze(WEDNESDAY_MS + self.day * DAY_MS)

    # --- what the boxes get ---------------------------------------------------------

    @invariant()
    def a_box_asks(self) -> None:
        """The one school at every second step, the other at every fifth."""
        self.steps += 1
        for every, org in zip((2, 5), self.schools, strict=False):
            if self.steps % every == 0:
                self.check(org)

    def check(self, org: str) -> None:
        before = self.seen.get(org, {})
        end_before = max((sequence for _kind, _seq, sequence in before.values()), default=0)
        self.watch.look(streams.ends(self.session), lambda: nullcontext(self.session))
        known = self.session.get(StreamState, org)
        has_moved, sequence_before = known is None or self.watch.has_moved(org, known), known.sequence if known else 0
        state = streams.refresh(self.session, org)
        if self.is_watched and not has_moved:
            assert state.sequence == sequence_before, "a poll would have said that nothing moved"
        rows = self.session.scalars(select(StreamRow).where(StreamRow.org_uid == org)).all()
        now = {(row.table_name, row.row_uid): (row.kind, row.change_seq, row.sequence) for row in rows}
        assert {key: value[:2] for key, value in now.items()} == expected(self.session, org, set(now))
        for key, (kind, seq, sequence) in now.items():
            if key in before and before[key][:2] == (kind, seq):
                assert sequence == before[key][2], "what did not move is not sent again"
            else:
                assert sequence > end_before
        sequences = [sequence for _kind, _seq, sequence in now.values()]
        assert len(set(sequences)) == len(sequences)
        assert max(sequences, default=0) <= state.sequence
        self.seen[org] = now


def expected(session: Session, org: str, placed: set[scope.Key]) -> dict[scope.Key, tuple[str, int]]:
    """The places of a school, by asking for everything."""
    today = clock.now().date().isoformat()
    visible = whole_scope.of_school(session, org, today)
    parts = scope.of_school(session, org, today)
    assert (parts.rows, parts.learners, parts.people) == (visible.rows, visible.learners, visible.people)
    newest = {(row[0], row[1]): row[2] for row in session.execute(
        select(FieldVersion.table_name, FieldVersion.row_uid, func.max(FieldVersion.change_seq))
        .group_by(FieldVersion.table_name, FieldVersion.row_uid)
    )}  # fmt: skip
    found = {key: ("row", newest.get(key, 0)) for key in visible.rows}
    for person, lesson, seq in session.execute(
        select(Progress.person_uid, Progress.lesson_uid, func.max(Progress.change_seq))
        .where(Progress.person_uid.in_(visible.learners)).group_by(Progress.person_uid, Progress.lesson_uid)
    ):  # fmt: skip
        found[("progress", f"{person}/{lesson}")] = ("progress", seq)
    erased = {(row[0], row[1]) for row in session.execute(select(Tombstone.table_name, Tombstone.row_uid))}
    return found | {key: ("tombstone" if key in erased else "removal", 0) for key in placed - found.keys()}


def test_a_stream_brought_on_is_the_one_made_as_a_whole(hub: Hub) -> None:
    class OfThisHub(Streams):
        pass

    OfThisHub.hub = hub
    run_state_machine_as_test(
        OfThisHub,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None,
            phases=(Phase.generate,),  # to make a story of 25 steps shorter takes minutes; it is shown as it was
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
        ),
    )  # fmt: skip


def test_a_ring_that_breaks_beyond_the_end_of_a_path_makes_the_path_longer(hub: Hub) -> None:
    """B, C and D hang on each other, and the path of the school ends at B; what hangs on C alone then lengthens it."""
    a, school = new_uid(), new_uid()
    b, c, d = sorted(new_uid() for _ in range(3))  # a ring is cut at its smallest
    above = {school: a, a: b, b: c, c: d, d: b}
    with hub.here.database.write() as session:
        session.add_all(Organisation(uid=uid, org_uid=uid, kind="region", parent_uid=to, names={}) for uid, to in above.items())
        session.flush()
        streams.refresh(session, school)
        before = expected(session, school, set())
        session.get_one(Organisation, d).parent_uid = c
        session.flush()
        streams.refresh(session, school)
        placed = {(row.table_name, row.row_uid): row.kind for row in session.scalars(select(StreamRow).where(StreamRow.org_uid == school))}
        now = expected(session, school, set(placed))
    assert ("organisation", c) not in before
    assert placed == {key: kind for key, (kind, _seq) in now.items()} == {("organisation", uid): "row" for uid in (school, a, b, c)}


def test_whose_it_was_is_looked_at_too_when_it_became_somebody_elses(hub: Hub) -> None:
    """A child whose only span turns out to be another's leaves the school with it."""
    school, other = hub.school("Shuanghu", children=1), hub.school("Nyima", children=1)
    (child,), (stranger,) = school.children, other.children
    with hub.here.database.write() as session:
        session.get_one(Person, child).org_uid = other.org
        session.flush()
        streams.refresh(session, school.org)
        for span in session.scalars(select(Enrolment).where(Enrolment.person_uid == child)):
            span.person_uid = stranger
        session.flush()
        streams.refresh(session, school.org)
        kinds = {row.row_uid: row.kind for row in session.scalars(select(StreamRow).where(StreamRow.org_uid == school.org, StreamRow.table_name == "person"))}
    assert kinds == {child: "removal", stranger: "row"}
