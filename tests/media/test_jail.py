"""What a jailed program may use and see, and that it never outlives whoever started it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from eduhub import clock
from eduhub.config import Settings
from eduhub.errors import JobCancelled, ToolMissing
from eduhub.media import jail
from eduhub.media.jail import Command, Kind, Limits
from tests.media.conftest import skip_without_bubblewrap

LIMITS = Limits(cpu_s=20, wall_s=30, memory_bytes=1 << 30, file_bytes=1 << 20, output_bytes=1 << 20)
KINDS: list[Kind] = ["rlimits", "bubblewrap"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    if request.param == "bubblewrap" and not jail.bubblewrap_works():
        skip_without_bubblewrap()
    return request.param  # type: ignore[no-any-return]


def shell(script: str, work: Path, limits: Limits = LIMITS) -> Command:
    return Command(("/bin/sh", "-c", script), work, limits)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline_s = clock.monotonic_s() + 20
    while not holds():
        assert clock.monotonic_s() < deadline_s, "it never came true"
        clock.sleep_s(0.02)


def test_its_lines_its_errors_and_its_code_come_back(kind: Kind, tmp_path: Path) -> None:
    lines: list[str] = []
    finished = jail.run(kind, shell("echo one; echo two; echo bad >&2; exit 7", tmp_path), on_line=lines.append)
    assert (lines, finished.errors, finished.code, finished.ok) == (["one", "two"], "bad", 7, False)


def test_its_processor_time_is_counted(kind: Kind, tmp_path: Path) -> None:
    finished = jail.run(kind, shell("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done", tmp_path))
    assert finished.ok
    assert finished.cpu_s > 0.1


def test_a_program_that_computes_for_ever_ends_at_its_processor_limit(kind: Kind, tmp_path: Path) -> None:
    finished = jail.run(kind, shell("while :; do :; done", tmp_path, Limits(1, 60, 1 << 30, 1 << 20)))
    assert (finished.outcome, finished.ok) == ("ended", False)


def test_a_program_that_waits_for_ever_ends_at_its_time_limit(kind: Kind, tmp_path: Path) -> None:
    finished = jail.run(kind, shell("sleep 100 & wait", tmp_path, Limits(1, 0.5, 1 << 30, 1 << 20)))
    assert (finished.outcome, finished.ok) == ("timeout", False)
    assert finished.wall_s < 20


def test_a_program_that_talks_for_ever_is_stopped_and_its_errors_are_cut(kind: Kind, tmp_path: Path) -> None:
    finished = jail.run(kind, shell("yes", tmp_path))
    assert finished.outcome == "too_much_output"
    noisy = jail.run(kind, shell("yes error | head -n 200000 >&2", tmp_path))
    assert noisy.ok
    assert len(noisy.errors) <= 8 << 10


def test_it_cannot_write_a_file_above_its_limit_nor_take_more_memory(kind: Kind, tmp_path: Path) -> None:
    jail.run(kind, shell("head -c 3000000 /dev/zero > large", tmp_path))
    assert (tmp_path / "large").stat().st_size == 1 << 20
    greedy = "x=a; while :; do x=$x$x; done"
    assert not jail.run(kind, shell(greedy, tmp_path, Limits(20, 30, 200 << 20, 1 << 20))).ok


def test_it_knows_nothing_of_our_environment(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDUHUB_DATABASE", "postgresql+psycopg://secret")
    lines: list[str] = []
    jail.run(kind, shell("env", tmp_path), on_line=lines.append)
    assert not any("secret" in line for line in lines)


def test_bubblewrap_shows_no_files_and_no_network_but_what_was_named(tmp_path: Path) -> None:
    if not jail.bubblewrap_works():
        skip_without_bubblewrap()
    (tmp_path / "work").mkdir()
    (tmp_path / "named").write_text("named")
    (tmp_path / "other").write_text("another school's")
    script = f"cat {tmp_path}/named; echo; cat {tmp_path}/other; echo x > {tmp_path}/named; cat /proc/net/dev"
    lines: list[str] = []
    jail.run(
        "bubblewrap", Command(("/bin/sh", "-c", script), tmp_path / "work", LIMITS, readable=(tmp_path / "named",)),
        on_line=lines.append,
    )  # fmt: skip
    assert lines[0] == "named"
    assert not any("another" in line for line in lines)
    assert [line.split(":")[0].strip() for line in lines if ":" in line] == ["lo"]
    assert (tmp_path / "named").read_text() == "named"


def test_what_the_watcher_raises_stops_the_program_and_comes_back(kind: Kind, tmp_path: Path) -> None:
    def cancelled() -> None:
        if (tmp_path / "started").exists():
            raise JobCancelled

    started_s = clock.monotonic_s()
    with pytest.raises(JobCancelled):
        jail.run(kind, shell("echo $$ > started; sleep 60 & wait", tmp_path), on_tick=cancelled)
    assert clock.monotonic_s() - started_s < 20


def test_it_dies_with_a_worker_that_was_killed_outright(kind: Kind, tmp_path: Path) -> None:
    heart = tmp_path / "heart"
    script = "while :; do echo beat >> heart; sleep 0.05; done"
    worker = (
        "from pathlib import Path; from eduhub.media import jail;"
        f"jail.run({kind!r}, jail.Command(('/bin/sh', '-c', {script!r}), Path({str(tmp_path)!r}),"
        " jail.Limits(60, 60, 1 << 30, 1 << 20)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(jail.__file__).parents[2])}
    process = subprocess.Popen([sys.executable, "-c", worker], env=environment)
    try:
        wait_until(heart.exists)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def is_still() -> bool:
        before = heart.stat().st_size
        clock.sleep_s(0.3)
        return heart.stat().st_size == before

    wait_until(is_still)


def test_a_jail_that_is_demanded_and_does_not_work_stops_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jail, "bubblewrap_works", lambda: False)
    assert jail.kind_of_jail(Settings(jail="auto")) == "rlimits"
    with pytest.raises(ToolMissing) as missing:
        jail.kind_of_jail(Settings(jail="bubblewrap"))
    assert missing.value.facts["tool"] == "bubblewrap"
