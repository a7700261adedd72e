"""A lesson goes out with its sound and pictures, and grows; what is published stays while something better is made."""

import pytest
from sqlalchemy import select

from eduhub.courses import editing, forgetting, publishing, recordings
from eduhub.courses.models import Lesson, LessonSource
from eduhub.delivery import holding
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest
from eduhub.errors import BadInput, DiskFull, EncodeFailed, EncodeInterrupted, MediaRefused, NotFound
from eduhub.installation import Installation, JobContext
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker
from eduhub.media import checkpoints, ladders
from eduhub.media.models import LadderRow, Rendition, Source
from eduhub.media.recipes import WHOLE, Recipe, Sound
from eduhub.uids import new_uid
from tests.courses.conftest import PROBE, House, add_lesson, arrive, make

CUT = [[1000, 20_000]]
CUT_ID = Recipe(edit=((1000, 20_000),)).id
DAY_S = 24 * 3600


@pytest.fixture
def lesson(installation: Installation, house: House) -> str:
    """Tashi's lesson; he has pressed publish already."""
    with installation.database.write() as session:
        uid = add_lesson(session, house.course)
        publishing.publish(session, installation, uid, house.tashi)
        return uid


def send(installation: Installation, lesson: str, recording: str = "take 1", **how: str) -> str:
    """A file arrives, has been looked at, and its preparation waits."""
    with installation.database.write() as session:
        uid = arrive(session, lesson, recording, **how)
        session.get_one(Source, uid).probe = PROBE.as_json()
        recordings.order(session, lesson)
        return uid


def finish(installation: Installation, lesson: str, source: str, *steps: str, recipe: str = WHOLE.id) -> None:
    """Steps are made, and the job that follows each of them runs."""
    for step in steps:
        with installation.database.write() as session:
            make(session, installation, source, recipe, step, recording=source)
        run_job(installation, lesson)


def run_job(installation: Installation, lesson: str) -> None:
    publishing.publish_if_ready(JobContext(installation, new_uid(), lambda done: None), lesson)


def run_publish_jobs(installation: Installation, lesson: str) -> None:
    """What waits to be published is, by the jobs that wait for it and no others."""
    with Worker(installation.settings.data_dir / "run") as worker:
        while held := queue.claim(installation.database, worker, [recordings.PUBLISH], 30):
            run_job(installation, lesson)
            with installation.database.write() as session:
                queue.finish(session, held)


def out(installation: Installation, lesson: str) -> tuple[int, str, set[str]]:
    """What the children have: revision, timeline, names of the parts that are no playlists."""
    with installation.database.read() as session:
        row = holding.current(session, lesson)
        assert row is not None
        found = session.get_one(Lesson, lesson)
        assert (found.package_id, found.revision, found.timeline_uid) == (row.id, row.revision, row.timeline_uid)
        parts = Manifest.from_bytes(row.manifest).parts
        return row.revision, row.timeline_uid, {part.name for part in parts if part.kind not in ("playlist", "index")}


def states(installation: Installation, source: str, recipe: str = WHOLE.id) -> dict[str, str]:
    with installation.database.read() as session:
        view = ladders.view(session, source, recipe)
        return {step.name: step.state for step in view.steps} if view is not None else {}


def test_the_floor_goes_out_first_and_each_picture_makes_the_next_revision(installation, lesson):
    source = send(installation, lesson)
    finish(installation, lesson, source, "floor")
    revision, timeline, names = out(installation, lesson)
    assert (revision, names) == (1, {"aac", "stills"})
    finish(installation, lesson, source, "v240")
    assert out(installation, lesson) == (2, timeline, {"aac", "stills", "v240"})


def test_one_failed_picture_does_not_keep_the_lesson_back(installation, lesson):
    source = send(installation, lesson)
    finish(installation, lesson, source, "floor")
    context = JobContext(installation, new_uid(), lambda done: None)
    checkpoints.failed(context, checkpoints.At(source, WHOLE.id, "v240"), EncodeFailed())
    run_job(installation, lesson)
    assert out(installation, lesson)[0] == 1
    assert states(installation, source) == {"floor": "done", "v240": "failed"}
    with installation.database.write() as session:
        ladders.try_again(session, source, WHOLE.id, "v240")
    finish(installation, lesson, source, "v240")
    assert out(installation, lesson)[2] == {"aac", "stills", "v240"}


