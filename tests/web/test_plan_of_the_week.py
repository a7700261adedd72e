"""The plan of the week: a lesson is put into a place, moved, taken out, and the week before carried on."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from eduhub.courses import plan
from eduhub.courses.models import PlanRow
from eduhub.installation import Installation
from tests.web.world import Reader, World

Browser = Callable[[], Reader]
MONDAY = "2026-11-23"


def rows_of(installation: Installation, world: World) -> list[tuple[str | None, int | None, bool]]:
    with installation.database.read() as session:
        found = session.scalars(select(PlanRow).where(PlanRow.group_uid == world.group, PlanRow.day.is_not(None)))
        return sorted((row.day, row.period, row.dropped_on is not None) for row in found)  # type: ignore[type-var]


def planned(installation: Installation, world: World, day: str = MONDAY, period: int = 2) -> str:
    with installation.database.write() as session:
        return plan.add(session, group_uid=world.group, lesson_uid=world.lesson, day=day, period=period).uid


def test_an_admin_puts_a_lesson_into_a_place_without_a_script(browser: Browser, world: World, installation: Installation) -> None:
    pema = browser().sign_in("pema")
    week = pema.get(f"/groups/{world.group}/weeks/{MONDAY}").text
    link = re.search(rf'href="(/groups/{world.group}/weeks/2026-11-25\?period=3)"', week)
    assert link
    form = pema.get(link[1]).text
    assert re.search(r'<option selected value="2026-11-25">', form)
    assert re.search(r'<option selected value="3">', form)
    path = f"/groups/{world.group}/weeks/2026-11-25"
    done = pema.post(path, {"lesson_uid": world.lesson, "day": "2026-11-25", "period": "3"}, page=path)
    assert done.status_code == 303
    assert rows_of(installation, world) == [("2026-11-25", 3, False)]
    assert "Why ice floats" in pema.get(done.headers["Location"]).text


def test_a_lesson_or_a_place_that_is_not_offered_is_refused(browser: Browser, world: World, installation: Installation) -> None:
    pema = browser().sign_in("pema")
    path = f"/groups/{world.group}/weeks/{MONDAY}"
    for wrong in ({"period": "40"}, {"day": "2027-11-25"}, {"lesson_uid": world.draft}):
        typed = {"lesson_uid": world.lesson, "day": MONDAY, "period": "3"} | wrong
        assert pema.post(path, typed, page=path).status_code == 400
    assert rows_of(installation, world) == []
    for no_day in ("2026-13-01", "tomorrow", "9999-12-31"):
        assert pema.get(f"/groups/{world.group}/weeks/{no_day}").status_code == 404


def test_a_lesson_is_moved_and_taken_out(browser: Browser, world: World, installation: Installation) -> None:
    pema, uid = browser().sign_in("pema"), planned(installation, world)
    page = f"/groups/{world.group}/weeks/{MONDAY}?row={uid}"
    assert f'action="/plan/{uid}/move"' in pema.get(page).text
    moved = pema.post(
        f"/plan/{uid}/move", {"day": "2026-11-24", "period": "5", "seen": f"{MONDAY}/2", "of": MONDAY}, page=page
    )
    assert moved.headers["Location"].endswith("/weeks/2026-11-24")
    assert rows_of(installation, world) == [("2026-11-24", 5, False)]
    assert pema.post(f"/plan/{uid}/drop", {"seen": "2026-11-24/5", "of": MONDAY}, page=page).status_code == 303
    assert rows_of(installation, world) == [("2026-11-24", 5, True)]


def test_the_second_of_two_who_move_one_lesson_is_told_so(browser: Browser, world: World, installation: Installation) -> None:
    pema, uid = browser().sign_in("pema"), planned(installation, world)
    page = f"/groups/{world.group}/weeks/{MONDAY}?row={uid}"
    form = {"day": MONDAY, "seen": f"{MONDAY}/2", "of": MONDAY}
    pema.post(f"/plan/{uid}/move", form | {"period": "3"}, page=page)
    second = pema.post(f"/plan/{uid}/move", form | {"period": "4"}, page=page, follow_redirects=True)
    assert "Somebody else has moved this lesson" in second.text
    third = pema.post(f"/plan/{uid}/drop", {"seen": f"{MONDAY}/2"}, page=page, follow_redirects=True)
    assert "Somebody else has moved this lesson" in third.text
    assert rows_of(installation, world) == [(MONDAY, 3, False)]


def test_two_lessons_in_one_place_are_both_shown(browser: Browser, world: World, installation: Installation) -> None:
    planned(installation, world)
    planned(installation, world)
    page = browser().sign_in("pema").get(f"/groups/{world.group}/weeks/{MONDAY}").text
    assert page.count('class="planned"') == 3  # and the one that is next
    assert "two at once" in page


def test_the_week_before_is_carried_on_in_one_tap(browser: Browser, world: World, installation: Installation) -> None:
    planned(installation, world)
    pema = browser().sign_in("pema")
    page = "/groups/" + world.group + "/weeks/2026-11-30"
    assert "As in the week before" in pema.get(page).text
    done = pema.post(f"{page}/carry-on", {"how": "same"}, page=page, follow_redirects=True)
    assert "1 lesson is in the plan." in done.text
    assert rows_of(installation, world) == [(MONDAY, 2, False), ("2026-11-30", 2, False)]
    again = pema.post(f"{page}/carry-on", {"how": "next"}, page=page, follow_redirects=True)
    assert "1 place stayed as it was" in again.text


@pytest.mark.parametrize("reader", ["norbu", "tashi"])
def test_nobody_else_sees_or_changes_the_plan(browser: Browser, world: World, installation: Installation, reader: str) -> None:
    uid, other = planned(installation, world), browser().sign_in(reader)
    path = f"/groups/{world.group}/weeks/{MONDAY}"
    assert other.get(path).status_code == 403
    assert other.post(path, {"lesson_uid": world.lesson, "day": MONDAY, "period": "3"}).status_code == 403
    assert other.post(f"{path}/carry-on").status_code == 403
    assert other.post(f"/plan/{uid}/move", {"day": MONDAY, "period": "4"}).status_code == 403
    assert rows_of(installation, world) == [(MONDAY, 2, False)]


def test_a_row_of_another_class_cannot_be_opened_in_this_ones_week(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        row = PlanRow(org_uid=world.other_school, group_uid=world.other_group, lesson_uid=world.lesson, day=MONDAY, period=1)
        session.add(row)
        session.flush()
    assert browser().sign_in("pema").get(f"/groups/{world.group}/weeks/{MONDAY}?row={row.uid}").status_code == 404
