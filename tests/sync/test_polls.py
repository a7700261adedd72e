"""An idle box asks in one small request whether anything moved, and asks in full whenever it did."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from eduhub import clock
from eduhub.accounts.models import Person
from eduhub.courses.models import Course, Lesson
from eduhub.errors import EduHubError, LinkDown, NodeRefused
from eduhub.installation import Installation
from eduhub.sync import auth
from eduhub.sync.boxes import nodes
from eduhub.sync.door import Door
from eduhub.sync.meeting import FULL_EVERY_S, LEFT_AGAIN_S, Meeting
from eduhub.sync.models import NodeContact
from eduhub.sync.poll_lane import WRITE_EVERY_S, Contacts
from eduhub.uids import new_uid
from tests.sync.world import Hub, School, WireCarrier


class Steps:
    """A clock that runs when it is told to."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def school(hub: Hub) -> School:
    return hub.school("Shuanghu", children=2)


@pytest.fixture
def time() -> Steps:
    return Steps()


@pytest.fixture
def meeting(hub: Hub, box: Installation, school: School, time: Steps) -> Meeting:
    """A box that has joined and has everything."""
    hub.join(box, school)
    met = Meeting(box, hub.wire, WireCarrier(hub.wire), now_s=time, chance=lambda: 0.5)
    for _ in range(3):  # what it read makes the hub's word about it newer, once
        turn(met)
    hub.wire.requests.clear()
    return met


def turn(meeting: Meeting) -> bool:
    """Take a turn; whether a poll was enough."""
    return meeting.turn(lambda _share: None).polled


def paths(hub: Hub) -> list[str]:
    found = [path for _method, path, _range in hub.wire.requests]
    hub.wire.requests.clear()
    return found


def test_an_idle_turn_is_one_poll(hub: Hub, meeting: Meeting) -> None:
    assert [turn(meeting) for _ in range(5)] == [True] * 5
    assert paths(hub) == ["/sync/v1/poll"] * 5


def test_what_moved_at_the_school_is_read_in_the_turn_that_hears_of_it(hub: Hub, meeting: Meeting, school: School) -> None:
    turn(meeting)
    with hub.here.database.write() as session:
        session.get_one(Person, school.children[0]).name = "Dolma"
    paths(hub)
    assert not turn(meeting)
    assert paths(hub)[0] == "/sync/v1/poll"
    with meeting.installation.database.read() as session:
        assert session.get_one(Person, school.children[0]).name == "Dolma"
    assert turn(meeting)


def test_a_new_entry_of_the_catalog_is_read(hub: Hub, meeting: Meeting, school: School) -> None:
    turn(meeting)
    hub.lesson(hub.course(hub.region, groups=(school,)))
    assert not turn(meeting)
    with meeting.installation.database.read() as session:
        assert session.query(Lesson).count() == 1


def test_what_moves_at_another_school_wakes_nobody(hub: Hub, meeting: Meeting) -> None:
    turn(meeting)
    other = hub.school("Nyima")  # another place in the tree: everybody looks
    turn(meeting)
    hub.child(other, "Pema")
    with hub.here.database.write() as session:
        course = Course(org_uid=other.org, titles={}, audience="own")
        session.add(course)
        session.flush()
        session.add(Lesson(org_uid=other.org, course_uid=course.uid, position=0, titles={}, texts={}, language="zh",
                           state="published", timeline_uid=new_uid()))  # fmt: skip
    assert turn(meeting)


def test_what_waits_at_the_box_goes_home_without_being_asked_for(hub: Hub, meeting: Meeting, school: School) -> None:
    turn(meeting)
    with meeting.installation.database.write() as session:
        session.get_one(Person, school.children[1]).name = "Lhamo"
    assert not turn(meeting)
    with hub.here.database.read() as session:
        assert session.get_one(Person, school.children[1]).name == "Lhamo"


def test_once_an_hour_it_asks_in_full_for_the_signed_time(hub: Hub, meeting: Meeting, time: Steps) -> None:
    assert turn(meeting)
    time.s += FULL_EVERY_S + 1
    paths(hub)
    assert not turn(meeting)
    assert "/sync/v1/hello" in paths(hub)
    assert turn(meeting)


def test_what_may_not_be_fetched_now_is_looked_at_again_after_minutes(
    hub: Hub, meeting: Meeting, time: Steps, school: School
) -> None:
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.wire.instead = {f"/p/{package}/{package}": (404, b"{}")}
    assert not turn(meeting)
    paths(hub)
    assert turn(meeting)
    assert paths(hub) == ["/sync/v1/poll"]
    time.s += 1.2 * LEFT_AGAIN_S
    assert not turn(meeting)


def test_a_box_that_was_shut_out_is_refused_by_its_next_poll(hub: Hub, meeting: Meeting) -> None:
    turn(meeting)
    with hub.here.database.write() as session:
        nodes.revoke(session, hub.here, meeting.kept.node_uid, on="2026-11-25")  # type: ignore[union-attr]
    with pytest.raises(NodeRefused):
        turn(meeting)


