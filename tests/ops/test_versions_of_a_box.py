"""What a box does by itself with a version it is offered, what it says of it, and how it is laid out for it."""

import fcntl
import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from eduhub import changes
from eduhub.delivery.models import ReleaseRow
from eduhub.installation import Installation, JobContext
from eduhub.learning import events
from eduhub.ops import release_job, release_setup
from eduhub.ops.launching import files, launcher, processes
from eduhub.schools.models import SchoolCalendar
from eduhub.sync.homeward import outbox
from eduhub.sync.releases import offering, quiet, state
from tests.sync import releasing
from tests.sync.conftest import box, hub, make_box  # noqa: F401 - fixtures
from tests.sync.world import Hub, School, watched

NEW = "90.1.0"
HOURS = [{"period": 1, "starts": "09:30", "ends": "10:10"}, {"period": 7, "starts": "17:20", "ends": "18:00"}]
ZONE = "Asia/Shanghai"


def at(hour: int, minute: int) -> int:
    """A moment of a day there, as Unix milliseconds."""
    return int(datetime(2026, 11, 25, hour - 8 if hour >= 8 else hour + 16, minute, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("hour", "minute", "is_school"),
    [(8, 59, False), (9, 0, True), (9, 30, True), (13, 0, True), (18, 29, True), (18, 30, False), (23, 0, False), (3, 0, False)],
)
def test_school_lasts_from_half_an_hour_before_the_first_lesson_to_half_an_hour_after_the_last(hour: int, minute: int, is_school: bool) -> None:
    assert quiet.in_school_day(HOURS, ZONE, at(hour, minute)) is is_school


@pytest.mark.parametrize("hours", [[], [{}], [{"starts": "late", "ends": 7}], ["9-10"]])
def test_hours_that_say_nothing_close_nothing(hours: list[Any]) -> None:
    assert not quiet.in_school_day(hours, ZONE, at(12, 0))


@pytest.fixture
def school(hub: Hub, box: Installation) -> School:  # noqa: F811
    """A box that has all of a version that it is offered."""
    made = hub.school("Shuanghu", children=1)
    hub.join(box, made)
    return made


@pytest.fixture
def offered(hub: Hub, box: Installation, school: School, tmp_path: Path) -> str:  # noqa: F811
    row = releasing.publish(hub, NEW, tmp_path / "wheels")
    with hub.here.database.write() as session:
        offering.offer(session, release_id=row.id, org_uid=school.org)
    hub.sync(box)
    return row.id


def test_a_box_is_quiet_when_nobody_has_watched_for_half_an_hour(
    box: Installation, school: School, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    now = [100_000.0]
    monkeypatch.setattr(box.steady, "now_s", lambda: now[0])

    def is_quiet() -> bool:
        with box.database.read() as session:
            return quiet.now(session, box)

    assert is_quiet()
    with changes.writing(box.database) as session:
        event = watched(school.org, school.children[0])
        events.append(session, [event], source=changes.machine_uid(session))
        outbox.add_events(session, box.steady, [event])
    assert not is_quiet()
    now[0] += quiet.NOBODY_FOR_S + 1
    assert is_quiet()


def test_a_box_is_not_quiet_in_class_hours_by_its_schedule_clock(hub: Hub, box: Installation, school: School) -> None:  # noqa: F811
    with hub.here.database.write() as session:  # it is one o'clock there
        session.get_one(SchoolCalendar, school.org).class_hours = HOURS
    hub.sync(box)
    with box.database.read() as session:
        assert not quiet.now(session, box)
    with hub.here.database.write() as session:
        session.get_one(SchoolCalendar, school.org).class_hours = HOURS[:1]
    hub.sync(box)
    with box.database.read() as session:
        assert quiet.now(session, box)


def stage(box: Installation) -> tuple[str, str | None]:  # noqa: F811
    with box.database.read() as session:
        found = state.state_here(session, box)
        return found.stage, state.word_here(session, box)


def journal(box: Installation, **said: Any) -> None:  # noqa: F811
    folder = box.settings.releases_folder
    folder.mkdir(exist_ok=True)
    (folder / launcher.JOURNAL).write_text(json.dumps(said))


def test_what_a_box_says_of_a_version_follows_what_is_here_and_what_the_launcher_wrote(box: Installation, offered: str) -> None:  # noqa: F811
    name = state.name_of(NEW, offered)
    assert stage(box) == (state.BY_HAND, f"by_hand {NEW}")
    journal(box)
    with processes.alone(box.settings.releases_folder):
        assert stage(box) == (state.READY, f"ready {NEW}")
        journal(box, last={"to": name, "ended": "not_in", "why": "unwell"})
        assert stage(box) == (state.FAILED, f"failed {NEW} unwell")
        journal(box, last={"to": name, "ended": "not_in", "why": "no_room"})
        assert stage(box)[0] == state.READY
        for tries, wanted in ((1, state.READY), (3, state.FAILED)):
            journal(box, last={"to": name, "ended": "not_in", "why": "cut"}, tries={name: tries})
            assert stage(box)[0] == wanted
        journal(box, last={"to": "80.0-aa", "ended": "not_in", "why": "unwell"})
        assert stage(box)[0] == state.READY
    assert stage(box)[0] == state.BY_HAND


def test_what_has_not_come_whole_is_coming(box: Installation, offered: str) -> None:  # noqa: F811
    wheel = next(path for path in (box.packages_dir / offered).iterdir() if path.stat().st_size > 200_000)
    box.blobs.path(wheel.name).unlink()
    found, word = stage(box)
    assert found == state.COMING
    assert word is not None
    assert 0 <= int(word.removeprefix(f"coming {NEW} ")) < 10


def test_the_job_asks_no_launcher_that_is_not_there(box: Installation, offered: str) -> None:  # noqa: F811
    release_job.put_in(JobContext(box, "", lambda _share: None))
    assert not (box.settings.releases_folder / launcher.REQUEST).exists()


@pytest.mark.parametrize("is_dropped", [False, True])
def test_what_came_of_a_version_stays_while_it_is_held_back_and_goes_when_nobody_offers_it(
    hub: Hub, box: Installation, school: School, offered: str, is_dropped: bool  # noqa: F811
) -> None:
    running = box.settings.releases_folder / "0.3.0-aa"
    running.mkdir(parents=True)
    (running / files.FACTS).write_text(json.dumps({"version": "0.3.0", "release": "a" * 64}))
    os.symlink(running.name, running.with_name("current"))
    with changes.writing(hub.here.database) as session:
        (made,) = offering.all_open(session)
        if is_dropped:
            offering.drop(session, made.uid, "2026-11-25")
        else:
            offering.pause(session, made.uid, paused=True)
    hub.sync(box)
    assert stage(box)[0] == state.NOTHING
    release_job.put_in(JobContext(box, "", lambda _share: None))
    with box.database.read() as session:
        assert (session.get(ReleaseRow, offered) is None) is is_dropped


def test_a_box_is_laid_out_and_the_launcher_needs_nothing_but_python(tmp_path: Path) -> None:
    launch = release_setup.set_up(tmp_path / "releases")
    assert files.facts(tmp_path / "releases" / "current") is not None
    before = os.readlink(tmp_path / "releases" / "current")
    release_setup.set_up(tmp_path / "releases")
    assert os.readlink(tmp_path / "releases" / "current") == before
    assert (tmp_path / "releases" / "current" / "bin" / "eduhub").exists()
    with zipfile.ZipFile(launch) as packed:
        assert "__main__.py" in packed.namelist()
    with (tmp_path / "releases" / processes.LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        # -S and -I: no package that is installed, and nothing of this checkout.
        done = subprocess.run(
            [sys.executable, "-S", "-I", str(launch)], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
        )
    assert done.returncode == 1
    assert "another launcher runs" in done.stderr


def test_the_program_reads_what_the_launcher_writes() -> None:
    assert (state.JOURNAL, state.LOCK) == (launcher.JOURNAL, processes.LOCK)
