"""A school's boxes see their own school and nothing of any other; what leaves their sight is taken away."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from eduhub import changes, clock
from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.changes import Tombstone
from eduhub.courses.models import Course, Lesson
from eduhub.delivery.trust import keyring
from eduhub.errors import BadFormat, BadSignature, LinkDown
from eduhub.installation import Installation
from eduhub.learning import events, progress
from eduhub.learning.models import Progress
from eduhub.schools.models import Enrolment, Organisation
from eduhub.signing import SigningKey, canonical, parse_canonical
from eduhub.sync.models import Node, StreamPage, StreamRow, Upstream
from eduhub.sync.school_stream import applying, stream_pages, streams
from eduhub.uids import new_uid
from tests.sync.world import Hub, School, watched


def names_at(box: Installation) -> set[str]:
    with box.database.read() as session:
        return set(session.scalars(select(Person.name)))


def withdraw(hub: Hub, child: str, reason: str = "withdrawn") -> None:
    with hub.here.database.write() as session:
        for span in session.scalars(select(Enrolment).where(Enrolment.person_uid == child)):
            span.ended_on, span.end_reason = "2026-11-25", reason


def test_a_box_gets_its_school_and_its_children(hub: Hub, box: Installation) -> None:
    school, other = hub.school("Shuanghu", children=2), hub.school("Nyima", children=2)
    hub.course(hub.region, groups=(school,))
    hub.join(box, school)
    hub.sync(box)
    assert names_at(box) == {"Shuanghu child 0", "Shuanghu child 1"}
    with box.database.read() as session:
        assert set(session.scalars(select(Organisation.uid))) == {school.org, hub.region}
        assert session.get(Organisation, other.org) is None
        assert session.scalars(select(Course)).one().titles == {"en": "Water"}


def test_passwords_and_operators_never_leave_the_hub_and_cards_only_to_their_school(hub: Hub, box: Installation) -> None:
    school, other = hub.school("Shuanghu", children=1), hub.school("Nyima", children=1)
    hub.adult(school.org, "Tashi", "teacher")
    hub.adult(school.org, "Tenzin", "operator", scope_kind="all")
    hub.adult(hub.region, "Nyima", "region_operator")
    with hub.here.database.write() as session:
        for child, org in ((school.children[0], school.org), (other.children[0], other.org)):
            session.add(Credential(org_uid=org, person_uid=child, kind="card", verifier=f"card {org}", machine_uid=new_uid()))
            session.add(
                Credential(org_uid=org, person_uid=child, kind="home_token", verifier="home", machine_uid=new_uid())
            )
    hub.join(box, school)
    hub.sync(box)
    assert names_at(box) == {"Shuanghu child 0", "Tashi"}
    with box.database.read() as session:
        assert session.scalars(select(Credential.verifier)).all() == [f"card {school.org}"]
        assert session.scalars(select(RoleGrant.role)).all() == ["teacher"]
        assert "argon2" not in str([change.value for change in session.scalars(select(changes.Change))])


@pytest.mark.parametrize("reason", ["withdrawn", "transferred"])
def test_a_child_who_left_is_taken_from_the_box(hub: Hub, box: Installation, reason: str) -> None:
    school = hub.school("Shuanghu", children=2)
    hub.join(box, school)
    hub.sync(box)
    withdraw(hub, school.children[0], reason)
    hub.sync(box)
    assert names_at(box) == {"Shuanghu child 1"}
    with box.database.read() as session:
        held = session.scalars(select(changes.Change.row_uid)).all()
    assert school.children[0] not in held


def test_a_child_who_moves_to_another_school_takes_the_progress_along(
    hub: Hub, make_box: Callable[[], Installation]
) -> None:
    old, new = hub.school("Shuanghu", children=1), hub.school("Nyima")
    first, second = make_box(), make_box()
    hub.join(first, old, "shuanghu-3")
    hub.join(second, new, "nyima-1")
    child = old.children[0]
    with hub.here.database.write() as session:
        (event,) = events.append(session, [watched(old.org, child)], source=new_uid(), hub=True).accepted
        progress.apply(session, event)
    hub.sync(first)
    withdraw(hub, child, "transferred")
    with hub.here.database.write() as session:
        session.get_one(Person, child).org_uid = new.org
        session.add(Enrolment(org_uid=new.org, person_uid=child, group_uid=new.group, starts_on="2026-11-25"))
    hub.sync(first)
    hub.sync(second)
    assert names_at(first) == set()
    assert names_at(second) == {"Shuanghu child 0"}
    with second.database.read() as at_new, first.database.read() as at_old:
        assert at_new.scalars(select(Progress)).one().seen_ms == 30_000
        assert at_old.scalars(select(Progress)).first() is None


def test_a_withdrawal_dated_tomorrow_takes_effect_tomorrow(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    with hub.here.database.write() as session:
        session.scalars(select(Enrolment)).one().ended_on = "2026-11-26"
    hub.sync(box)
    assert names_at(box) == {"Shuanghu child 0"}
    clock.freeze(clock.now_ms() + 86_400_000)
    hub.sync(box)
    assert names_at(box) == set()


def test_somebody_who_was_erased_leaves_a_tombstone_on_every_box(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    with hub.here.database.write() as session:
        changes.erase(session, session.get_one(Person, school.children[0]))
    hub.sync(box)
    assert names_at(box) == set()
    with box.database.read() as session:
        assert session.get(Tombstone, ("person", school.children[0])) is not None


def test_drafts_stay_with_their_own_school(hub: Hub, make_box: Callable[[], Installation]) -> None:
    own, other = hub.school("Shuanghu"), hub.school("Nyima")
    course = hub.course(own.org, audience="all")
    with hub.here.database.write() as session:
        session.add(Lesson(org_uid=own.org, course_uid=course, position=0, titles={}, texts={}, language="zh",
                           state="draft", timeline_uid=new_uid()))  # fmt: skip
    boxes = make_box(), make_box()
    hub.join(boxes[0], own, "shuanghu-3")
    hub.join(boxes[1], other, "nyima-1")
    counts = []
    for box in boxes:
        hub.sync(box)
        with box.database.read() as session:
            counts.append(len(session.scalars(select(Lesson)).all()))
    assert counts == [1, 0]


@pytest.mark.parametrize(("audience", "listed", "reaches"), [
    ("own", False, False), ("listed", False, False), ("listed", True, True), ("all", False, True), ("open", False, True),
])  # fmt: skip
def test_a_course_goes_where_its_audience_is(hub: Hub, box: Installation, audience: str, listed: bool, reaches: bool) -> None:
    owner, school = hub.school("Nyima"), hub.school("Shuanghu")
    course = hub.course(owner.org, audience=audience)
    if listed:
        with hub.here.database.write() as session:
            session.get_one(Course, course).listed_org_uids = [school.org]
    hub.join(box, school)
    hub.sync(box)
    with box.database.read() as session:
        assert (session.get(Course, course) is not None) is reaches


def test_nothing_new_costs_one_empty_page(hub: Hub, box: Installation) -> None:
    hub.join(box, hub.school("Shuanghu", children=3))
    assert hub.sync(box).stream_entries > 3
    hub.wire.requests.clear()
    assert hub.sync(box).stream_entries == 0
    assert len(hub.wire.requests) <= 3


def test_a_stream_of_many_rows_comes_in_pages_and_goes_on_after_a_cut(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_ENTRIES", 4)
    school = hub.school("Shuanghu", children=9)
    hub.join(box, school)
    hub.wire.cut_after = 6_000
    with pytest.raises(LinkDown):
        hub.sync(box)
    with box.database.read() as session:
        read_so_far = session.scalars(select(Upstream.stream_sequence)).one()
    hub.wire.cut_after = None
    hub.sync(box)
    assert read_so_far > 0
    assert len(names_at(box)) == 9
    with box.database.read() as session:
        assert len(session.scalars(select(StreamPage)).all()) >= 5


def test_a_row_keeps_one_place_however_often_it_changes(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    for number in range(5):
        with hub.here.database.write() as session:
            session.get_one(Person, school.children[0]).name = f"Dolma {number}"
        hub.sync(box)
    assert names_at(box) == {"Dolma 4"}
    with hub.here.database.read() as session:
        places = session.scalars(select(StreamRow).where(StreamRow.row_uid == school.children[0])).all()
    assert len(places) == 1


# --- pages that are not what they seem ----------------------------------------------


def page_for(hub: Hub, box: Installation, school: School, after: int = 0, epoch: int = 1) -> bytes:
    with hub.here.database.write() as session:
        streams.refresh(session, school.org)
        return streams.page(session, school.org, epoch=epoch, after=after).payload


def deliver(hub: Hub, box: Installation, payload: bytes, key: SigningKey | None = None) -> None:
    with box.database.write() as session:
        upstream = session.scalars(select(Upstream)).one()
        node = session.get_one(Node, upstream.node_uid)
        sealed = stream_pages.sealed_page(payload, key or hub.here.keys.publishing, node)
        page = stream_pages.open_page(sealed, box.keys.node_sealing, keyring(session))
        applying.take_in(session, box, upstream, page)


def test_a_page_signed_by_a_stranger_is_refused(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    with pytest.raises(BadSignature):
        deliver(hub, box, page_for(hub, box, school), SigningKey.generate())
    assert names_at(box) == set()


def test_a_page_that_was_changed_on_the_way_is_refused(hub: Hub, box: Installation) -> None:
    hub.join(box, hub.school("Shuanghu", children=1))
    hub.wire.spoil = lambda path, at, piece: piece[:-1] + bytes([piece[-1] ^ 1]) if path.endswith("stream") else piece
    with pytest.raises(BadSignature):
        hub.sync(box)
    assert names_at(box) == set()


@pytest.mark.parametrize("change", [{"org": "other"}, {"epoch": 2}, {"after": 3}, {"format": "eduhub-stream/9"}])
def test_a_page_of_another_school_epoch_place_or_format_is_refused(
    hub: Hub, box: Installation, change: dict[str, Any]
) -> None:
    school, other = hub.school("Shuanghu", children=1), hub.school("Nyima", children=1)
    hub.join(box, school)
    document = parse_canonical(page_for(hub, box, school)) | change
    if document["org"] == "other":
        document = parse_canonical(page_for(hub, box, other))
    with pytest.raises((BadSignature, BadFormat)):
        deliver(hub, box, canonical(document))
    assert names_at(box) == set()


def test_entries_of_a_later_release_are_kept_and_stop_nothing(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    document = parse_canonical(page_for(hub, box, school))
    strange = {"sequence": document["upto"] + 1, "kind": "hologram", "version": 7, "table": "hologram", "uid": "x",
               "fields": [1], "later": True}  # fmt: skip
    document["entries"].append(strange)
    document["upto"] += 1
    deliver(hub, box, canonical(document))
    assert names_at(box) == {"Shuanghu child 0"}
    with box.database.read() as session:
        assert b"hologram" in session.scalars(select(StreamPage.payload)).one()


# --- any roster ---------------------------------------------------------------------

SPAN = st.tuples(st.integers(0, 2), st.booleans())  # school, has ended
PEOPLE = st.lists(
    st.tuples(
        st.integers(0, 2), st.lists(SPAN, max_size=3),
        st.sampled_from([None, "teacher", "school_admin", "operator", "region_operator"]),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=PEOPLE)
def test_whatever_the_roster_a_school_sees_only_who_belongs_to_it(hub: Hub, people: list[Any]) -> None:
    schools = [hub.school(name) for name in ("Shuanghu", "Nyima", "Amdo")]
    belongs: dict[str, set[int]] = {}
    with hub.here.database.write() as session:
        for home, spans, role in people:
            person = Person(org_uid=schools[home].org, name="somebody")
            session.add(person)
            belongs[person.uid] = {home}
            for at, has_ended in spans:
                session.add(Enrolment(
                    org_uid=schools[at].org, person_uid=person.uid, group_uid=schools[at].group, starts_on="2026-09-01",
                    ended_on="2026-10-01" if has_ended else None,
                ))  # fmt: skip
                if not has_ended:
                    belongs[person.uid].add(at)
            if role is not None:
                scope = None if role == "operator" else schools[home].org
                session.add(RoleGrant(
                    org_uid=schools[home].org, person_uid=person.uid, role=role, scope_uid=scope,
                    scope_kind="all" if role == "operator" else "organisation", starts_on="2026-09-01",
                ))  # fmt: skip
    for number, school in enumerate(schools):
        with hub.here.database.write() as session:
            streams.refresh(session, school.org)
            page = parse_canonical(streams.page(session, school.org, epoch=1, after=0).payload)
        for entry in page["entries"]:
            text = str(entry)
            for person_uid, at in belongs.items():
                assert number in at or person_uid not in text, (entry["table"], at)
