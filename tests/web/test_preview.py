"""A teacher sees a lesson as a child does, before anybody does, over a narrow line, and it is noted nowhere."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from sqlalchemy import select

from eduhub.courses.models import Lesson
from eduhub.delivery import pacing
from eduhub.delivery.models import CatalogEntry, PackageRow
from eduhub.installation import Installation
from tests.courses.conftest import prepare
from tests.web.world import Reader, World, add_adult

Browser = Callable[[], Reader]


def data_of(page: str) -> dict[str, Any]:
    return json.loads(page.split('id="lesson-data">')[1].split("</script>")[0])


def test_a_draft_is_previewed_without_being_published(browser: Browser, world: World, installation: Installation) -> None:
    with installation.database.write() as session:
        prepare(session, installation, world.draft)
        before = len(session.scalars(select(CatalogEntry)).all()), len(session.scalars(select(PackageRow)).all())
    tashi = browser().sign_in("tashi")
    page = tashi.get(f"/teaching/lessons/{world.draft}/preview")
    assert page.status_code == 200
    assert "This is how a child sees it." in page.text
    assert "It is not published; nobody else can open it." in page.text
    data = data_of(page.text)
    assert data["base"].startswith("/preview/128/")
    assert data["events"]["token"] is None
    assert data["resume_ms"] == 0
    part = data["base"] + data["index"]["tracks"][0]["sha256"]
    with tashi.get(part) as answer:
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
    with browser().get(part) as refused:
        assert refused.status_code == 403
    with tashi.get(part.replace("/preview/128/", "/p/")) as elsewhere:
        assert elsewhere.status_code == 403  # the pass of a preview opens nothing else
    with installation.database.read() as session:
        after = len(session.scalars(select(CatalogEntry)).all()), len(session.scalars(select(PackageRow)).all())
        assert session.get_one(Lesson, world.draft).state == "draft"
    assert after == before


def test_what_is_published_is_previewed_as_it_is(browser: Browser, world: World, installation: Installation) -> None:
    page = browser().sign_in("tashi").get(f"/teaching/lessons/{world.lesson}/preview?kbit=64").text
    assert "It is not published" not in page
    with installation.database.read() as session:
        assert data_of(page)["package"] == session.get_one(Lesson, world.lesson).package_id
    assert "/preview/64/" in page
    assert "/p/" not in page.replace("</p>", "")


def test_the_next_reader_of_a_teachers_browser_finds_no_pass_of_a_preview(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        prepare(session, installation, world.draft)
    for leave in ("sign out", "another signs in"):
        tablet, parts = browser().sign_in("tashi"), list[str]()
        for lesson, kbit in ((world.draft, 128), (world.draft, 0), (world.lesson, 64)):
            data = data_of(tablet.get(f"/teaching/lessons/{lesson}/preview?kbit={kbit}").text)
            parts.append(data["base"] + data["index"]["tracks"][0]["sha256"])
            with tablet.get(parts[-1]) as own:
                assert own.status_code == 200
        if leave == "sign out":
            tablet.post("/sign-out", page="/account")
        else:
            tablet.card(world.dolma_card)
        for part in parts:
            with tablet.get(part) as refused:
                assert refused.status_code == 403, (leave, part)


def test_a_preview_is_for_those_who_make_and_review_the_lesson(browser: Browser, world: World, installation: Installation) -> None:
    with installation.database.write() as session:
        add_adult(session, "Sonam", world.school, "reviewer", "course", world.course)
    address = f"/teaching/lessons/{world.lesson}/preview"
    assert browser().sign_in("sonam").get(address).status_code == 200
    assert browser().sign_in("norbu").get(address).status_code == 403
    assert browser().card(world.dolma_card).get(address).status_code == 403
    assert browser().sign_in("tashi").get(f"/teaching/lessons/{world.draft}/preview").status_code == 404  # nothing is prepared


def test_bytes_come_no_faster_than_the_line_also_when_two_requests_share_it(
    browser: Browser, world: World, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    page = tashi.get(f"/teaching/lessons/{world.lesson}/preview?kbit=512").text
    video = data_of(page)["base"] + data_of(page)["download"]["sha256"]

    def fetch(count: int) -> None:
        with tashi.get(video, headers={"Range": f"bytes=0-{count - 1}"}) as answer:
            assert len(answer.data) == count

    began = time.monotonic()
    both = [Thread(target=fetch, args=(32_000,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    took_s = time.monotonic() - began
    assert took_s >= 64_000 / 64_000 * 0.95  # 512 kbit/s are 64,000 bytes a second
    quick = re.sub("/preview/512/", "/preview/0/", page)
    assert data_of(quick)["base"].startswith("/preview/0/")


def test_a_line_is_free_again_after_another_boot(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    line = pacing.Line(file, "Tashi", 128)
    assert 0.09 < line.take(1600) < 0.11
    assert 0.19 < line.take(1600) < 0.21
    file.write_bytes(b"\x00\x00\x00\x00\x00\x00\xf0\x7f" * pacing.SLOTS)  # infinity: whatever a torn write may leave
    assert line.take(1600) < 0.11


def test_narrow_lines_leave_threads_for_everybody_else(browser: Browser, world: World, installation: Installation) -> None:
    """Every answer over one holds a thread for minutes, and a pass for an open course is anybody's."""
    tashi = browser().sign_in("tashi")
    page = tashi.get(f"/teaching/lessons/{world.lesson}/preview?kbit=512").text
    video = data_of(page)["base"] + data_of(page)["download"]["sha256"]
    with tashi.get(video.replace("/preview/512/", "/preview/1/")) as slower:
        assert slower.status_code == 404
    held = [pacing.begin() for _ in range(pacing.MOST_AT_ONCE + 1)]
    try:
        assert held == [True] * pacing.MOST_AT_ONCE + [False]
        with tashi.get(video, headers={"Range": "bytes=0-99"}) as busy:
            assert (busy.status_code, busy.headers["Retry-After"]) == (503, "5")
    finally:
        for _ in range(pacing.MOST_AT_ONCE):
            pacing.Answer(pacing.Line(Path("unused"), "", 64), lambda _count: b"", lambda: None).close()
    for _ in range(pacing.MOST_AT_ONCE + 1):
        with tashi.get(video, headers={"Range": "bytes=0-99"}) as again:
            assert again.status_code == 206
