"""`eduhub sync status` on a box and `eduhub boxes` at the hub: text for people, one stable object for programs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from eduhub import clock
from eduhub.config import Settings
from eduhub.courses import plan
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.sync.allowance import traffic
from eduhub.sync.allowance.traffic import Moved
from eduhub.sync.models import Upstream
from tests.ops.commanding import eduhub
from tests.sync.world import Hub, School

pytestmark = [pytest.mark.processes, pytest.mark.any_engine]


@pytest.fixture
def hub(make_installation: Callable[..., Installation]) -> Hub:
    return Hub(make_installation(role="hub"))


@pytest.fixture
def school(hub: Hub) -> School:
    return hub.school("Shuanghu")


@pytest.fixture
def box(hub: Hub, school: School, make_installation: Callable[..., Installation]) -> Installation:
    """A box with two lessons for tomorrow, of which one has not come; it knows the time and how fast its link is."""
    box = make_installation(role="node")
    hub.join(box, school)
    course = hub.course(school.org, groups=(school,))
    tomorrow = clock.day_of(clock.now_ms() + traffic.DAY_MS, "Asia/Shanghai")
    packages = [hub.lesson(course, position=number) for number in range(2)]
    with hub.here.database.write() as session:
        for package_id in packages:
            plan.add(session, group_uid=school.group, lesson_uid=session.get_one(PackageRow, package_id).lesson_uid, day=tomorrow)
    hub.sync(box)
    with box.database.write() as session:
        session.execute(update(PartRow).where(PartRow.package_id == packages[1]).values(held=False))
        session.execute(update(PackageRow).where(PackageRow.id == packages[1]).values(floor_held=False))
        traffic.book(session, traffic.now_ms(session, box.steady), traffic.LINK, {"": Moved(100_000, 0, 100.0)})
    return box


def asked(settings: Settings, *arguments: str) -> dict[str, Any]:
    done = eduhub(settings, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_box_tells_programs_what_is_missing_and_when_it_comes(box: Installation) -> None:
    found = asked(box.settings, "sync", "status")
    assert found["format"] == "eduhub-sync-status/1"
    assert (found["joined"], found["name"], found["hub"], found["last_error"]) == (True, "shuanghu-3", "http://hub.test", None)
    assert found["lamp"] == "red"
    [day] = found["days"]
    assert (day["day"], day["whole"], day["missing"]) == (found["coming"], 1, 1)
    [missing] = found["missing"]
    assert (missing["titles"], missing["bytes"]) == ({"en": "Lesson 1"}, 41_400)
    assert 1 <= missing["in_s"] <= 42  # a kilobyte a second, or what the real round before it was quicker
    assert found["link_bytes"]["today"] >= 100_000
    assert found["says"]["format"] == "eduhub-box-status/1"


def test_people_read_a_bar_for_each_day(box: Installation) -> None:
    done = eduhub(box.settings, "sync", "status")
    assert "[##########----------] 1 of 2 here, 1 to come" in done.stdout, done.stderr
    assert "Lesson 1: 0.0 MB, comes in about 1 min" in done.stdout
    with box.database.write() as session:
        session.query(Upstream).one().hub_time_ms = None
    done = eduhub(box.settings, "sync", "status")
    assert "The day is not known until the hub is reached" in done.stdout
    assert "not reached yet" in done.stdout


def test_a_box_that_has_not_joined_says_how(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(role="node")
    assert "eduhub node join HUB" in eduhub(settings, "sync", "status").stdout
    assert asked(settings, "sync", "status")["joined"] is False
    done = eduhub(make_settings(role="hub"), "sync", "status")
    assert done.returncode == 1
    assert "eduhub boxes" in done.stderr


def test_the_hub_lists_its_boxes_with_what_they_said(hub: Hub, box: Installation) -> None:
    found = asked(hub.here.settings, "boxes")
    assert found["format"] == "eduhub-boxes/1"
    [row] = found["boxes"]
    assert (row["name"], row["school"], row["state"], row["silence"]) == ("shuanghu-3", {"en": "Shuanghu"}, "green", "green")
    assert row["said"]["lamp"] == "green"  # what it said when both lessons were there
    text = eduhub(hub.here.settings, "boxes").stdout
    assert "shuanghu-3" in text
    assert "2 of 2" in text
    assert eduhub(box.settings, "boxes").returncode == 1


def test_a_hub_without_boxes_says_how_one_joins(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(role="hub")
    assert "eduhub node code" in eduhub(settings, "boxes").stdout
    assert asked(settings, "boxes")["boxes"] == []
