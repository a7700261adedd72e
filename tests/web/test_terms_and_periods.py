"""Terms and periods: an admin changes them, the plan of the week follows, and the change can be undone."""

import re
from collections.abc import Callable

import pytest

from eduhub.installation import Installation
from eduhub.schools import calendars
from tests.web.world import Reader, World

Browser = Callable[[], Reader]
TERMS = {"first_begins": "2026-09-01", "first_ends": "2026-11-24", "second_begins": "2027-03-01", "second_ends": "2027-07-10"}


def test_the_plan_of_the_week_knows_the_holidays_and_the_hours(browser: Browser, world: World, installation: Installation) -> None:
    pema, path = browser().sign_in("pema"), f"/schools/{world.school}/calendar"
    assert "09:30-10:10" in pema.get(path).text
    done = pema.post(path, TERMS | {"hours": "8:00-8:40\r\n08:50 – 09:30\r\n"}, page=path, follow_redirects=True)
    assert "Saved." in done.text
    with installation.database.read() as session:
        calendar = calendars.get(session, world.school)
        assert [hour["starts"] for hour in calendar.class_hours] == ["08:00", "08:50"]
        assert not calendars.is_school_day(calendar, "2026-11-25")
    week = pema.get(f"/groups/{world.group}/weeks/2026-11-23").text
    assert week.count(">holiday<") == 3
    assert "08:50" in week
    assert "period 3" not in week.split("<table")[1]
    act = re.findall(r'name="act" value="([^"]+)"', done.text)
    pema.post(f"/schools/{world.school}/history/undo", {"act": act}, page=path)
    assert "09:30-10:10" in pema.get(path).text


@pytest.mark.parametrize("wrong", [{"hours": "in the morning"}, {"hours": ""}, {"hours": "09:00-08:00"}, {"first_ends": "2027-05-01"}])
def test_what_cannot_be_is_refused_and_stays_typed(browser: Browser, world: World, wrong: dict[str, str]) -> None:
    pema, path = browser().sign_in("pema"), f"/schools/{world.school}/calendar"
    refused = pema.post(path, TERMS | {"hours": "08:00-08:40"} | wrong, page=path)
    assert refused.status_code == 400
    assert "Terms follow one another" in refused.text
    assert 'value="2027-07-10"' in refused.text


def test_another_schools_admin_is_refused(browser: Browser, world: World) -> None:
    norbu = browser().sign_in("norbu")
    assert norbu.get(f"/schools/{world.school}/calendar").status_code == 403
    assert norbu.post(f"/schools/{world.school}/calendar", TERMS | {"hours": "08:00-08:40"}).status_code == 403
