"""The operator sees every box with what it said of itself, what needs somebody first; a region's operator the region's."""

from collections.abc import Callable
from typing import Any

import pytest

from eduhub import clock
from eduhub.installation import Installation
from eduhub.schools import organisations
from eduhub.sync.models import BoxStatus, Node, NodeContact
from eduhub.sync.status import box_status, overview
from eduhub.uids import new_uid
from tests.questions import counted
from tests.web.world import Reader, World, add_adult

HOUR_MS = 3_600_000
GOOD = {
    "format": box_status.FORMAT, "made_steady_s": 9, "clock_ms": 1, "version": "0.5.0", "lamp": "green", "days": {"2099-11-26": [3, 1, 0, 0, 0]},
    "disk": {"free": 41_000_000_000, "total": 64_000_000_000}, "backlog": {"rows": 12, "oldest_s": 7_300}, "rate": 21_000,
    "left": {"lessons": 2, "bytes": 18_400_000}, "open": False, "battery": {"percent": 81, "charging": False}, "hours": [0, 900, 3_400],
    "dropped": {"lessons": 2, "bytes": 9_000_000},
}  # fmt: skip


@pytest.fixture
def add_box(installation: Installation) -> Callable[..., str]:
    """`add_box(org_uid, "nyima-1", said=GOOD, hours_ago=2)`: a box that called and said so; without hours_ago it never called."""

    def add(org_uid: str, name: str, said: dict[str, Any] | None = None, hours_ago: float | None = None, **node: Any) -> str:
        with installation.database.write() as session:
            row = Node(
                org_uid=org_uid, site_uid=new_uid(), name=name, signing_public="", sealing_public="", certificate={},
                **{"revoked_on": None, "ended_on": None} | node,
            )  # fmt: skip
            session.add(row)
            session.flush()
            if hours_ago is not None:
                at_ms = clock.now_ms() - round(hours_ago * HOUR_MS) - 1000
                session.add(NodeContact(
                    node_uid=row.uid, last_ms=at_ms, version="0.4", stream_sequence=0, catalog_sequence=0, disk_full_ms=None
                ))  # fmt: skip
                if said is not None:
                    session.add(BoxStatus(node_uid=row.uid, said=said, told_ms=at_ms))
            return row.uid

    return add


def test_what_needs_somebody_comes_first_with_a_word_for_each_state(
    browser: Callable[[], Reader], world: World, add_box: Callable[..., str]
) -> None:
    add_box(world.school, "a-fine", GOOD, 2)
    add_box(world.school, "b-lacks", GOOD | {"lamp": "red", "days": {"2099-11-26": [1, 0, 3, 0, 0]}}, 1)
    add_box(world.other_school, "c-silent", GOOD, 25)
    add_box(world.other_school, "d-lost", GOOD, 80)
    add_box(world.other_school, "e-new")
    add_box(world.other_school, "f-old", None, 1)
    add_box(world.school, "g-stolen", GOOD, 1, revoked_on="2026-01-01")
    add_box(world.school, "h-replaced", GOOD, 1, ended_on="2026-01-01")
    page = browser().sign_in("tenzin").get("/operator/boxes").text.replace("\u00a0", " ")
    places = [page.index(f">{name}<") for name in ("b-lacks", "d-lost", "c-silent", "e-new", "f-old", "a-fine", "g-stolen")]
    assert places == sorted(places)
    assert "2 boxes need somebody" in page
    rows = {row.split("</a>")[0].split(">")[-1]: row for row in page.split("<tr>")[2:]}
    assert "4 of 4 lessons here" in rows["a-fine"]
    assert "as the box said 2 hours ago" in rows["a-fine"]
    assert "12 messages wait, the oldest for 2 hours" in rows["a-fine"]
    assert "41 GB of 64 GB are free" in rows["a-fine"]
    assert "76 MB/h" in rows["a-fine"]
    assert "0.5.0" in rows["a-fine"]
    assert "1 of 4 lessons here" in rows["b-lacks"]
    assert "3 days ago" in rows["d-lost"]
    assert "has not called yet" in rows["e-new"]
    assert rows["f-old"].count("not known") == 5  # its state, days, backlog, disk and rate; the version it said when it called
    assert "shut out" in rows["g-stolen"]
    assert "another box has its place" in rows["h-replaced"]