def test_a_master_takes_over_from_its_light_copy_when_it_has_a_picture_too(installation, lesson):
    light = send(installation, lesson, "light", purpose="light")
    finish(installation, lesson, light, "floor", "v240")
    revision, timeline, names = out(installation, lesson)
    master = send(installation, lesson, "master")
    finish(installation, lesson, master, "floor")
    assert out(installation, lesson) == (revision, timeline, names)
    finish(installation, lesson, master, "v240")
    assert out(installation, lesson) == (revision + 1, timeline, names)
    with installation.database.read() as session:
        used = session.scalars(select(LessonSource.source_uid).where(LessonSource.replaced_on.is_(None))).all()
        assert used == [master]


def test_a_light_copys_steps_go_before_those_of_others(installation, lesson):
    light = send(installation, lesson, "light", purpose="light")
    send(installation, lesson, "master")
    with installation.database.write() as session:
        make(session, installation, light, WHOLE.id, "floor", recording=light)
        jobs = session.scalars(select(JobRow).where(JobRow.kind != "courses.publish_if_ready").order_by(JobRow.priority)).all()
        assert [(row.priority, row.kind, row.args["source_uid"] == light) for row in jobs] == [
            (45, "media.prepare", True), (50, "media.prepare", False), (50, "media.encode", True),
        ]  # fmt: skip


def test_a_trim_leaves_what_is_published_until_its_own_floor_is_ready(installation, lesson):
    source = send(installation, lesson)
    finish(installation, lesson, source, "floor", "v240")
    before = out(installation, lesson)
    with installation.database.write() as session:
        editing.trim(session, lesson, CUT)
    run_job(installation, lesson)
    assert out(installation, lesson) == before
    finish(installation, lesson, source, "floor", recipe=CUT_ID)
    revision, timeline, names = out(installation, lesson)
    assert (revision, names) == (before[0] + 1, {"aac", "stills"})
    assert timeline != before[1]


def test_a_new_title_while_the_trim_is_encoded_goes_out_on_the_timeline_of_what_is_shown(installation, lesson):
    source = send(installation, lesson)
    finish(installation, lesson, source, "floor", "v240")
    revision, timeline, names = out(installation, lesson)
    with installation.database.write() as session:
        editing.trim(session, lesson, CUT)
        editing.change_lesson(session, lesson, titles={"zh": "水和冰"})
        publishing.publish(session, installation, lesson, None)
    assert out(installation, lesson) == (revision + 1, timeline, names)
    finish(installation, lesson, source, "floor", recipe=CUT_ID)
    assert out(installation, lesson)[1] != timeline


def test_a_trim_that_is_taken_back_is_out_at_once_on_the_timeline_it_had(installation, lesson):
    source = send(installation, lesson)
    finish(installation, lesson, source, "floor")
    timeline = out(installation, lesson)[1]
    with installation.database.write() as session:
        editing.trim(session, lesson, CUT)
    assert states(installation, source)["v240"] == "stopped"  # nobody wants the rest of the old cut
    finish(installation, lesson, source, "floor", recipe=CUT_ID)
    with installation.database.write() as session:
        editing.trim(session, lesson, None)
    assert states(installation, source) == {"floor": "done", "v240": "waiting"}
    run_job(installation, lesson)
    assert out(installation, lesson)[:2] == (3, timeline)


def test_what_was_cut_from_a_lesson_that_was_taken_back_is_not_shown_again(installation, lesson):
    source = send(installation, lesson)
    finish(installation, lesson, source, "floor")
    with installation.database.write() as session:
        publishing.withdraw(session, installation, lesson, None)
        editing.trim(session, lesson, CUT)
        assert publishing.publish(session, installation, lesson, None) is None
    run_job(installation, lesson)
    with installation.database.read() as session:
        assert holding.current(session, lesson) is None
    finish(installation, lesson, source, "floor", recipe=CUT_ID)
    assert out(installation, lesson)[0] == 2


def test_another_recording_is_not_cut_like_the_one_before_it(installation, lesson):
    source = send(installation, lesson)
    with installation.database.write() as session:
        editing.trim(session, lesson, CUT)
    finish(installation, lesson, source, "floor", recipe=CUT_ID)
    timeline = out(installation, lesson)[1]
    second = send(installation, lesson, "take 2")
    assert states(installation, second) == {"floor": "waiting"}
    finish(installation, lesson, second, "floor")
    assert out(installation, lesson)[1] != timeline
    with installation.database.read() as session:
        assert session.get_one(Lesson, lesson).edit_list is None


