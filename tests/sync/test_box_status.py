"""A box says of itself what is so; the hub believes nothing of it before it has looked, and keeps the newest."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eduhub import clock
from eduhub.courses import plan
from eduhub.delivery.models import PackageRow
from eduhub.errors import BadFormat
from eduhub.installation import Installation, open_installation
from eduhub.sync import rounds
from eduhub.sync.allowance import traffic
from eduhub.sync.allowance.traffic import Moved
from eduhub.sync.link import PREFIX
from eduhub.sync.models import BoxStatus, StatusSaid
from eduhub.sync.status import box_status, overview, saying, told
from tests.questions import counted
from tests.sync.test_battery import supply
from tests.sync.world import WEDNESDAY_MS, Hub, WireCarrier

VECTORS = json.loads((Path(__file__).parents[2] / "docs" / "formats" / "vectors" / "box-status.json").read_bytes())
STATUS = f"{PREFIX}/status"
LEAST = {"format": box_status.FORMAT, "made_steady_s": 1}


def said(hub: Hub, node_uid: str) -> tuple[dict[str, Any], int] | None:
    with hub.here.database.read() as session:
        row = session.get(BoxStatus, node_uid)
        return (row.said, row.told_ms) if row is not None else None


def of_box(box: Installation, supplies: Path = Path("/nowhere")) -> dict[str, Any]:
    with box.database.read() as session:
        return box_status.of_box(session, box, supplies=supplies)


def test_what_a_box_says_of_itself_costs_few_questions(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    hub.sync(box)
    with box.database.read() as session, counted(box.database) as questions:
        box_status.of_box(session, box)
    assert len(questions) <= 18


@pytest.fixture
def ages(box: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`ages(seconds)`: the box has run so much longer."""
    now = [box.steady.now_s()]
    monkeypatch.setattr(type(box.steady), "now_s", lambda _self: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def test_a_round_tells_the_hub_and_again_only_when_something_changed_or_a_quarter_of_an_hour_is_over(
    hub: Hub, box: Installation, ages: Callable[[float], None]
) -> None:
    school = hub.school("Shuanghu")
    node_uid = hub.join(box, school)
    hub.sync(box)
    found = said(hub, node_uid)
    assert found is not None
    assert found[1] == WEDNESDAY_MS
    assert (found[0]["lamp"], found[0]["backlog"]["rows"], found[0]["left"]) == ("nothing", 0, {"lessons": 0, "bytes": 0})

    def times() -> int:
        hub.sync(box)
        return [path for _method, path, _range in hub.wire.requests].count(STATUS)

    assert times() == 1
    ages(saying.AT_SOONEST_S + 1)
    assert times() == 1  # nothing changed
    package_id = hub.lesson(hub.course(school.org, groups=(school,)))
    with hub.here.database.write() as session:
        plan.add(session, group_uid=school.group, lesson_uid=session.get_one(PackageRow, package_id).lesson_uid, day="2026-11-26")
    assert times() == 2
    found = said(hub, node_uid)
    assert found is not None
    assert found[0]["days"]["2026-11-26"] == [1, 0, 0, 0, 0]
    assert times() == 2  # too soon to be worth it
    ages(saying.AT_LATEST_S + 1)
    assert times() == 3


def test_a_hub_that_does_not_know_the_address_holds_nothing_up(hub: Hub, box: Installation, ages: Callable[[float], None]) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    hub.lesson(hub.course(school.org, groups=(school,)))
    hub.wire.instead[STATUS] = (404, b"<html>not found</html>")
    assert hub.sync(box).fetched.parts == 5
    with box.database.read() as session:
        assert session.get_one(StatusSaid, 1).said == {}
    del hub.wire.instead[STATUS]
    hub.sync(box)
    assert STATUS not in hub.wire.delivered or hub.wire.delivered[STATUS] < 100
    ages(saying.AT_LATEST_S + 1)
    hub.sync(box)
    with box.database.read() as session:
        assert session.get_one(StatusSaid, 1).said["lamp"] == "nothing"


def test_it_takes_little_room_and_says_a_battery_only_where_there_is_one(hub: Hub, box: Installation, tmp_path: Path) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    hub.sync(box)
    assert "battery" not in of_box(box)
    supply(tmp_path, "BAT0", type="Battery", capacity="63", status="Discharging")
    document = of_box(box, tmp_path)
    assert document["battery"] == {"percent": 63, "charging": False}
    assert len(box_status.packed(VECTORS["document"])) <= 500
    assert told.unpacked(box_status.packed(document)) == document


def test_it_says_what_the_link_carried_hour_by_hour(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    hub.sync(box)
    with box.database.write() as session:
        at_ms = traffic.now_ms(session, box.steady)
        for hours_ago, size in ((0, 2_000_000), (23, 5_000_000), (24, 7_000_000)):
            traffic.book(session, at_ms - hours_ago * traffic.HOUR_MS, traffic.LINK, {"": Moved(size, 0)})
    assert of_box(box)["hours"] == [5_000, *[0] * 22, 2_000]


def test_whoever_watches_a_round_is_told_of_every_byte_that_came(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    hub.lesson(hub.course(school.org, groups=(school,)))
    came: list[int] = []
    report = rounds.run(
        box, on_progress=lambda _share: None, transport=hub.wire, carrier=WireCarrier(hub.wire), on_bytes=came.append
    )
    assert sum(came) >= report.fetched.bytes > 100_000


def test_a_box_that_has_no_time_yet_says_so(box: Installation) -> None:
    document = of_box(box)
    assert (document["clock_ms"], document["lamp"], document["open"]) == (None, "unknown", True)
    assert told.of_document(document).knows_the_time is False


# --- read at the hub ----------------------------------------------------------------


@pytest.mark.any_engine
def test_the_documented_document_is_read_and_what_is_not_known_is_kept() -> None:
    document = told.read(json.loads(json.dumps(VECTORS["document"])))
    assert document["of_a_later_release"] == ["kept", {"as": "it came"}]
    found = told.of_document(document)
    assert (found.lamp, found.backlog, found.rate, found.battery, found.is_charging) == ("red", 12, 21_000, 81, False)
    assert told.of_document(LEAST).disk_free is None
    assert told.of_document(LEAST | {"lamp": "of a later release"}).lamp == "unknown"


@pytest.mark.any_engine
@pytest.mark.parametrize("refused", VECTORS["refused"], ids=lambda found: found["why"])
def test_what_is_of_another_kind_is_refused(refused: dict[str, Any]) -> None:
    with pytest.raises(BadFormat):
        told.read(refused["document"])


@pytest.mark.any_engine
def test_what_unpacks_without_end_is_refused_before_it_is_read() -> None:
    for body in (b" " * (told.MAX_BYTES + 1), gzip.compress(b"0" * 10_000_000), b"\x1f\x8b torn", b"[" * 5_000, b"", b"\xff"):
        with pytest.raises(BadFormat):
            told.unpacked(body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=12), inner, max_size=5), max_leaves=12,
)  # fmt: skip
fields = st.dictionaries(st.sampled_from(sorted(told._FIELDS)) | st.text(max_size=9), values, max_size=6)


@pytest.mark.any_engine
@given(found=fields)
def test_whatever_a_box_sends_is_refused_or_can_be_shown(found: dict[str, Any]) -> None:
    try:
        document = told.unpacked(json.dumps(LEAST | found).encode())
    except BadFormat:
        return
    shown = told.of_document(document)
    numbers = (shown.disk_free, shown.disk_total, shown.backlog, shown.oldest_s, shown.rate, shown.bytes_left, shown.dropped)
    assert all(number is None or (type(number) is int and number >= 0) for number in numbers)
    assert all(isinstance(text, str) for text in (shown.lamp, *shown.days) if text is not None)


@settings(max_examples=25)  # each is a transaction on a disk
@given(found=fields)
def test_whatever_is_let_through_can_be_stored(hub_database: Installation, found: dict[str, Any]) -> None:
    try:
        document = told.unpacked(json.dumps(LEAST | found).encode())
    except BadFormat:
        return
    with hub_database.database.write() as session:
        told.note(session, "01a21113-3080-7198-be96-640003055a8b", document)
    with hub_database.database.read() as session:
        assert overview.documents(session, ["01a21113-3080-7198-be96-640003055a8b"])


@pytest.fixture(scope="module")
def hub_database(module_settings: Any) -> Iterator[Installation]:
    opened = open_installation(module_settings)
    yield opened
    opened.database.close()


def test_a_stick_that_comes_late_changes_nothing_and_one_that_comes_first_is_as_old_as_it_says(hub: Hub) -> None:
    school = hub.school("Shuanghu")
    hour_ms = 3_600_000
    with hub.here.database.write() as session:
        at = school.site  # any uid
        assert told.note(session, at, LEAST | {"made_steady_s": 50, "clock_ms": WEDNESDAY_MS - 5 * hour_ms}, is_carried=True)
        assert said_in(session, at) == (50, WEDNESDAY_MS - 5 * hour_ms)
        assert told.note(session, at, LEAST | {"made_steady_s": 90, "clock_ms": WEDNESDAY_MS - 2 * hour_ms})
        assert said_in(session, at) == (90, WEDNESDAY_MS)
        assert not told.note(session, at, LEAST | {"made_steady_s": 70, "clock_ms": WEDNESDAY_MS - 3 * hour_ms}, is_carried=True)
        assert said_in(session, at) == (90, WEDNESDAY_MS)
        clock.freeze(WEDNESDAY_MS + hour_ms)
        assert told.note(session, at, LEAST | {"made_steady_s": 99, "clock_ms": WEDNESDAY_MS + 99 * hour_ms}, is_carried=True)
        assert said_in(session, at) == (99, WEDNESDAY_MS + hour_ms)  # never from the future


def said_in(session: Any, node_uid: str) -> tuple[int, int]:
    row = session.get_one(BoxStatus, node_uid)
    return row.said["made_steady_s"], row.told_ms


def test_a_box_that_was_shut_out_is_not_listened_to(hub: Hub, box: Installation, ages: Callable[[float], None]) -> None:
    from eduhub.errors import NodeRefused
    from eduhub.sync.boxes import nodes

    school = hub.school("Shuanghu")
    node_uid = hub.join(box, school)
    with hub.here.database.write() as session:
        nodes.revoke(session, hub.here, node_uid, "2026-11-25")
    with pytest.raises(NodeRefused):
        hub.sync(box)
    assert said(hub, node_uid) is None
