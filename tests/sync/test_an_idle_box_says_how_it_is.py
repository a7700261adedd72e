"""An idle box says how it is over the connection of its polls: when that changed, and every quarter of an hour."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from eduhub.errors import LinkDown
from eduhub.installation import Installation
from eduhub.sync.meeting import SAID_EVERY_S, Meeting
from eduhub.sync.models import BoxStatus
from eduhub.sync.status import battery, saying
from eduhub.sync.status.battery import Battery
from tests.sync.test_polls import Steps, meeting, paths, school, time, turn
from tests.sync.world import Hub

__all__ = ["meeting", "school", "time"]
STATUS, POLL = "/sync/v1/status", "/sync/v1/poll"


@pytest.fixture
def pass_s(box: Installation, time: Steps, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass, on the clock of the turns and on the steady one."""
    begun_s, real = time.s, box.steady.now_s
    monkeypatch.setattr(box.steady, "now_s", lambda: real() + time.s - begun_s)

    def passing(seconds: float) -> None:
        time.s += seconds

    return passing


def charge(monkeypatch: pytest.MonkeyPatch, percent: int) -> None:
    monkeypatch.setattr(battery, "read", lambda _folder=None: Battery(percent, False))


def said(hub: Hub) -> dict[str, Any]:
    with hub.here.database.read() as session:
        return session.scalars(select(BoxStatus)).one().said


def test_a_battery_that_gets_low_is_told_within_minutes_and_without_a_round(
    hub: Hub, meeting: Meeting, pass_s: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    charge(monkeypatch, 90)
    pass_s(SAID_EVERY_S)
    assert turn(meeting)
    paths(hub)
    charge(monkeypatch, 15)
    pass_s(SAID_EVERY_S / 2)
    assert turn(meeting)
    assert paths(hub) == [POLL], "not more often than every two minutes"
    pass_s(SAID_EVERY_S)
    assert turn(meeting)
    assert paths(hub) == [POLL, STATUS]
    assert said(hub)["battery"]["percent"] == 15
    pass_s(SAID_EVERY_S)
    assert turn(meeting)
    assert paths(hub) == [POLL], "nothing is said twice"


def test_an_hour_of_polls_says_four_times_how_it_is_over_one_connection(
    hub: Hub, meeting: Meeting, pass_s: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    charge(monkeypatch, 90)
    pass_s(saying.AT_LATEST_S)
    assert turn(meeting)
    paths(hub)
    link = meeting.kept and meeting.kept.link
    for _ in range(55):
        pass_s(60)
        if not turn(meeting):
            break
    asked = paths(hub)
    assert 2 <= asked.count(STATUS) <= 4
    assert asked.count(POLL) >= 40
    assert meeting.kept is not None
    assert meeting.kept.link is link


def test_a_hub_that_asks_for_a_pause_is_obeyed(
    hub: Hub, meeting: Meeting, pass_s: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    turn(meeting)
    inner = hub.wire._inner.handle_request

    def busy(request: httpx.Request) -> httpx.Response:
        if request.url.path == STATUS:
            return httpx.Response(503, headers={"Retry-After": "90"}, content=b"")
        return inner(request)

    hub.wire._inner.handle_request = busy  # type: ignore[method-assign]
    pass_s(saying.AT_LATEST_S)
    with pytest.raises(LinkDown) as refused:
        turn(meeting)
    assert refused.value.facts["retry_after_s"] == 90


def test_a_hub_that_does_not_take_it_keeps_nobody_from_polling(
    hub: Hub, meeting: Meeting, pass_s: Callable[[float], None]
) -> None:
    turn(meeting)
    hub.wire.instead = {STATUS: (404, b"{}")}
    pass_s(saying.AT_LATEST_S)
    assert turn(meeting)
    assert turn(meeting)
