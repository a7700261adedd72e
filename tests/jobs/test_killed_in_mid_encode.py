"""Real encodings that are cut short: by kill -9 of the worker, by the end of its supervisor, by somebody who cancels."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from eduhub.jobs import queue
from eduhub.media import jail
from tests.jobs.machines import WORKER, Machine, School, clip, encoders, wait_until

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("clip") / "lesson.mp4", 30)


@pytest.fixture(params=["bubblewrap", pytest.param("rlimits", marks=pytest.mark.long)])
def machine(request: pytest.FixtureRequest, make_settings, tmp_path: Path) -> Iterator[Machine]:
    if request.param == "bubblewrap" and not jail.bubblewrap_works():
        pytest.skip("bubblewrap does not work here")
    settings = replace(make_settings(), jail=request.param)
    made = Machine(settings, WORKER, tmp_path / "log")
    yield made
    made.close()


@pytest.fixture
def school(machine: Machine, recording: Path) -> Iterator[School]:
    made = School([machine.settings], recording)
    machine.start()
    wait_until(lambda: bool(encoders([machine.settings.data_dir])))
    yield made
    made.database.close()


def test_no_encoder_outlives_a_killed_worker_and_the_next_takes_the_work_up(machine, school):
    [job] = [each for each in school.jobs() if each.state == "running"]
    machine.kill_worker()
    assert wait_until(lambda: not encoders([machine.settings.data_dir])) < 2
    machine.start()
    wait_until(lambda: bool(encoders([machine.settings.data_dir])))
    [again] = [each for each in school.jobs() if each.state == "running"]
    assert (again.uid, again.attempt) == (job.uid, job.attempt + 1)


def test_a_cancelled_encoding_is_ended_within_moments(machine, school):
    [job] = [each for each in school.jobs() if each.state == "running"]
    with school.database.write() as session:
        queue.cancel(session, job.uid)
    assert wait_until(lambda: not encoders([machine.settings.data_dir])) < 5  # one or two where nothing else runs
    wait_until(lambda: school.jobs()[0].state == "cancelled")


def test_the_end_of_a_supervisor_ends_the_encoder_and_spends_no_attempt(machine, school):
    """The kernel tells the worker by SIGTERM that its supervisor is gone; see test_supervisor.py."""
    [job] = [each for each in school.jobs() if each.state == "running"]
    machine.processes[-1].send_signal(signal.SIGTERM)
    wait_until(lambda: not encoders([machine.settings.data_dir]))
    assert machine.processes[-1].wait(20) == 0
    row = school.jobs()[0]
    assert (row.uid, row.state, row.max_attempts - row.attempt) == (job.uid, "waiting", job.max_attempts - job.attempt + 1)


