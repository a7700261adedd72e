"""What a school wants comes, in the order of its plan; what its rules leave out stays at the hub."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from eduhub.courses.models import Lesson, PlanRow
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import Manifest, Part
from eduhub.errors import BadInput, LinkDown, NotFound
from eduhub.installation import Installation
from eduhub.schools.models import Site
from eduhub.sync.allowance import policies, wishes
from eduhub.sync.allowance.budgets import parse_windows
from eduhub.sync.allowance.policies import Choice
from eduhub.sync.fetching import wanted
from eduhub.sync.fetching.wanted import (
    LATER,
    NEXT,
    NOW,
    TAUGHT,
    TODAY,
    TOMORROW,
    UNPLANNED,
    WEEK,
    When,
    is_wanted,
    plan,
)
from eduhub.sync.models import CoursePolicy, SitePolicy, Wish
from eduhub.uids import new_uid
from tests.sync.world import Hub, School, noise

TODAY_DAY = "2026-11-25"
PARTS = {"index": noise("i", 500), "aac": noise("a", 900), "opus": noise("o", 700), "v240": noise("v", 1900)}


def part(kind: str, **facts: Any) -> Part:
    usual: dict[str, Any] = {
        "name": "x", "kind": kind, "role": "main", "language": None, "audience": "learner", "licence": None, "type": "video/mp4",
        "codec": {"video": "avc1.64000d", "audio": "mp4a.40.2"}.get(kind), "bytes": 100, "sha256": "0" * 64, "pieces": None,
        "floor": False,
    }  # fmt: skip
    return Part(**usual | facts)


@pytest.mark.parametrize(("choice", "found", "is_there"), [
    (Choice(), part("video", height=720), True),
    (Choice(), part("video", height=720, codec="av01.0.01M.08"), False),
    (Choice(codecs=frozenset({"av1"})), part("video", height=720, codec="av01.0.01M.08"), True),
    (Choice(max_height=240), part("video", height=240), True),
    (Choice(max_height=240), part("video", height=241), False),
    (Choice(max_height=240), part("video"), True),
    (Choice(max_height=0), part("video"), False),
    (Choice(max_height=0), part("download", codec=None), False),
    (Choice(max_height=0), part("stills", codec=None), True),
    (Choice(max_height=0), part("video", height=144, floor=True), True),
    (Choice(languages=frozenset({"bo", "zh"})), part("audio", language="en"), False),
    (Choice(languages=frozenset({"bo", "zh"})), part("audio", language="zh-Hans"), True),
    (Choice(languages=frozenset({"zh"})), part("audio", language="zha"), False),
    (Choice(languages=frozenset({"bo"})), part("audio", language=None), True),
    (Choice(languages=frozenset({"bo"})), part("audio", language="en", floor=True), True),
    (Choice(languages=frozenset({"bo"})), part("captions", codec=None, language="en"), False),
    (Choice(languages=frozenset({"bo"})), part("attachment", codec=None, language="en"), True),
])  # fmt: skip
def test_a_part_is_wanted_by_its_height_codec_and_language_and_the_floor_always(choice: Choice, found: Part, is_there: bool) -> None:
    assert is_wanted(found, choice) is is_there


@pytest.mark.parametrize(("days", "today", "soon"), [
    ([], TODAY_DAY, When(UNPLANNED)), ([TODAY_DAY], TODAY_DAY, When(TODAY)), (["2026-11-26"], TODAY_DAY, When(TOMORROW)),
    (["2026-12-02"], TODAY_DAY, When(WEEK, "2026-12-02")), ([None], TODAY_DAY, When(NEXT)),
    (["2026-12-03"], TODAY_DAY, When(LATER, "2026-12-03")), (["2026-11-18"], TODAY_DAY, When(LATER, "2026-11-18")),
    (["2026-11-17"], TODAY_DAY, When(TAUGHT, "2026-11-17")), (["2026-11-17", "2026-11-26"], TODAY_DAY, When(TOMORROW)),
    ([None, "2026-12-09"], TODAY_DAY, When(NEXT)), (["2031-01-01"], None, When(WEEK, "2031-01-01")), ([None], None, When(NEXT)),
])  # fmt: skip
def test_how_soon_a_lesson_is_needed_is_said_by_its_nearest_day(days: list[str | None], today: str | None, soon: When) -> None:
    assert wanted.when(days, today) == soon


RANKS = st.sampled_from([NOW, TODAY, TOMORROW, WEEK, NEXT, LATER, UNPLANNED, TAUGHT])


@given(st.lists(st.tuples(RANKS, st.lists(st.tuples(st.booleans(), st.integers(1, 9999)), min_size=1, max_size=6)), max_size=7))
def test_floors_come_before_better_parts_and_both_by_the_plan(made: list[tuple[int, list[tuple[bool, int]]]]) -> None:
    manifests, whens = {}, {}
    for number, (rank, parts) in enumerate(made):
        name = f"{number:064x}"
        whens[name] = When(rank)
        manifests[name] = manifest([
            part("video" if not floor else "stills", codec=None, floor=floor, bytes=size, sha256=f"{number:032x}{place:032x}", name=f"p{place}")
            for place, (floor, size) in enumerate(parts)
        ])  # fmt: skip
    found = plan(manifests, set(), whens)
    assert len(found) == sum(len(parts) for _rank, parts in made)
    keys = [(want.when.rank != NOW, want.tier, want.when) for want in found]
    assert keys == sorted(keys)
    for name in manifests:
        better = [want.bytes for want in found if want.package_id == name and want.tier == 1]
        assert better == sorted(better), "of one lesson the smallest first"
        floors = [place for place, want in enumerate(found) if want.package_id == name and want.tier == 0]
        assert floors == list(range(floors[0], floors[0] + len(floors))) if floors else True, "a floor comes in one go"
    held = {(want.package_id, want.sha256) for want in found[::2]}
    assert [(want.package_id, want.sha256) for want in plan(manifests, held, whens)] == [
        (want.package_id, want.sha256) for want in found if (want.package_id, want.sha256) not in held
    ]


def manifest(parts: list[Part]) -> Manifest:
    uid = new_uid()
    return Manifest(
        hub=uid, lesson=uid, course=uid, org=uid, revision=1, timeline=uid, supersedes=None, language="zh", titles={}, texts={},
        audience="all", duration_ms=1000, parts=tuple(parts),
    )  # fmt: skip


# --- with a hub and a box -----------------------------------------------------------


def site_of(hub: Hub, school: School, **values: Any) -> None:
    with hub.here.database.write() as session:
        policies.set_site(session, session.get_one(Site, school.site), **values)


def course_of(hub: Hub, school: School, course: str, **values: Any) -> None:
    with hub.here.database.write() as session:
        policies.set_course(session, session.get_one(Site, school.site), course, **values)


def plan_for(hub: Hub, school: School, package: str, day: str | None) -> None:
    with hub.here.database.write() as session:
        lesson = session.get_one(PackageRow, package).lesson_uid
        session.add(PlanRow(org_uid=school.org, group_uid=school.group, lesson_uid=lesson, day=day, period=None, dropped_on=None))


def packages_of(box: Installation) -> set[str]:
    with box.database.read() as session:
        return set(session.scalars(select(PackageRow.id)))


def held(box: Installation, package: str) -> set[int]:
    with box.database.read() as session:
        return set(session.scalars(select(PartRow.bytes).where(PartRow.package_id == package, PartRow.held)))


def fetched(hub: Hub) -> list[str]:
    """Packages in the order in which their floors came."""
    paths = [path.split("/") for _method, path, _range in hub.wire.requests if path.startswith("/p/")]
    return list(dict.fromkeys(package for _, _, package, blob in paths if package != blob))


def test_floors_come_in_the_order_of_the_plan(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    packages = [hub.lesson(course, position=number) for number in range(6)]
    for number, day in ((5, TODAY_DAY), (4, "2026-11-26"), (3, "2026-11-30"), (2, None), (0, "2027-01-10")):
        plan_for(hub, school, packages[number], day)
    hub.join(box, school)
    hub.sync(box)
    assert fetched(hub) == [packages[number] for number in (5, 4, 3, 2, 0, 1)]


def test_a_wish_comes_first_with_all_its_parts_and_is_forgotten_when_it_is_whole(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    packages = [hub.lesson(course, position=number) for number in range(3)]
    hub.join(box, school)
    hub.wire.cut_after = 9_000
    with pytest.raises(LinkDown):
        hub.sync(box)
    hub.wire.cut_after = None
    with box.database.write() as session:
        lesson = session.scalars(select(Lesson.uid).where(Lesson.package_id == packages[2])).one()
        wishes.make(session, box.steady, lesson)
        with pytest.raises(NotFound):
            wishes.make(session, box.steady, new_uid())
    hub.wire.requests.clear()
    hub.sync(box)
    paths = [path for _method, path, _range in hub.wire.requests if path.startswith("/p/") and path.split("/")[2] != path.split("/")[3]]
    of_wish = [path for path in paths if packages[2] in path]
    assert paths[: len(of_wish)] == of_wish
    hub.sync(box)
    with box.database.read() as session:
        assert session.scalars(select(Wish)).all() == []


def test_what_the_school_chose_comes_and_what_it_chose_later_comes_later(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)), parts=PARTS)
    site_of(hub, school, max_height=0)
    hub.join(box, school)
    hub.sync(box)
    assert held(box, package) == {500, 900}
    site_of(hub, school, max_height=None, codecs=["opus"])
    hub.sync(box)
    assert held(box, package) == {500, 900, 700, 1900}
    with box.database.read() as session:
        assert all(session.scalars(select(PartRow.wanted)))


def test_a_course_may_have_rules_of_its_own(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    water, never, planned, whole = (hub.course(hub.region, groups=(school,) if taken else ()) for taken in (1, 1, 1, 0))
    of_water, of_never, of_whole = hub.lesson(water, parts=PARTS), hub.lesson(never), hub.lesson(whole)
    in_plan, not_in_plan = hub.lesson(planned, position=1), hub.lesson(planned, position=2)
    plan_for(hub, school, in_plan, "2026-11-27")
    site_of(hub, school, max_height=240)
    course_of(hub, school, water, max_height=0)
    course_of(hub, school, never, wanted="none")
    course_of(hub, school, planned, wanted="planned")
    course_of(hub, school, whole, wanted="all")
    hub.join(box, school)
    hub.sync(box)
    assert packages_of(box) == {of_water, in_plan, of_whole}
    assert held(box, of_water) == {500, 900}
    with box.database.write() as session:
        for package in (of_never, not_in_plan):
            wishes.make(session, box.steady, session.scalars(select(Lesson.uid).where(Lesson.package_id == package)).one())
    hub.sync(box)
    assert {of_never, not_in_plan} <= packages_of(box), "a wish is above the rules of its course"


def test_the_admin_of_a_box_sets_the_rules_there_and_the_hub_hears_of_it(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    hub.sync(box)
    with box.database.write() as session:
        policies.set_site(session, session.get_one(Site, school.site), max_height=0, windows="22:00-06:00", day_mb=40)
        policies.set_course(session, session.get_one(Site, school.site), new_uid(), wanted="none")
    hub.sync(box)
    with hub.here.database.read() as session:
        row = session.get_one(SitePolicy, school.site)
        assert (row.org_uid, row.max_height, row.windows, row.day_mb) == (school.org, 0, "22:00-06:00", 40)
        assert session.scalars(select(CoursePolicy.wanted)).all() == ["none"]


@pytest.mark.parametrize("values", [
    {"max_height": -1}, {"max_height": "240"}, {"codecs": ["theora"]}, {"codecs": "av1"}, {"languages": ["zh hans"]},
    {"languages": ["a"] * 21}, {"ceiling_kbit_s": 7}, {"class_ceiling_kbit_s": 1}, {"windows": "tomorrow"}, {"windows": 5},
    {"day_mb": 0}, {"month_mb": True}, {"disk_mb": 1}, {"colour": "red"},
])  # fmt: skip
def test_what_cannot_stand_in_a_policy_is_refused_and_nothing_is_changed(hub: Hub, values: Mapping[str, Any]) -> None:
    school = hub.school("Shuanghu")
    with pytest.raises(BadInput):
        site_of(hub, school, **values)
    with hub.here.database.read() as session:
        assert session.get(SitePolicy, school.site) is None


def test_what_another_release_wrote_counts_as_not_set(hub: Hub) -> None:
    school = hub.school("Shuanghu")
    site_of(hub, school, max_height=240, windows="22:00-06:00", day_mb=9)
    with hub.here.database.write() as session:
        row = session.get_one(SitePolicy, school.site)
        row.windows, row.codecs, row.day_mb = "on sundays", ["h266"], -4
        session.add(CoursePolicy(
            org_uid=school.org, site_uid=school.site, course_uid=new_uid(), max_height=None, codecs=None, languages=None, wanted="perhaps"
        ))  # fmt: skip
    with hub.here.database.read() as session:
        found = policies.of_site(session, school.site, "22:00-05:00")
    assert found.choice == Choice(240)
    assert found.limits == replace(found.limits, day_bytes=None)
    assert [str(window) for window in found.limits.windows] == ["22:00-05:00"], "the setting holds where the school has said nothing"
    assert found.wanted == {}


def test_hours_and_parts_are_judged_as_the_vectors_say() -> None:
    vectors = json.loads((Path(__file__).parents[2] / "docs/formats/vectors/policies.json").read_text())
    for row in vectors["windows"]:
        if row["windows"] is None:
            with pytest.raises(BadInput):
                parse_windows(row["text"])
        else:
            assert [list(window) for window in parse_windows(row["text"])] == row["windows"]
    for row in vectors["parts"]:
        choice = Choice(**{name: value if name == "max_height" else frozenset(value) for name, value in row["choice"].items()})
        assert is_wanted(part(**row["part"]), choice) is row["wanted"], row
