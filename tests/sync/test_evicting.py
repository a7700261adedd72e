"""What is needed soon gets its room from what is not; what a child may be watching stays; a kill in between costs nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from eduhub.courses.models import Lesson
from eduhub.delivery import holding
from eduhub.delivery.models import BlobRow, PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.sync.allowance import evicting, policies, wishes
from eduhub.sync.allowance.evicting import Victim, decide
from eduhub.sync.fetching.wanted import LATER, NEXT, NOW, TAUGHT, TODAY, UNPLANNED, Want, When
from eduhub.sync.homeward import outbox
from eduhub.sync.models import Dropped, NoRoom, Upstream
from tests.sync.test_what_is_wanted import held, plan_for, site_of
from tests.sync.world import Hub, School, noise, watched

RANKS = st.integers(NOW, TAUGHT)
DAYS = st.sampled_from(["", "2026-01-01", "2026-05-05", "2027-01-01"])
WANTS = st.lists(st.builds(
    Want, st.integers(0, 1), st.integers(1, 100), st.sampled_from(["p1", "p2", "p3"]), st.uuids().map(str), st.none(),
    st.builds(When, RANKS, DAYS),
), max_size=8)  # fmt: skip


@st.composite
def lessons(draw: st.DrawFn) -> list[Victim]:
    """Lessons with some better parts: those, and each lesson as a whole."""
    found = []
    for number in range(draw(st.integers(0, 5))):
        when, seen = When(draw(st.integers(LATER, TAUGHT)), draw(DAYS)), draw(st.integers(0, 9))
        sizes = draw(st.lists(st.integers(1, 60), min_size=1, max_size=4))
        names = [f"{number}-{place}" for place in range(len(sizes))]
        found += [
            Victim(f"v{number}", f"l{number}", (name,), size, draw(st.integers(1, 2)), when, seen)
            for name, size in list(zip(names, sizes, strict=True))[1:]
        ]
        found.append(Victim(f"v{number}", f"l{number}", tuple(names), sum(sizes), 0, when, seen))
    return found


@given(WANTS, lessons(), st.integers(0, 200), st.integers(0, 200))
def test_nothing_goes_but_for_what_is_needed_sooner_and_what_comes_has_room(
    wants: list[Want], victims: list[Victim], free: int, leaving: int
) -> None:
    wants = sorted(wants, key=lambda want: (want.when.rank != NOW, want.tier, want.when))
    done = decide(wants, [want.bytes for want in wants], victims, free, leaving)
    assert sum(want.bytes for want in done.fetch) <= free
    gone = [sha256 for victim in done.drop for sha256 in victim.parts]
    sizes = {victim.parts[0]: victim.bytes for victim in victims if len(victim.parts) == 1}
    assert len(gone) == len(set(gone)), "nothing goes twice"
    taken = [want for want in wants if want.package_id not in done.no_room]
    kept = free + leaving + sum(victim.bytes for victim in done.drop) - sum(want.bytes for want in taken)
    assert done.spare >= kept or any(want.package_id in done.no_room for want in wants)
    assert done.spare >= 0
    for victim in done.drop:
        assert any(want.when.rank == NOW or (want.tier, want.when.rank) < (victim.tier, victim.when.rank) for want in wants)
    if sum(want.bytes for want in wants) <= free + leaving:
        assert not done.drop
        assert not done.no_room
    assert sizes.keys() >= {victim.parts[0] for victim in done.drop if len(victim.parts) == 1}


@given(WANTS, lessons(), st.integers(0, 200))
def test_a_second_look_after_everything_came_lets_nothing_more_go(wants: list[Want], victims: list[Victim], free: int) -> None:
    wants = sorted(wants, key=lambda want: (want.when.rank != NOW, want.tier, want.when))
    first = decide(wants, [want.bytes for want in wants], victims, free, 0)
    gone = {sha256 for victim in first.drop for sha256 in victim.parts}
    left = [victim for victim in victims if not gone.intersection(victim.parts)]
    again = [want for want in wants if want.package_id in first.no_room]
    second = decide(again, [want.bytes for want in again], left, 0, first.spare)
    fits_now = sum(want.bytes for want in again) - sum(second.no_room.values())
    assert not second.drop or fits_now > 0, "what goes makes room for something"


def victim(tier: int, when: When, watched_at: int = 0, name: str = "x") -> Victim:
    return Victim(name, name, (f"{name}{tier}",), 10, tier, when, watched_at)


def test_what_goes_first() -> None:
    order = [
        victim(2, When(UNPLANNED), name="no rule wants it"), victim(1, When(TAUGHT, "2025-01-01"), name="old"),
        victim(1, When(TAUGHT, "2026-01-01"), name="newer"), victim(1, When(UNPLANNED), 1, name="seen long ago"),
        victim(1, When(UNPLANNED), 8, name="seen lately"), victim(1, When(LATER, "2027-05-01"), name="far"),
        victim(1, When(LATER, "2027-01-01"), name="nearer"), victim(0, When(TAUGHT, "2025-01-01"), name="old"),
    ]  # fmt: skip
    mixed = order[::-1]
    mixed.sort(key=lambda found: found.order)
    assert mixed == order


# --- at a box -----------------------------------------------------------------------


@pytest.fixture(autouse=True)
def small_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte of a policy is a thousand bytes, so that a disk is full soon."""
    monkeypatch.setattr(policies, "MB", 1_000)


