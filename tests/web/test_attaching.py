"""Tashi attaches a worksheet and a picture; Dolma opens them, and a colleague's sheet for teachers stays with teachers."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from eduhub.courses import publishing
from eduhub.errors import AttachmentRefused
from eduhub.installation import Installation, JobContext
from eduhub.jobs.models import JobRow
from eduhub.media import attachments
from eduhub.uids import new_uid
from tests.courses.conftest import prepare
from tests.media.test_attachments import PDF, bomb, with_camera
from tests.web.world import Reader, World, hidden

Browser = Callable[[], Reader]


@pytest.fixture
def recorded(installation: Installation, world: World) -> str:
    with installation.database.write() as session:
        prepare(session, installation, world.lesson)
    return world.lesson


def page_of(lesson: str) -> str:
    return f"/teaching/lessons/{lesson}/attachments"


def attach(tashi: Reader, lesson: str, payload: bytes, title: str = "Worksheet", audience: str = "learner") -> TestResponse:
    """Title first, then the file by the plain form that the page has."""
    page = page_of(lesson)
    asked = {"title": title, "language": "en", "audience": audience}
    assert tashi.post(page, asked, page=page).status_code == 303
    shown = tashi.get(page).text
    assert 'action="/media/uploads"' in shown
    intent = hidden(shown, "intent").encode()
    body = b"".join([
        b'--edge\r\nContent-Disposition: form-data; name="intent"\r\n\r\n', intent,
        b'\r\n--edge\r\nContent-Disposition: form-data; name="file"; filename="holiday.pdf"\r\n\r\n', payload, b"\r\n--edge--\r\n",
    ])  # fmt: skip
    return tashi.client.post("/media/uploads", data=body, content_type="multipart/form-data; boundary=edge")


def work(installation: Installation, lesson: str) -> list[JobRow]:
    """What the worker does: the waiting checks, and the job that follows each."""
    with installation.database.write() as session:
        jobs = list(session.scalars(select(JobRow).where(JobRow.kind == attachments.CHECK, JobRow.state == "waiting")))
        for job in jobs:
            job.state, job.ended_ms = "done", 1
    context = JobContext(installation, new_uid(), lambda done: None)
    for job in jobs:
        attachments.run(context, **job.args)
        assert job.then == {"kind": "courses.publish_if_ready", "args": {"lesson_uid": lesson}}
        publishing.publish_if_ready(context, lesson)
    return jobs


def links(page: str) -> dict[str, str]:
    """What stands under 'To go with it': words -> address."""
    return {words: address for address, words in re.findall(r'<a class="button" href="(/p/[^"]+)"[^>]*lang="en">([^<]+)</a>', page)}


def test_a_worksheet_goes_out_with_the_lesson_and_is_saved(
    browser: Browser, world: World, recorded: str, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    sent = attach(tashi, recorded, PDF)
    assert (sent.status_code, sent.headers["Location"]) == (303, page_of(recorded))
    assert "being looked at" in tashi.get(page_of(recorded)).text
    assert work(installation, recorded)
    assert "ready" in tashi.get(page_of(recorded)).text
    dolma = browser().card(world.dolma_card)
    page = dolma.get(f"/lessons/{recorded}").text
    assert 'download="Worksheet.pdf"' in page
    address = links(page)["Worksheet · 0.1\u00a0MB"]
    with dolma.get(address) as served:
        assert served.data == PDF
        assert served.headers["Content-Type"] == "application/pdf"
        assert served.headers["Content-Disposition"] == "attachment"
        assert served.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in served.headers["Content-Security-Policy"]


def test_a_picture_is_shown_and_tells_no_place(
    browser: Browser, world: World, recorded: str, installation: Installation
) -> None:
    attach(browser().sign_in("tashi"), recorded, with_camera(), "Glass of water")
    work(installation, recorded)
    dolma = browser().card(world.dolma_card)
    with dolma.get(links(dolma.get(f"/lessons/{recorded}").text)["Glass of water · 0.1\u00a0MB"]) as served:
        assert served.headers["Content-Type"] == "image/jpeg"
        assert "Content-Disposition" not in served.headers
        assert b"GPS" not in served.data


def test_a_sheet_for_teachers_is_seen_by_teachers_alone(
    browser: Browser, world: World, recorded: str, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    attach(tashi, recorded, PDF, "Answers", "teacher")
    work(installation, recorded)
    shown = tashi.get(f"/lessons/{recorded}").text
    address = links(shown)["Answers · 0.1\u00a0MB"]
    assert "Teachers only" in shown
    dolma = browser().card(world.dolma_card)
    assert "Answers" not in dolma.get(f"/lessons/{recorded}").text
    assert dolma.get(address).status_code == 403


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"<html><script>alert(1)</script>", "it is neither a PDF nor a picture that can be opened here"),
        (bomb(60_000, 60_000), "the picture has more points than any page needs"),
    ],
    ids=["page named pdf", "bomb"],
)
def test_a_hostile_file_is_refused_with_a_plain_reason_and_another_can_be_sent(
    browser: Browser, world: World, recorded: str, installation: Installation, payload: bytes, why: str
) -> None:
    tashi = browser().sign_in("tashi")
    assert attach(tashi, recorded, payload).status_code == 303
    with pytest.raises(AttachmentRefused):
        work(installation, recorded)
    shown = tashi.get(page_of(recorded)).text
    assert f"This file cannot be attached: {why}." in shown
    assert "Attach a file" in shown
    drop = re.search(rf'action="({page_of(recorded)}/[^"]+/drop)"', shown)
    assert drop
    assert tashi.post(drop[1], page=page_of(recorded)).status_code == 303
    assert "Nothing is attached to this lesson yet." in tashi.get(page_of(recorded)).text


def test_what_is_larger_than_an_attachment_may_be_is_refused_as_it_comes(
    browser: Browser, world: World, recorded: str
) -> None:
    tashi = browser().sign_in("tashi")
    answer = attach(tashi, recorded, b"%PDF-1.4\n" + bytes(attachments.MOST_BYTES))
    assert answer.status_code == 413
    assert "waiting for the file" in tashi.get(page_of(recorded)).text


def test_an_attachment_without_a_title_is_asked_for_again(browser: Browser, world: World) -> None:
    tashi, page = browser().sign_in("tashi"), page_of(world.lesson)
    answer = tashi.post(page, {"title": " ", "language": "bo", "audience": "teacher"}, page=page)
    assert answer.status_code == 400
    assert "Give it a title." in answer.text
    assert re.search(r'<option selected value="teacher">|<option value="teacher" selected', answer.text)


def test_the_early_look_says_nothing_of_an_attachment(browser: Browser, world: World) -> None:
    tashi, page = browser().sign_in("tashi"), page_of(world.lesson)
    tashi.post(page, {"title": "Sheet", "language": "en", "audience": "learner"}, page=page)
    shown = tashi.get(page).text
    uid = re.search(r'"url":"/media/uploads/([^"]+)"', shown)
    assert uid
    answer = tashi.client.post(
        f"/media/uploads/{uid[1]}/check", data=b"%PDF-",
        headers={"Authorization": f"EduHub-Intent {hidden(shown, 'intent')}", "Upload-Length": "9", "EduHub-Ranges": "0-4",
                 "Tus-Resumable": "1.0.0"},
    )  # fmt: skip
    assert (answer.status_code, answer.json["verdict"]) == (200, "unknown")


def test_a_look_that_failed_for_good_is_said_and_tried_again(
    browser: Browser, world: World, recorded: str, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    attach(tashi, recorded, PDF)
    page = tashi.get(page_of(recorded)).text
    assert "being looked at" in page
    assert "Try again" not in page
    with installation.database.write() as session:  # the worker was killed in each of its attempts
        for job in session.scalars(select(JobRow).where(JobRow.kind == attachments.CHECK)):
            job.state = "failed"
    page = tashi.get(page_of(recorded)).text
    assert "could not be looked at" in page
    again = re.search(rf'action="({page_of(recorded)}/[^"]+/again)"', page)
    assert again
    for _twice in range(2):
        assert tashi.post(again[1], page=page_of(recorded)).status_code == 303
    with installation.database.read() as session:
        waiting = session.scalars(select(JobRow).where(JobRow.kind == attachments.CHECK, JobRow.state == "waiting")).all()
    assert len(waiting) == 1
    assert "being looked at" in tashi.get(page_of(recorded)).text
    assert work(installation, recorded)
    assert "ready" in tashi.get(page_of(recorded)).text
    assert tashi.post(again[1], page=page_of(recorded)).status_code == 404