def test_a_voice_in_another_language_is_heard_beside_the_first_one_and_stays_through_a_trim(installation, lesson):
    source = send(installation, lesson)
    voice = send(installation, lesson, "voice", purpose="sound", language="bo")
    finish(installation, lesson, source, "floor", "v240")
    assert out(installation, lesson)[2] == {"aac", "stills", "v240"}
    finish(installation, lesson, voice, "floor", recipe=Recipe(sound_only=True).id)
    before = out(installation, lesson)
    assert before[2] == {"aac", "aac-bo", "stills", "v240"}
    with installation.database.write() as session:
        editing.trim(session, lesson, CUT)
    finish(installation, lesson, source, "floor", recipe=CUT_ID)
    assert out(installation, lesson) == before  # the voice would vanish
    finish(installation, lesson, voice, "floor", recipe=Recipe(edit=((1000, 20_000),), sound_only=True).id)
    assert out(installation, lesson)[2] == {"aac", "aac-bo", "stills"}
    with installation.database.write() as session:
        editing.drop_sound(session, lesson, voice)
    run_job(installation, lesson)
    assert out(installation, lesson)[2] == {"aac", "stills"}


def test_a_trim_does_not_wait_for_a_voice_that_failed_last(installation, lesson):
    source = send(installation, lesson)
    voice = send(installation, lesson, "voice", purpose="sound", language="bo")
    finish(installation, lesson, source, "floor", "v240")
    finish(installation, lesson, voice, "floor", recipe=Recipe(sound_only=True).id)
    with installation.database.write() as session:
        editing.trim(session, lesson, CUT)
    finish(installation, lesson, source, "floor", "v240", recipe=CUT_ID)
    run_publish_jobs(installation, lesson)
    assert out(installation, lesson)[2] == {"aac", "aac-bo", "stills", "v240"}
    with Worker(installation.settings.data_dir / "run") as worker:
        while held := queue.claim(installation.database, worker, ["media.prepare"], 30):
            with installation.database.write() as session:  # of the new cut nothing would be left of the voice
                queue.fail(session, held, MediaRefused(reason="nothing of it would be left"))
    run_publish_jobs(installation, lesson)
    assert out(installation, lesson)[2] == {"aac", "stills", "v240"}


def test_a_step_that_waits_for_room_on_the_disk_says_so_and_one_that_is_tried_again_does_not(installation, lesson):
    source = send(installation, lesson)
    with Worker(installation.settings.data_dir / "run") as worker:
        for error, said in ((DiskFull(), {"code": DiskFull.code, "facts": {}}), (EncodeInterrupted(), None)):
            with installation.database.write() as session:
                for job in session.scalars(select(JobRow)):
                    job.not_before_ms = 0
            held = queue.claim(installation.database, worker, ["media.prepare"], 30)
            assert held is not None
            with installation.database.write() as session:
                queue.fail(session, held, error)
            with installation.database.read() as session:
                view = ladders.view(session, source)
                assert [(step.state, step.error) for step in view.steps] == [("waiting", said)]


def test_many_ladders_are_looked_at_together_each_by_what_was_asked_for_last(installation, house, lesson):
    source = send(installation, lesson)
    finish(installation, lesson, source, "floor", "v240")
    with installation.database.write() as session:
        editing.trim(session, lesson, CUT)
        other = arrive(session, add_lesson(session, house.course), "take 2")
        recordings.order(session, session.scalars(select(LessonSource.lesson_uid).where(LessonSource.source_uid == other)).one())
        seen = ladders.views(session, [source, other, new_uid()])
        assert seen == {uid: ladders.view(session, uid) for uid in (source, other)}
        assert (seen[source].recipe_id, [step.state for step in seen[source].steps]) == (CUT_ID, ["waiting"])
        whole = ladders.view(session, source, WHOLE.id)
        assert [(step.name, step.state, step.bytes > 0) for step in whole.steps] == [
            ("floor", "done", True), ("v240", "done", True),
        ]  # fmt: skip


@pytest.mark.two_writers
def test_who_publishes_while_a_worker_does_follows_the_workers_revision(installation, house, lesson):
    source = send(installation, lesson)
    finish(installation, lesson, source, "floor")
    with installation.database.write() as session:
        found = session.get_one(Lesson, lesson)  # the page has read it
        finish(installation, lesson, source, "v240")
        found.titles = {"zh": "雪"}
        publishing.publish(session, installation, lesson, house.tashi)
    assert out(installation, lesson)[0] == 3
    with installation.database.read() as session:
        assert sorted(session.scalars(select(PackageRow.revision))) == [1, 2, 3]


def test_a_voice_in_the_lessons_own_language_is_refused(installation, lesson):
    with pytest.raises(BadInput), installation.database.write() as session:
        editing.add_sound(session, lesson, new_uid(), "zh")
    with pytest.raises(NotFound), installation.database.write() as session:
        editing.drop_sound(session, lesson, new_uid())