def parts(seed: str) -> dict[str, bytes]:
    return {"index": noise(f"i{seed}", 1_000), "aac": noise(f"a{seed}", 20_000), "v240": noise(f"v{seed}", 40_000)}


def full_box(hub: Hub, box: Installation, **rules: Any) -> tuple[School, str, list[str]]:
    """A box whose 205 kB hold three lessons: the first is planned for this week, the two others are in no plan."""
    school = hub.school("Shuanghu", children=1)
    course = hub.course(hub.region, groups=(school,))
    site_of(hub, school, disk_mb=205, **rules)
    packages = [hub.lesson(course, position=number, parts=parts(str(number))) for number in range(3)]
    plan_for(hub, school, packages[0], "2026-11-27")
    hub.join(box, school)
    hub.sync(box)
    assert all(len(held(box, package)) == 3 for package in packages)
    return school, course, packages


def dropped(box: Installation) -> set[tuple[str, int]]:
    with box.database.read() as session:
        return {(row.package_id, row.bytes) for row in session.scalars(select(Dropped))}


def later(box: Installation, monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    now_s = box.steady.now_s()
    monkeypatch.setattr(type(box.steady), "now_s", lambda _self: now_s + hours * 3600)


def sweep(box: Installation) -> None:
    from eduhub.delivery import sweeping

    sweeping.run(box.database, box.blobs, box.settings.data_dir / "run" / "unneeded.json", now_steady_s=box.steady.now_s())


def test_better_parts_of_what_is_in_no_plan_make_room_for_what_is_planned(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    school, course, packages = full_box(hub, box)
    new = hub.lesson(course, position=3, parts=parts("new"))
    plan_for(hub, school, new, "2026-11-26")
    hub.sync(box)
    gone = dropped(box)
    assert {size for _package, size in gone} == {40_000}
    assert {package for package, _size in gone} < {packages[1], packages[2]}
    assert held(box, packages[0]) == {1_000, 20_000, 40_000}
    assert 40_000 not in held(box, new), "the disk has its bytes back later"
    (package, _size) = next(iter(gone))
    assert (box.packages_dir / package).exists()
    assert len(list((box.packages_dir / package).iterdir())) == 4, "whoever had a pass reads on"
    later(box, monkeypatch, 13)
    hub.sync(box)
    assert len(list((box.packages_dir / package).iterdir())) == 3
    for hours in (2, 2, 2):
        sweep(box)
        later(box, monkeypatch, hours)
    hub.sync(box)
    assert held(box, new) == {1_000, 20_000, 40_000}
    assert dropped(box) == gone, "and nothing else went for it"


def test_a_dropped_part_stays_away_until_it_is_planned(hub: Hub, box: Installation) -> None:
    school, course, packages = full_box(hub, box)
    plan_for(hub, school, hub.lesson(course, position=3, parts=parts("new")), "2026-11-26")
    hub.sync(box)
    package = next(iter(dropped(box)))[0]
    hub.wire.requests.clear()
    hub.sync(box)
    assert not [path for _method, path, _range in hub.wire.requests if package in path]
    plan_for(hub, school, package, None)
    hub.sync(box)
    assert 40_000 in held(box, package), "it still lay here: it is shown again at once"
    assert package not in {name for name, _size in dropped(box)}
    assert packages


def test_a_whole_lesson_goes_for_the_floor_of_a_wish_and_is_shown_no_more(hub: Hub, box: Installation) -> None:
    _school, course, packages = full_box(hub, box)
    large = {"index": noise("i", 1_000), "aac": noise("a", 125_000)}
    wish = hub.lesson(course, position=9, parts=large)
    hub.sync(box)
    with box.database.write() as session:
        assert [row.bytes for row in session.scalars(select(NoRoom))] == [126_000 - 1_000], "before better parts go, the floor has none"
        wishes.make(session, box.steady, session.scalars(select(Lesson.uid).where(Lesson.package_id == wish)).one())
    hub.sync(box)
    with box.database.read() as session:
        shown = {row.id for row in session.scalars(select(PackageRow)) if row.floor_held}
        whole = {row.package_id for row in session.scalars(select(Dropped)) if row.is_floor}
    assert whole
    assert shown == set(packages) - whole
    assert packages[0] in shown


def test_what_somebody_was_at_today_stays(hub: Hub, box: Installation) -> None:
    school, course, packages = full_box(hub, box)
    with box.database.write() as session:
        lesson = session.get_one(PackageRow, packages[2]).lesson_uid
        outbox.add_events(session, box.steady, [watched(school.org, school.children[0], lesson=lesson)])
    for number in (3, 4):
        plan_for(hub, school, hub.lesson(course, position=number, parts=parts(f"new{number}")), "2026-11-26")
    hub.sync(box)
    assert dropped(box)
    assert {package for package, _size in dropped(box)} == {packages[1]}
    assert held(box, packages[2]) == {1_000, 20_000, 40_000}


def test_while_the_day_is_unknown_nothing_goes_and_what_has_no_room_is_said(hub: Hub, box: Installation) -> None:
    school, course, _packages = full_box(hub, box)
    new = hub.lesson(course, position=3, parts=parts("new"))
    plan_for(hub, school, new, "2026-11-26")
    hub.sync(box)
    with box.database.write() as session:
        for row in session.scalars(select(Dropped)):
            session.delete(row)
        upstream = session.scalars(select(Upstream)).one()
        upstream.hub_time_ms = upstream.hub_time_steady_s = None
        from eduhub.sync.fetching import finding

        found = finding.find(session, school.org, None)
        assert evicting.victims(session, box, found, None) == []


def test_a_kill_between_the_rows_and_the_files_leaves_nothing_that_promises_what_is_not_there(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    school, course, _packages = full_box(hub, box)
    for number in (3, 4):
        plan_for(hub, school, hub.lesson(course, position=number, parts=parts(f"new{number}")), "2026-11-26")
    hub.sync(box)
    assert len(dropped(box)) > 1
    later(box, monkeypatch, 13)
    unlink, done = type(box.blobs).unlink, []

    def killed(self: Any, package_id: str, sha256: str) -> None:
        if done:
            raise KeyboardInterrupt
        done.append(sha256)
        unlink(self, package_id, sha256)

    with monkeypatch.context() as patch:
        patch.setattr(type(box.blobs), "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            evicting.clear_away(box)
    with box.database.read() as session:
        for part in session.scalars(select(PartRow).where(PartRow.held)):
            assert (box.packages_dir / part.package_id / part.sha256).exists()
    evicting.clear_away(box)
    assert evicting.clear_away(box) == 0
    with box.database.read() as session:
        for row in session.scalars(select(Dropped)):
            assert row.is_unlinked
            assert not (box.packages_dir / row.package_id / row.sha256).exists()
        assert session.scalars(select(BlobRow)).first() is not None
        assert holding.in_use(session)


@pytest.mark.parametrize("rank", [NOW, TODAY, NEXT])
def test_what_is_needed_soon_is_no_victim_whatever_it_weighs(hub: Hub, box: Installation, rank: int) -> None:
    _school, _course, packages = full_box(hub, box)
    from eduhub.sync.fetching import finding

    with box.database.read() as session:
        found = finding.find(session, _school.org, "2026-11-25")
        found.whens[packages[1]] = When(rank)
        named = {victim.package_id for victim in evicting.victims(session, box, found, "2026-11-25")}
    assert named == {packages[2]}