def test_a_regions_operator_sees_the_boxes_of_the_region_alone(
    browser: Callable[[], Reader], world: World, installation: Installation, add_box: Callable[..., str]
) -> None:
    with installation.database.write() as session:
        far = organisations.add(session, kind="region", names={"en": "Ngari"})
        far_school = organisations.add(session, kind="school", names={"en": "Gertse school"}, parent_uid=far.uid)
        add_adult(session, "Sonam", far.uid, "region_operator", "organisation", far.uid)
        far_uid, far_school_uid = far.uid, far_school.uid
    add_box(world.school, "shuanghu-1", GOOD, 1)
    add_box(far_school_uid, "gertse-1", GOOD, 1)
    own = browser().sign_in("sonam").get("/operator/boxes").text
    assert "gertse-1" in own
    assert "shuanghu-1" not in own
    tenzin = browser().sign_in("tenzin")
    both = tenzin.get("/operator/boxes").text
    assert "gertse-1" in both
    assert "shuanghu-1" in both
    of_far = tenzin.get(f"/operator/boxes?region={far_uid}").text
    assert "gertse-1" in of_far
    assert "shuanghu-1" not in of_far
    assert browser().sign_in("pema").get("/operator/boxes").status_code == 403


def test_a_thousand_boxes_are_asked_for_at_once_and_shown_a_hundred_at_a_time(
    browser: Callable[[], Reader], world: World, installation: Installation, add_box: Callable[..., str]
) -> None:
    add_box(world.school, "one-more", GOOD | {"lamp": "red"}, 1)
    tenzin = browser().sign_in("tenzin")
    with counted(installation.database) as of_one:
        tenzin.get("/operator/boxes")
    now_ms = clock.now_ms()
    with installation.database.write() as session:
        for number in range(1_000):
            uid = new_uid()
            session.add(Node(
                uid=uid, org_uid=world.school, site_uid=new_uid(), name=f"box-{number:04}", signing_public="", sealing_public="",
                certificate={}, revoked_on=None, ended_on=None,
            ))  # fmt: skip
            session.add(NodeContact(node_uid=uid, last_ms=now_ms, version="0.5", stream_sequence=0, catalog_sequence=0, disk_full_ms=None))
            session.add(BoxStatus(node_uid=uid, said=GOOD, told_ms=now_ms))
    with counted(installation.database) as of_all:
        page = tenzin.get("/operator/boxes").text
    assert len(of_all) == len(of_one)
    assert page.count("<tr>") == 101
    assert page.index("one-more") < page.index("box-0000")
    assert "Page 1 of 11" in page
    with installation.database.read() as session, counted(installation.database) as asked:
        assert len(overview.of(session)) == 1_001
    assert len(asked) == 1


def test_one_box_in_detail_shows_what_it_said_and_when(
    browser: Callable[[], Reader], world: World, add_box: Callable[..., str]
) -> None:
    uid = add_box(world.school, "shuanghu-1", GOOD, 2)
    page = browser().sign_in("pema").get(f"/schools/{world.school}/boxes/{uid}").text.replace("\u00a0", " ")
    for told in (
        "as the box said 2 hours ago", "12 messages wait", "41 GB of 64 GB are free", "2 lessons were dropped", "81%", "not charging",
        "2 lessons · 18 MB", "waits for the hours in which lessons may be fetched", "at most 3.4 MB in an hour", "4 of 4", "all here",
    ):  # fmt: skip
        assert told in page, told
    assert "It has told of none." in page
    assert '<td class="n">0</td><td class="n">3.4 MB</td></tr><tr><td class="n">1</td><td class="n">0.9 MB</td>' in page.replace("\n", "")
    silent = add_box(world.school, "shuanghu-2", None, 2)
    page = browser().sign_in("pema").get(f"/schools/{world.school}/boxes/{silent}").text
    assert "It has not said anything yet." in page


def test_the_rules_and_the_update_of_a_box_are_told_in_words_at_the_hub(
    browser: Callable[[], Reader], world: World, add_box: Callable[..., str]
) -> None:
    said = GOOD | {"policy": "rate=64 class=0 month=3000 height=0 courses=2 later=1 more", "release": "coming 0.6.0 43"}
    uid = add_box(world.school, "shuanghu-1", said, 2)
    tenzin = browser().sign_in("tenzin")
    page = tenzin.get(f"/schools/{world.school}/boxes/{uid}").text.replace("\u00a0", " ")
    rules = page.split("Rules it goes by</th><td>")[1].split("</td>")[0].split("<br>")
    assert rules == [
        "at most 64 kbit/s", "nothing in class hours", "at most 3 GB a month", "no moving pictures", "2 courses have rules of their own",
        "and more",
    ]  # fmt: skip
    assert "0.6.0: is coming, 43 % are there" in tenzin.get("/operator/boxes").text.replace("\u00a0", " ")


def test_what_a_hostile_box_says_is_shown_as_text(browser: Callable[[], Reader], world: World, add_box: Callable[..., str]) -> None:
    uid = add_box(world.school, "shuanghu-1", GOOD | {"version": "<script>alert(1)</script>", "release": "<img src=x>", "days": {}}, 1)
    for address in ("/operator/boxes", f"/schools/{world.school}/boxes/{uid}"):
        page = browser().sign_in("tenzin").get(address).text
        assert "<script>alert" not in page
        assert "<img src=x>" not in page
