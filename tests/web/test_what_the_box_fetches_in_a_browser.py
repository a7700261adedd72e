"""What the box fetches and where the megabytes went, in a real browser: both widths, three languages, at a box in three states.

`--pictures` keeps pictures in .build/screenshots/fetching-*.png and traffic-*.png.
"""

from pathlib import Path

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select

from eduhub.courses.models import Lesson
from eduhub.installation import Installation
from eduhub.schools.models import Site
from eduhub.sync.allowance import policies, traffic, wishes
from eduhub.sync.allowance.traffic import DAY_MS, LINK, NEIGHBOUR, Moved
from eduhub.sync.models import Dropped, NoRoom
from tests.web.test_box_page_in_a_browser import box_in, come_in, look
from tests.web.test_pages_in_a_browser import LANGUAGES
from tests.web.world import World

pytestmark = [
    pytest.mark.browser, pytest.mark.thorough,
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name='.*/static/:pytest.PytestUnraisableExceptionWarning"),
]


def use(installation: Installation, world: World) -> None:
    """A month on the link, lessons that had to go, one without room, a wish, and rules."""
    with installation.database.write() as session:
        lessons = session.scalars(select(Lesson.uid).where(Lesson.package_id.is_not(None)).order_by(Lesson.uid)).all()
        at_ms = traffic.now_ms(session, installation.steady)
        for number, uid in enumerate(lessons):
            size = (number + 1) * 1_700_000
            traffic.book(session, at_ms - (number % 28) * DAY_MS, LINK, {uid: Moved(size, 9_000, 30.0), "": Moved(120_000, 80_000)})
            if number % 3 == 0:
                traffic.book(session, at_ms, NEIGHBOUR, {uid: Moved(size)})
        for number, uid in enumerate(lessons[:3]):
            session.add(Dropped(
                package_id="a" * 64, sha256=f"{number:064x}", lesson_uid=uid, bytes=3_000_000, is_floor=number == 0, why="no_room",
                at_ms=at_ms, steady_s=0, is_unlinked=False,
            ))  # fmt: skip
        session.add(NoRoom(lesson_uid=lessons[-1], bytes=90_000_000, noted_ms=at_ms))
        if len(lessons) > 1:
            wishes.make(session, installation.steady, lessons[1])
        site = session.scalars(select(Site).where(Site.org_uid == world.school)).first()
        assert site is not None
        policies.set_site(session, site, max_height=240, windows="22:00-06:00,12:00-14:00", languages=["bo", "zh"], day_mb=2)
        policies.set_course(session, site, world.course, wanted="planned", max_height=0)


@pytest.mark.parametrize("state", ["forty missing", "full", "never joined"])
def test_both_pages_fit_at_a_box_in_every_state(
    chromium: Browser, installation: Installation, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    with box_in(state, installation, world, tmp_path, monkeypatch) as address:
        if state == "forty missing":
            use(installation, world)
        wrong = []
        for language in LANGUAGES:
            page = come_in(chromium, address, language, "pema")
            for name, path in (("fetching", "fetching"), ("traffic", "traffic")):
                page.goto(f"{address}/schools/{world.school}/{path}")
                wrong += look(page, f"{name}-{state.replace(' ', '-')}-{language}")
            page.context.close()
        assert wrong == []


def test_what_cannot_be_read_is_marked_where_it_was_typed(
    chromium: Browser, installation: Installation, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with box_in("full", installation, world, tmp_path, monkeypatch) as address:
        wrong = []
        for language in LANGUAGES:
            page = come_in(chromium, address, language, "pema")
            page.goto(f"{address}/schools/{world.school}/fetching")
            page.fill("[name=windows]", "22-6")
            page.click("main button.primary")
            assert page.input_value("[name=windows]") == "22-6"
            wrong += look(page, f"fetching-wrong-{language}")
            page.context.close()
        assert wrong == []