@pytest.mark.parametrize("change", [
    lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"), lambda token: "A" * 44, lambda token: token[:-1], lambda token: token + "A",
])  # fmt: skip
def test_a_token_that_was_changed_is_none(hub: Hub, meeting: Meeting, change: Callable[[str], str]) -> None:
    token = auth.poll_token(hub.here, new_uid())
    with pytest.raises(NodeRefused):
        auth.polled_by(hub.here, f"{auth.POLL_SCHEME}{change(token)}")


def test_a_token_names_its_box_for_an_hour_and_no_longer(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    node = new_uid()
    line = f"{auth.POLL_SCHEME}{auth.poll_token(hub.here, node)}"
    assert auth.polled_by(hub.here, line) == node
    now_s = hub.here.steady.now_s()
    monkeypatch.setattr(hub.here.steady, "now_s", lambda: now_s + auth.NONCE_LASTS_S + 10)
    with pytest.raises(NodeRefused):
        auth.polled_by(hub.here, line)


def test_an_old_token_costs_a_full_round_and_no_more(hub: Hub, meeting: Meeting) -> None:
    turn(meeting)
    meeting.kept.link._poll_token = auth.poll_token(hub.here, new_uid())  # type: ignore[union-attr]
    assert not turn(meeting)
    assert turn(meeting)


@pytest.mark.parametrize("query", ["", "e=1&c=2", "e=1&c=2&s=-3", "s=1&e=1&c=1", "e=1&c=2&s=3&x=4", "e=1&c=2&s=" + "9" * 16])
def test_a_poll_that_is_none_is_refused(hub: Hub, query: str) -> None:
    assert hub.wire._inner.handle_request(request(f"/sync/v1/poll?{query}")).status_code == 400


def request(target: str) -> Any:
    import httpx

    return httpx.Request("GET", f"http://hub.test{target}")


def test_nobody_is_told_anything_without_a_token(hub: Hub) -> None:
    assert hub.wire._inner.handle_request(request("/sync/v1/poll?e=1&c=0&s=0")).status_code == 401


def test_when_a_box_last_polled_is_written_once_a_minute(
    hub: Hub, meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    node_uid = meeting.kept.node_uid  # type: ignore[union-attr]
    contacts, writes = Contacts(hub.here), []
    monkeypatch.setattr(hub.here.database, "on_write", lambda: writes.append(1))
    began_s = clock.monotonic_s()
    clock.freeze(clock.now_ms() + 5000)
    for step in range(100):
        monkeypatch.setattr(clock, "monotonic_s", lambda step=step: began_s + step * WRITE_EVERY_S / 40)
        contacts.note(node_uid)
    assert len(writes) == 2
    with hub.here.database.read() as session:
        assert session.get_one(NodeContact, node_uid).last_ms == clock.now_ms()


@pytest.mark.two_writers
def test_writing_down_who_called_waits_for_nobody_and_holds_nobody_up(
    hub: Hub, meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    node_uid = meeting.kept.node_uid  # type: ignore[union-attr]
    contacts, began_s = Contacts(hub.here), clock.monotonic_s()
    monkeypatch.setattr(clock, "monotonic_s", lambda: began_s + 2 * WRITE_EVERY_S)
    writing = Thread(target=contacts.note, args=[node_uid], daemon=True)
    with hub.here.database.write() as session:
        session.get(NodeContact, node_uid, with_for_update=True)  # as who takes in what the box brings home
        writing.start()
        writing.join(20)
        assert not writing.is_alive()


def test_a_pause_that_is_asked_for_is_heard_of_a_poll_and_of_a_round(hub: Hub, meeting: Meeting) -> None:
    import httpx

    turn(meeting)
    inner = hub.wire._inner.handle_request
    hub.wire._inner.handle_request = lambda _request: httpx.Response(503, headers={"Retry-After": "120"}, content=b"")  # type: ignore[method-assign]
    for _ in range(2):  # the second over a new connection: a full round
        with pytest.raises(LinkDown) as refused:
            turn(meeting)
        assert refused.value.facts["retry_after_s"] == 120
    hub.wire._inner.handle_request = inner  # type: ignore[method-assign]
    assert not turn(meeting)
    assert turn(meeting)


def test_a_full_door_asks_boxes_to_come_again_and_lets_people_in() -> None:
    answers: list[str] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/sync/v1/stream":
            call("/sync/v1/outbox")
            call("/page")
        start_response("200 OK", [])
        return [b""]

    def call(path: str) -> None:
        headers: list[Any] = []
        door({"PATH_INFO": path}, lambda status, found: (answers.append(f"{path} {status}"), headers.extend(found)))  # type: ignore[arg-type, return-value]
        assert ("503" in answers[-1]) == (dict(headers).get("Retry-After") == "20")

    door = Door(app, most=1)
    call("/sync/v1/stream")
    call("/sync/v1/stream")
    assert answers == ["/sync/v1/outbox 503 Service Unavailable", "/page 200 OK", "/sync/v1/stream 200 OK"] * 2


def test_a_door_opens_again_after_a_failure() -> None:
    def app(_environ: Any, _start: Any) -> list[bytes]:
        raise EduHubError("broken")

    door = Door(app, most=1)
    for _ in range(3):
        with pytest.raises(EduHubError):
            door({"PATH_INFO": "/sync/v1/stream"}, lambda *_found: None)  # type: ignore[arg-type, return-value]