def test_other_sound_tracks_of_the_file_are_another_recipe_on_the_same_timeline(installation, lesson):
    source = send(installation, lesson)
    finish(installation, lesson, source, "floor")
    revision, timeline, _ = out(installation, lesson)
    sounds = [Sound(2, "bo"), Sound(1, "zh")]
    with installation.database.write() as session:
        editing.choose_sounds(session, source, sounds)
        with pytest.raises(BadInput):
            editing.choose_sounds(session, source, [Sound(7, "bo")])
    finish(installation, lesson, source, "floor", recipe=Recipe(sounds=tuple(sounds)).id)
    assert out(installation, lesson)[:2] == (revision + 1, timeline)


@pytest.mark.parametrize(
    "edit", [[], [[5, 5]], [[0, 100]], [[0, 900], [800, 2000]], [[0, 70_000]], [[0, 1.5]], [[1, 2, 3]], [[-5, 900]]]
)
def test_an_edit_list_that_cannot_be_is_refused(installation, lesson, edit):
    send(installation, lesson)
    with pytest.raises(BadInput), installation.database.write() as session:
        editing.trim(session, lesson, edit)


def test_the_whole_recording_is_no_trim_also_in_the_whole_seconds_of_a_page(installation, lesson):
    send(installation, lesson)
    with installation.database.write() as session:
        assert editing.trim(session, lesson, [[0, 61_000]]).edit_list is None
        assert editing.trim(session, lesson, [[1000, 61_900]]).edit_list == [[1000, 61_000]]


def test_nothing_can_be_cut_before_the_recording_was_looked_at(installation, lesson):
    with installation.database.write() as session:
        arrive(session, lesson)
    with pytest.raises(NotFound), installation.database.write() as session:
        editing.trim(session, lesson, CUT)


def test_what_was_replaced_is_forgotten_after_the_days_of_the_setting_and_not_while_a_package_has_it(installation, lesson):
    first = send(installation, lesson)
    finish(installation, lesson, first, "floor", "v240")
    second = send(installation, lesson, "take 2")
    finish(installation, lesson, second, "floor", "v240")

    def after(days: int) -> tuple[bool, str | None, bool]:
        with installation.database.write() as session:
            for uid in (first, second):
                forgetting.forget(session, uid, now_steady_s=days * DAY_S, after_s=30 * DAY_S)
            kept = session.get_one(Source, first).sha256
            has_rows = session.scalars(select(Rendition).where(Rendition.source_uid == first)).first() is not None
            return has_rows, kept, session.get(LadderRow, (second, WHOLE.id)) is not None

    sha256 = after(0)[1]
    assert sha256 is not None
    assert after(40) == (True, sha256, True)  # a pass on the package before may be read still
    with installation.database.write() as session:
        for now_s in (40 * DAY_S, 41 * DAY_S):
            holding.retire(session, now_steady_s=now_s, pass_hours=12)
    assert after(41) == (True, sha256, True)
    assert after(72) == (False, None, True)
    with installation.database.read() as session:
        assert session.get_one(Source, first).state == "forgotten"
    assert out(installation, lesson)[2] == {"aac", "stills", "v240"}


def test_two_lessons_may_share_a_recording_and_neither_stops_the_others_steps(installation, house, lesson):
    source = send(installation, lesson)
    finish(installation, lesson, source, "floor")
    with installation.database.write() as session:
        other = add_lesson(session, house.course, "火")
        editing.attach_source(session, lesson_uid=other, source_uid=source, language="zh")
        editing.trim(session, lesson, CUT)
        assert session.get_one(Lesson, other).edit_list is None
    assert states(installation, source) == {"floor": "done", "v240": "waiting"}
    assert states(installation, source, CUT_ID) == {"floor": "waiting"}
    with installation.database.write() as session:
        assert publishing.publish(session, installation, other, None) is not None
        chosen = recordings.choose(session, session.get_one(Lesson, lesson))
        assert chosen is not None
        assert chosen.main.key == (source, WHOLE.id)


def test_revisions_of_a_lesson_are_superseded_one_by_the_next(installation, lesson):
    source = send(installation, lesson)
    finish(installation, lesson, source, "floor", "v240")
    with installation.database.read() as session:
        rows = session.scalars(select(PackageRow).order_by(PackageRow.revision)).all()
        assert [(row.revision, row.superseded_by) for row in rows] == [(1, rows[1].id), (2, None)]
