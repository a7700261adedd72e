"""A spare box takes the place of another, and says what of the old one is safe."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select

from eduhub import changes, clock
from eduhub.accounts import credentials
from eduhub.accounts.models import Credential, Person
from eduhub.courses.models import PlanRow
from eduhub.errors import BadFormat, BadInput, JoinRefused, LinkDown, NodeRefused, NodeReplaced
from eduhub.installation import Installation
from eduhub.learning.models import Progress
from eduhub.schools.models import Enrolment
from eduhub.sync.boxes import joining, nodes, replacing
from eduhub.sync.homeward import inbox, outbox
from eduhub.sync.models import InboxState, Node, ReplacedBox
from eduhub.uids import new_uid
from tests.sync.test_outbox_and_inbox import enrol, events_at, watch
from tests.sync.world import WEDNESDAY_MS, Hub, School

HOUR_MS = 3_600_000


@pytest.fixture
def old(make_box: Callable[[], Installation]) -> Installation:
    return make_box()


@pytest.fixture
def spare(make_box: Callable[[], Installation]) -> Installation:
    return make_box()


@pytest.fixture
def school(hub: Hub, old: Installation) -> School:
    """A school with a child and a box that has called once."""
    made = hub.school("Shuanghu", children=1)
    hub.join(old, made)
    hub.sync(old)
    return made


def replacing_code(hub: Hub, name: str = "shuanghu-3") -> str:
    with hub.here.database.write() as session:
        return nodes.replacing_code(session, hub.here, replacing.find(session, name))


def replace(hub: Hub, spare: Installation) -> Node:
    return joining.join(spare, "http://hub.test", replacing_code(hub), transport=hub.wire)


def told_at(spare: Installation) -> dict[str, Any]:
    with spare.database.read() as session:
        found = replacing.held(session)
    assert found is not None
    return found


def words_at(spare: Installation) -> str:
    return " ".join(said.text % (said.facts | {"time": said.time_ms}) for said in replacing.in_words(told_at(spare)))


def a_day_later(spare: Installation) -> None:
    """As much running time passes as lies between two questions."""
    with spare.database.write() as session:
        session.scalars(select(ReplacedBox)).one().asked_steady_s -= replacing.ASKED_EVERY_S


def test_the_spare_has_the_name_the_school_and_its_history_and_children_get_in_with_their_cards(
    hub: Hub, school: School, old: Installation, spare: Installation
) -> None:
    with hub.here.database.write() as session:
        card = credentials.issue_card(session, school.children[0])
        session.add(PlanRow(org_uid=school.org, group_uid=school.group, lesson_uid=school.org, day="2026-11-26"))
    hub.sync(old)
    watch(old, school, school.children[0])
    newcomer = enrol(old, school, "Dolma")
    hub.sync(old)
    with old.database.read() as session:
        before = session.scalars(select(Node)).one()
    now = replace(hub, spare)
    assert (now.name, now.site_uid, now.org_uid) == (before.name, before.site_uid, before.org_uid)
    assert now.uid != before.uid
    assert now.signing_public != before.signing_public
    hub.sync(spare)
    with spare.database.read() as session:
        assert session.scalars(select(Progress.watched_ms)).all() == [30_000]
        assert session.get_one(Person, newcomer).name == "Dolma"
        assert set(session.scalars(select(Enrolment.person_uid))) == {school.children[0], newcomer}
        assert credentials.check_card(session, card).person_uid == school.children[0]
        assert session.scalars(select(PlanRow.day)).all() == ["2026-11-26"]


def test_the_old_box_is_refused_from_that_moment_on_but_brings_home_what_it_has(
    hub: Hub, school: School, old: Installation, spare: Installation
) -> None:
    uid, lost_child = watch(old, school, school.children[0]), enrol(old, school, "Dolma")
    replace(hub, spare)
    with pytest.raises(NodeReplaced):
        hub.sync(old)
    assert events_at(hub) == [uid]
    paths = [path for _method, path, _range in hub.wire.requests][-6:]
    assert "/sync/v1/passes" not in paths
    hub.sync(spare)
    with spare.database.read() as session:
        assert session.get_one(Person, lost_child).name == "Dolma"


def test_the_spare_says_until_when_all_is_safe_and_how_much_waited_there(
    hub: Hub, school: School, old: Installation, spare: Installation
) -> None:
    for _number in range(3):
        watch(old, school, school.children[0])
    clock.freeze(WEDNESDAY_MS + HOUR_MS)
    hub.sync(old)
    clock.freeze(WEDNESDAY_MS + 9 * HOUR_MS)
    watch(old, school, school.children[0])  # and then it died
    replace(hub, spare)
    told = told_at(spare)
    assert (told["last_ms"], told["waiting"], told["complete"]) == (WEDNESDAY_MS + HOUR_MS, 0, False)
    assert [row["contiguous"] for row in told["received"]] == [3]
    said = words_at(spare)
    assert f"had reported until {WEDNESDAY_MS + HOUR_MS} is safe. What was done there after that is not here." in said
    assert "Nothing is missing" not in said
    assert "passwords of adults, were kept in the old box only" in said


def test_what_waited_when_the_line_went_dead_is_counted(
    hub: Hub, school: School, old: Installation, spare: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_BATCH_ROWS", 3)
    for _number in range(10):
        watch(old, school, school.children[0])
    posts: list[str] = []

    def one_batch_only(path: str) -> None:
        posts.extend([path] if path.endswith("/outbox") else [])
        if len(posts) == 2:
            raise httpx.ConnectError("the line is dead")

    hub.wire.before = one_batch_only
    with pytest.raises(LinkDown):
        hub.sync(old)
    hub.wire.before = lambda _path: None
    replace(hub, spare)
    assert told_at(spare)["waiting"] == 7
    assert "Waiting there to be sent when it last called: 7." in words_at(spare)


def test_nothing_is_missing_only_when_the_old_box_itself_has_said_so_since(
    hub: Hub, school: School, old: Installation, spare: Installation
) -> None:
    watch(old, school, school.children[0])
    hub.sync(old)
    clock.freeze(WEDNESDAY_MS + HOUR_MS)
    replace(hub, spare)
    assert not told_at(spare)["complete"]
    hub.sync(spare)
    a_day_later(spare)
    hub.sync(spare)
    assert not told_at(spare)["complete"]
    clock.freeze(WEDNESDAY_MS + 2 * HOUR_MS)
    with pytest.raises(NodeReplaced):
        hub.sync(old)  # nothing waits there, and it says so
    hub.sync(spare)
    assert not told_at(spare)["complete"]  # it is asked once a day
    a_day_later(spare)
    hub.sync(spare)
    assert told_at(spare)["complete"]
    assert f"Nothing is missing: the old box has called since, on {WEDNESDAY_MS + 2 * HOUR_MS}," in words_at(spare)
    asked = len([path for _method, path, _range in hub.wire.requests if path.endswith("/replaced")])
    a_day_later(spare)
    hub.sync(spare)
    assert len([path for _method, path, _range in hub.wire.requests if path.endswith("/replaced")]) == asked


def test_a_box_that_never_called_is_said_to_have_told_nothing(
    hub: Hub, make_box: Callable[[], Installation], spare: Installation
) -> None:
    hub.join(make_box(), hub.school("Shuanghu"))
    replace(hub, spare)
    told = told_at(spare)
    assert (told["last_ms"], told["waiting"], told["complete"]) == (None, None, False)
    assert "has never reported anything" in words_at(spare)


def test_a_box_that_was_lost_brings_nothing_home_any_more(hub: Hub, school: School, old: Installation, spare: Installation) -> None:
    watch(old, school, school.children[0])
    with hub.here.database.write() as session:
        nodes.revoke(session, hub.here, replacing.find(session, "shuanghu-3").uid, "2026-11-25")
    replace(hub, spare)
    with pytest.raises(NodeRefused):
        hub.sync(old)
    assert events_at(hub) == []
    assert "The old box is shut out: nothing more will come from it." in words_at(spare)


@pytest.mark.parametrize(("names", "newest"), [(3, 2**53 - 1), (20_000, 0)])
def test_a_stolen_box_that_counts_without_end_cannot_keep_its_successor_from_joining(
    hub: Hub, school: School, spare: Installation, names: int, newest: int
) -> None:
    with hub.here.database.write() as session:
        thief = replacing.find(session, "shuanghu-3")
        inbox.receive(session, thief, {"incarnation": new_uid(), "oldest": 1, "newest": newest, "rows": []})  # as each of these came
        session.execute(insert(InboxState), [
            {"node_uid": thief.uid, "incarnation": new_uid(), "contiguous": 0, "newest": newest, "told_ms": clock.now_ms()}
            for _number in range(names)
        ])  # fmt: skip
    replace(hub, spare)
    told = told_at(spare)
    assert len(told["received"]) <= 50
    assert told["waiting"] <= 2**53 - 1


def test_one_place_is_taken_once(hub: Hub, school: School, spare: Installation, make_box: Callable[[], Installation]) -> None:
    first, second = replacing_code(hub), replacing_code(hub)
    joining.join(spare, "http://hub.test", first, transport=hub.wire)
    with pytest.raises(JoinRefused):
        joining.join(make_box(), "http://hub.test", second, transport=hub.wire)
    with hub.here.database.write() as session:
        ended = session.scalars(select(Node).where(Node.ended_on.is_not(None))).one()
        with pytest.raises(BadInput):
            nodes.replacing_code(session, hub.here, ended)


def test_a_spare_can_be_replaced_in_its_turn(hub: Hub, school: School, spare: Installation, make_box: Callable[[], Installation]) -> None:
    replace(hub, spare)
    hub.sync(spare)
    third = make_box()
    assert replace(hub, third).name == "shuanghu-3"
    with pytest.raises(NodeReplaced):
        hub.sync(spare)
    hub.sync(third)
    with hub.here.database.read() as session:
        assert session.scalars(select(Node.name).where(Node.ended_on.is_(None))).all() == ["shuanghu-3"]


def test_an_answer_that_was_lost_is_given_again_and_nothing_is_replaced_twice(
    hub: Hub, school: School, old: Installation, spare: Installation
) -> None:
    code = replacing_code(hub)
    hub.wire.lose_answers_to = {"/sync/v1/join"}
    with pytest.raises(LinkDown):
        joining.join(spare, "http://hub.test", code, transport=hub.wire)
    hub.wire.lose_answers_to = set()
    joining.join(spare, "http://hub.test", code, transport=hub.wire)
    assert told_at(spare)["name"] == "shuanghu-3"
    with hub.here.database.read() as session:
        assert len(session.scalars(select(Node)).all()) == 2


def test_who_replaced_nobody_is_told_nothing(hub: Hub, school: School, old: Installation) -> None:
    with old.database.read() as session:
        assert replacing.held(session) is None
    with hub.here.database.read() as session:
        assert all(state.newest is not None for state in session.scalars(select(InboxState)))
        assert session.scalars(select(Credential)).all() == []


def test_a_hub_of_before_that_does_not_know_the_question_stops_nothing(
    hub: Hub, school: School, spare: Installation
) -> None:
    replace(hub, spare)
    a_day_later(spare)
    hub.wire.instead["/sync/v1/replaced"] = (404, b"<h1>Not Found</h1>")
    hub.sync(spare)
    assert not told_at(spare)["complete"]


@pytest.mark.parametrize("found", [
    None, [], {}, {"format": replacing.FORMAT}, {"format": replacing.FORMAT, "by": "b", "node": "n", "name": "x", "complete": 1},
    {"format": replacing.FORMAT, "by": "c", "node": "n", "name": "x", "complete": True},
    {"format": replacing.FORMAT, "by": "b", "node": "n", "name": "x", "complete": True, "waiting": "7"},
])  # fmt: skip
def test_what_is_no_report_is_refused(found: Any) -> None:
    with pytest.raises(BadFormat):
        replacing.read(found, by="b")


def test_the_machines_name_in_versions_is_the_spares_own(hub: Hub, school: School, old: Installation, spare: Installation) -> None:
    replace(hub, spare)
    with old.database.read() as one, spare.database.read() as other:
        assert changes.machine_uid(one) != changes.machine_uid(other)
