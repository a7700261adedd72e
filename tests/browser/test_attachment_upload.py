"""Tashi sends a worksheet from a browser that runs scripts: the same page, the same resumable upload as a recording."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from eduhub.installation import Installation, JobContext
from eduhub.media import attachments
from eduhub.media.models import Source
from eduhub.uids import new_uid
from tests.browser.hub_process import HubProcess
from tests.browser.teacher import Teacher
from tests.media.test_attachments import with_camera
from tests.web.world import World

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@pytest.fixture
def hub(installation: Installation, world: World) -> Iterator[HubProcess]:
    hub = HubProcess(installation)
    try:
        hub.start()
        yield hub
    finally:
        hub.kill()


def test_a_picture_is_sent_looked_at_and_said_to_be_ready_without_a_press(
    installation: Installation, world: World, hub: HubProcess, chromium: Browser, built_pages: None, tmp_path: Path
) -> None:
    (tmp_path / "glass.jpg").write_bytes(with_camera())
    tashi = Teacher(chromium, f"http://127.0.0.1:{hub.port}")
    page = tashi.new_page()
    tashi.signs_in(page)
    page.goto(f"{tashi.origin}/teaching/lessons/{world.draft}/attachments")
    page.get_by_label("Title").fill("Glass of water")
    page.get_by_role("button", name="Choose the file next").click()
    expect(page.get_by_text("waiting for the file")).to_be_visible()
    page.set_input_files("#file", tmp_path / "glass.jpg")
    expect(page.get_by_text("being looked at")).to_be_visible()
    with installation.database.read() as session:
        source_uid = session.scalars(select(Source.uid).where(Source.state == "arrived")).one()
    attachments.run(JobContext(installation, new_uid(), lambda done: None), source_uid)
    page.get_by_label("Title").fill("The next one")  # what is typed meanwhile stays
    expect(page.get_by_text("ready")).to_be_visible()
    expect(page.get_by_label("Title")).to_have_value("The next one")
    assert page.locator("[data-fresh]").count() == 0
    tashi.leaves()
