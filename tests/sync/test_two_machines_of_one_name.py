"""A box's disk was copied, or put back to an earlier state: two machines count alike, and nothing is lost."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import select

from eduhub import changes
from eduhub.accounts import audit
from eduhub.accounts.models import AuditEntry, Person
from eduhub.config import Settings
from eduhub.installation import Installation, open_installation
from eduhub.sync.homeward import outbox
from eduhub.sync.models import InboxState
from eduhub.sync.school_stream import reading
from tests.sync.sticks import bring, fill
from tests.sync.test_outbox_and_inbox import enrol, events_at, watch
from tests.sync.world import Hub, School

pytestmark = pytest.mark.one_writer  # a box has its database on the disk that is copied


@pytest.fixture
def copy_of(make_settings: Callable[..., Settings]) -> Callable[[Installation], Installation]:
    """`copy_of(box)`: a second machine from an image of its disk."""
    def copy(box: Installation) -> Installation:
        box.database.close()
        settings = make_settings(role="node", empty_database=True)
        shutil.rmtree(settings.data_dir)
        shutil.copytree(box.settings.data_dir, settings.data_dir)
        return open_installation(replace(settings, database=""))

    return copy


@pytest.fixture
def school(hub: Hub, box: Installation) -> School:
    made = hub.school("Shuanghu", children=1)
    hub.join(box, made)
    hub.sync(box)
    return made


def people_at(installation: Installation) -> set[str]:
    with installation.database.read() as session:
        return set(session.scalars(select(Person.name)))


def settle(hub: Hub, *boxes: Installation) -> None:
    """Rounds until everybody has what the others brought."""
    for _round in range(3):
        for box in boxes:
            hub.sync(box)
    for box in boxes:
        with box.database.read() as session:
            assert outbox.waiting(session) == 0


def test_a_stick_keeps_what_the_box_that_was_put_back_to_an_earlier_state_does_not_know(
    hub: Hub, box: Installation, school: School, copy_of: Callable[[Installation], Installation], tmp_path: Path
) -> None:
    (tmp_path / "usb").mkdir()
    fill(hub, tmp_path / "usb", "shuanghu-3")
    bring(box, tmp_path / "usb")
    backup = copy_of(box)
    watched = {watch(box, school, school.children[0], from_ms=30_000 * number, to_ms=30_000 * (number + 1)) for number in range(3)}
    bring(box, tmp_path / "usb")  # and then its disk died
    bring(backup, tmp_path / "usb")
    bring(hub.here, tmp_path / "usb")
    assert watched <= set(events_at(hub))
    bring(backup, tmp_path / "usb")
    assert not list((tmp_path / "usb" / "eduhub-courier" / "home").rglob("*.sealed"))


def test_what_both_do_comes_home_and_the_hub_writes_down_that_there_are_two(
    hub: Hub, box: Installation, school: School, copy_of: Callable[[Installation], Installation]
) -> None:
    made = [watch(box, school, school.children[0])]
    twin = copy_of(box)
    for number, machine in enumerate((box, twin, box, twin)):
        made.append(watch(machine, school, school.children[0], from_ms=30_000 * number, to_ms=30_000 * (number + 1)))
        enrol(machine, school, f"Child {number}")
    settle(hub, box, twin)
    assert set(made) <= set(events_at(hub))
    assert {f"Child {number}" for number in range(4)} <= people_at(hub.here)
    assert people_at(box) == people_at(twin) == people_at(hub.here)
    with box.database.read() as one, twin.database.read() as other:
        assert changes.machine_uid(one) != changes.machine_uid(other)
    with hub.here.database.read() as session:
        assert audit.TWIN in set(session.scalars(select(AuditEntry.action)))
        assert not any(audit.PUT_ASIDE in action for action in session.scalars(select(AuditEntry.action)))
        assert len(session.scalars(select(InboxState)).all()) == 2


def test_what_is_numbered_anew_because_there_are_two_comes_home_before_the_stream_is_read(
    hub: Hub, box: Installation, school: School, copy_of: Callable[[Installation], Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting_then: list[int] = []
    read = reading.read

    def noted(installation: Installation, *others: Any) -> Any:
        with installation.database.read() as session:
            waiting_then.append(outbox.waiting(session))
        return read(installation, *others)

    monkeypatch.setattr(reading, "read", noted)
    twin = copy_of(box)
    watch(box, school, school.children[0])
    hub.sync(box)
    made = watch(twin, school, school.children[0])
    hub.sync(twin)
    assert waiting_then == [0, 0]
    assert made in events_at(hub)


def test_the_same_field_changed_at_both_ends_equal_everywhere(
    hub: Hub, box: Installation, school: School, copy_of: Callable[[Installation], Installation]
) -> None:
    twin = copy_of(box)
    for machine, name in ((box, "Dolma"), (twin, "Drolma")):
        with machine.database.write() as session:
            session.get_one(Person, school.children[0]).name = name
    settle(hub, box, twin)
    assert people_at(box) == people_at(twin) == people_at(hub.here)
    with hub.here.database.read() as session:
        told = {change.value for change in changes.history(session, "person", school.children[0]) if change.field == "name"}
    assert {"Dolma", "Drolma"} <= told  # the one that lost stays to be seen


def test_a_disk_that_was_put_back_to_an_earlier_state_counts_anew(
    hub: Hub, box: Installation, school: School, copy_of: Callable[[Installation], Installation]
) -> None:
    earlier = copy_of(box)
    box = open_installation(box.settings)
    made = [watch(box, school, school.children[0]) for _number in range(5)]
    hub.sync(box)
    made.append(watch(earlier, school, school.children[0]))
    settle(hub, earlier)
    assert set(made) == set(events_at(hub))


def test_a_box_of_the_release_before_that_sends_no_digests_is_taken_as_before(hub: Hub, box: Installation, school: School) -> None:
    uid = watch(box, school, school.children[0])
    with box.database.read() as session:
        incarnation = changes.machine_uid(session)
        batch = outbox.next_batch(session, incarnation)
    assert batch is not None
    pack = outbox.pack
    try:
        outbox.pack = lambda incarnation, oldest, rows, **_more: pack(incarnation, oldest, rows)  # type: ignore[assignment]
        hub.sync(box)
    finally:
        outbox.pack = pack
    assert events_at(hub) == [uid]
    with hub.here.database.read() as session:
        assert session.scalars(select(InboxState.newest)).all() == [None]


def test_two_copies_in_any_order_lose_nothing(
    hub: Hub, make_box: Callable[[], Installation], copy_of: Callable[[Installation], Installation]
) -> None:
    class Copies(RuleBasedStateMachine):
        """Three machines from one disk: they watch, enrol and call in any order."""

        @initialize(before=st.integers(0, 3), called=st.booleans())
        def begin(self, before: int, called: bool) -> None:
            first = make_box()
            self.school = hub.school("Nyima", children=1)
            hub.join(first, self.school, f"nyima-{first.settings.data_dir.name}")
            hub.sync(first)
            self.made = [watch(first, self.school, self.school.children[0]) for _number in range(before)]
            if called:
                hub.sync(first)
            self.boxes = [first, copy_of(first), copy_of(first)]
            self.names: list[str] = []

        @rule(which=st.integers(0, 2))
        def watched(self, which: int) -> None:
            self.made.append(watch(self.boxes[which], self.school, self.school.children[0]))

        @rule(which=st.integers(0, 2))
        def enrolled(self, which: int) -> None:
            self.names.append(f"{self.school.org} {len(self.names)}")
            enrol(self.boxes[which], self.school, self.names[-1])

        @rule(which=st.integers(0, 2))
        def called(self, which: int) -> None:
            hub.sync(self.boxes[which])

        def teardown(self) -> None:
            if not hasattr(self, "boxes"):
                return
            settle(hub, *self.boxes)
            assert set(self.made) <= set(events_at(hub))
            assert set(self.names) <= people_at(hub.here)
            assert people_at(self.boxes[0]) == people_at(self.boxes[1]) == people_at(self.boxes[2])

    run_state_machine_as_test(Copies, settings=settings(max_examples=5, stateful_step_count=8, deadline=None))
