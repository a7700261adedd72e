"""Tashi looks after her recordings: how far each size is, trying again, stopping, trimming, voices."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from eduhub.courses.models import Lesson, LessonSource
from eduhub.delivery.models import DamagedBlob
from eduhub.errors import EncodeFailed
from eduhub.installation import Installation
from eduhub.jobs.models import JobRow
from eduhub.media import ladders
from eduhub.media.models import LadderStep, Source
from eduhub.media.recipes import WHOLE
from tests.courses.conftest import arrive, make
from tests.web.world import Reader, World, hidden

Browser = Callable[[], Reader]


@pytest.fixture
def recording(installation: Installation, world: World) -> str:
    """The file of the draft 'Steam' has arrived; its floor is made, v240 waits."""
    with installation.database.write() as session:
        source_uid = arrive(session, world.draft)
        ladders.want(session, session.get_one(Source, source_uid), WHOLE, then=None)
        make(session, installation, source_uid, WHOLE.id, "floor")
    return source_uid


def page_of(world: World) -> str:
    return f"/teaching/lessons/{world.draft}"


def fail_v240(installation: Installation, source_uid: str) -> None:
    with installation.database.write() as session:
        step = session.get_one(LadderStep, (source_uid, WHOLE.id, "v240"))
        job = session.get_one(JobRow, step.job_uid)
        step.state, step.error = "failed", {"code": EncodeFailed.code, "facts": {}}
        job.state, job.ended_ms = "failed", 1


def test_a_lesson_can_be_published_while_its_larger_sizes_still_wait(
    browser: Browser, world: World, recording: str
) -> None:
    page = browser().sign_in("tashi").get(page_of(world)).text
    assert "ready to publish" in page
    assert "Sound and pictures" in page
    assert "Video, 240 lines" in page
    assert f'data-fresh="{page_of(world)}/progress"' in page


def test_the_part_that_changes_comes_by_itself_and_stops_asking_when_all_is_done(
    browser: Browser, world: World, recording: str, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    part = tashi.get(f"{page_of(world)}/progress")
    assert part.headers["Cache-Control"] == "no-store"
    assert part.text.lstrip().startswith('<div id="progress" data-fresh=')
    with installation.database.write() as session:
        make(session, installation, recording, WHOLE.id, "v240")
    assert "data-fresh" not in tashi.get(f"{page_of(world)}/progress").text


def test_tashi_reads_why_a_size_failed_and_tries_it_again(
    browser: Browser, world: World, recording: str, installation: Installation
) -> None:
    fail_v240(installation, recording)
    tashi = browser().sign_in("tashi")
    page = tashi.get(page_of(world)).text
    assert "The video could not be prepared." in page
    sent = {"source_uid": hidden(page, "source_uid"), "recipe": hidden(page, "recipe")}
    assert tashi.post(f"{page_of(world)}/steps/v240/again", sent, page=page_of(world)).status_code == 303
    with installation.database.read() as session:
        step = session.get_one(LadderStep, (recording, WHOLE.id, "v240"))
        assert step.state == "waiting"
        assert session.get_one(JobRow, step.job_uid).state == "waiting"


def test_stopping_keeps_what_is_finished(
    browser: Browser, world: World, recording: str, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    tashi.post(f"{page_of(world)}/stop", {"source_uid": recording}, page=page_of(world))
    with installation.database.read() as session:
        view = ladders.view(session, recording)
        assert view is not None
        assert [step.state for step in view.steps] == ["done", "stopped"]
    assert "ready to publish" in tashi.get(page_of(world)).text


def test_the_right_to_one_lesson_is_no_right_to_another_lessons_recording(
    browser: Browser, world: World, recording: str, installation: Installation
) -> None:
    fail_v240(installation, recording)
    other = f"/teaching/lessons/{world.lesson}"
    tashi = browser().sign_in("tashi")
    assert tashi.post(f"{other}/stop", {"source_uid": recording}, page=other).status_code == 404
    sent = {"source_uid": recording, "recipe": WHOLE.id}
    assert tashi.post(f"{other}/steps/v240/again", sent, page=other).status_code == 404


def test_a_teacher_of_another_school_sees_and_changes_nothing(browser: Browser, world: World, recording: str) -> None:
    norbu = browser().sign_in("norbu")
    for path in ("progress", "trim", "voices"):
        assert norbu.get(f"{page_of(world)}/{path}").status_code in (403, 404)
    for path in ("stop", "trim", "voices", "voices/add", f"voices/{recording}/drop", "steps/v240/again"):
        assert norbu.post(f"{page_of(world)}/{path}", {"source_uid": recording}, page="/card").status_code in (403, 404)


def test_tashi_leaves_out_the_interruption_in_the_middle(
    browser: Browser, world: World, recording: str, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    path = f"{page_of(world)}/trim"
    assert 'value="1:01"' in tashi.get(path).text
    typed = {"begins": "0:05", "ends": "1:01", "cut_from-0": "0:20", "cut_to-0": "0:30"}
    assert tashi.post(path, typed, page=path).status_code == 303
    with installation.database.read() as session:
        assert session.get_one(Lesson, world.draft).edit_list == [[5000, 20_000], [30_000, 61_000]]
    assert 'value="0:20"' in tashi.get(path).text
    assert tashi.post(path, {"begins": "0:00", "ends": "1:01"}, page=path).status_code == 303
    with installation.database.read() as session:
        assert session.get_one(Lesson, world.draft).edit_list is None


@pytest.mark.parametrize(
    "typed",
    [
        {"begins": "soon", "ends": "1:01"}, {"begins": "0:50", "ends": "0:10"}, {"begins": "0:00", "ends": "9:00"},
        {"begins": "0:00", "ends": "1:01", "cut_from-0": "0:30", "cut_to-0": "0:20"},
        {"begins": "0:00", "ends": "1:01", "cut_from-0": "0:30", "cut_to-0": ""},
        {"begins": "0:00", "ends": "1:01", "cut_from-0": "0:00", "cut_to-0": "1:01"},
    ],
)  # fmt: skip
def test_times_that_make_no_sense_are_shown_again_with_a_reason(
    browser: Browser, world: World, recording: str, installation: Installation, typed: dict[str, str]
) -> None:
    tashi = browser().sign_in("tashi")
    path = f"{page_of(world)}/trim"
    refused = tashi.post(path, typed, page=path)
    assert refused.status_code == 400
    assert "Please look at this again" in refused.text
    assert f'value="{typed["begins"]}"' in refused.text
    with installation.database.read() as session:
        assert session.get_one(Lesson, world.draft).edit_list is None


def test_tashi_chooses_both_voices_of_the_file(
    browser: Browser, world: World, recording: str, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    path = f"{page_of(world)}/voices"
    assert "Sound track 2" in tashi.get(path).text
    both = {"language": "en", "use-1": "on", "use-2": "on", "language-1": "zh", "language-2": "bo", "main": "2"}
    assert tashi.post(path, both, page=path).status_code == 303
    with installation.database.read() as session:
        chosen = session.get_one(Source, recording).sounds
    assert chosen == [{"index": 2, "language": "bo"}, {"index": 1, "language": "zh"}]
    same = tashi.post(path, both | {"language-2": "zh"}, page=path)
    assert same.status_code == 400
    assert "Give each voice a language of its own." in same.text


def test_a_further_voice_is_announced_sent_and_dropped(
    browser: Browser, world: World, recording: str, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    path = f"{page_of(world)}/voices"
    assert "already" in tashi.post(f"{path}/add", {"language": "en"}, page=path, follow_redirects=True).text
    tashi.post(f"{path}/add", {"language": "bo"}, page=path)
    assert 'name="intent"' in tashi.get(path).text
    with installation.database.write() as session:
        voice = session.scalars(select(LessonSource).where(LessonSource.purpose == "sound")).one()
        session.add(Source(
            uid=voice.source_uid, org_uid=world.school, file_name="voice.m4a", language="bo", state="arrived",
            sha256="0" * 64, bytes=9, made_ms=1,
        ))  # fmt: skip
    assert "voice.m4a" in tashi.get(path).text
    tashi.post(f"{path}/{voice.source_uid}/drop", page=path)
    assert "voice.m4a" not in tashi.get(path).text


def test_tashi_reads_that_the_disk_has_damaged_her_recording(
    browser: Browser, world: World, recording: str, installation: Installation
) -> None:
    with installation.database.write() as session:
        sha256 = session.get_one(Source, recording).sha256
        session.add(DamagedBlob(sha256=sha256, bytes=9, found_ms=1, mended_ms=None))
    page = browser().sign_in("tashi").get(page_of(world)).text
    assert "The disk has damaged the recording that was sent." in page
    assert "ready to publish" in page


def test_a_published_lesson_stays_published_while_its_trimmed_version_is_made(
    browser: Browser, world: World, recording: str, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    tashi.post(f"{page_of(world)}/publish", page=page_of(world))
    assert "published; sharper videos follow" in tashi.get(page_of(world)).text
    path = f"{page_of(world)}/trim"
    tashi.post(path, {"begins": "0:05", "ends": "1:01"}, page=path)
    assert "published; a new version is being prepared" in tashi.get(page_of(world)).text
