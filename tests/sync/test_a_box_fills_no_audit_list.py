"""Whatever a box that was taken over sends, as often as it likes: the list of who did what stays one that people can read."""

from collections import Counter

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.accounts import audit
from eduhub.accounts.models import AuditEntry
from eduhub.installation import Installation
from eduhub.sync.homeward import inbox
from eduhub.sync.models import Node
from eduhub.uids import new_uid
from tests.sync.world import WEDNESDAY_MS, Hub

DAY_MS = 86_400_000


@pytest.fixture
def thief(hub: Hub, box: Installation) -> str:
    clock.freeze(WEDNESDAY_MS)
    return hub.join(box, hub.school("Shuanghu"))


def send(hub: Hub, node_uid: str, count: int) -> None:
    """So many rows that are none, in one batch."""
    rows = [{"sequence": number, "kind": "nonsense", "version": 1, "body": {}} for number in range(1, count + 1)]
    with hub.here.database.write() as session:
        received = inbox.receive(session, session.get_one(Node, node_uid), {"incarnation": new_uid(), "oldest": 1, "rows": rows})
    assert received.put_aside == received.contiguous == count


def written(hub: Hub) -> Counter[str]:
    with hub.here.database.read() as session:
        return Counter(action for action in session.scalars(select(AuditEntry.action)) if action != "sync.join_box")


def test_a_hundred_of_a_day_are_written_down_and_the_others_counted_in_one_row(hub: Hub, thief: str) -> None:
    send(hub, thief, 60)
    assert written(hub) == {"sync.put_aside.kind": 60}
    send(hub, thief, 300)
    send(hub, thief, 40)
    assert written(hub) == {"sync.put_aside.kind": 100, "sync.put_aside.more.300": 1}


def test_another_day_and_another_box_are_counted_by_themselves(hub: Hub, thief: str, box: Installation) -> None:
    send(hub, thief, 150)
    clock.freeze(WEDNESDAY_MS + DAY_MS)
    send(hub, thief, 103)
    with hub.here.database.write() as session:
        audit.note(session, "sync.put_aside.kind", by_uid=None, org_uid=new_uid(), subject_uid=new_uid())
        audit.note(session, audit.TWIN, by_uid=None, org_uid=new_uid(), subject_uid=thief)
    assert written(hub) == {
        "sync.put_aside.kind": 201, "sync.put_aside.more.50": 1, "sync.put_aside.more.3": 1, audit.TWIN: 1,
    }  # fmt: skip


def test_two_machines_that_go_on_for_a_day_are_counted_too(hub: Hub, thief: str) -> None:
    for _number in range(105):
        with hub.here.database.write() as session:
            audit.note(session, audit.TWIN, by_uid=None, org_uid=new_uid(), subject_uid=new_uid())
            node = session.get_one(Node, thief)
            audit.note(session, audit.TWIN, by_uid=None, org_uid=node.org_uid, subject_uid=thief)
    assert written(hub) == {audit.TWIN: 205, f"{audit.TWIN}.more.5": 1}


def test_what_is_counted_is_no_action_to_choose_on_the_page(hub: Hub, thief: str) -> None:
    send(hub, thief, 120)
    with hub.here.database.read() as session:
        assert set(audit.actions(session, None)) == {"sync.put_aside.kind", "sync.join_box"}


def test_what_a_person_does_is_always_written_down(hub: Hub) -> None:
    person, school = new_uid(), new_uid()
    with hub.here.database.write() as session:
        for _number in range(audit.MOST_A_DAY + 5):
            audit.note(session, "schools.enrol", by_uid=person, org_uid=school, subject_uid=person)
    assert written(hub) == {"schools.enrol": audit.MOST_A_DAY + 5}
