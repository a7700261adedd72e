"""Whatever happens while one version takes over from another, one of them runs on tables it knows, and nothing acknowledged is lost.

The launcher, its files and the database are the real ones; the versions are the port's other side.
"""

import contextlib
import errno
import itertools
import json
import os
import shutil
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eduhub.ops.launching import files, launcher
from eduhub.ops.launching.launcher import CURRENT, JOURNAL, KEPT, REQUEST, Launcher, Patience, Stopped

# A cut leaves files open that nobody closes any more.
pytestmark = [pytest.mark.any_engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

OLD, NEW = "0.3.0-aa", "0.4.0-bb"
PATIENCE = Patience(prove=6, well=2, probation=12, look_every=3, tick=1, deaths=3)
WATCHED = {launcher.__file__, files.__file__}


class PowerCut(BaseException):
    """The lights went out."""


@dataclass(frozen=True)
class Nature:
    """What becomes of the new version."""

    tables_work: bool = True
    proves: bool = True
    lives: bool = True  # once the doors are open
    works: bool = True
    is_addition: bool = True  # the old version runs on its tables


@dataclass
class Box:
    """A box with two versions. Its versions write into the database as real ones do: with a log beside the file."""

    folder: Path
    nature: Nature
    acknowledged: list[int] = field(default_factory=list)
    running: str | None = None
    proving: bool = False
    time_s: float = 0.0
    ends_at_s: float = 50.0
    is_cut_while_proving: bool = False
    told: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "media" / "eduhub.db"

    def set_up(self) -> "Box":
        (self.folder / "media").mkdir(parents=True)
        for name, known in ((OLD, {"schema": "0009"}), (NEW, {"schema": "0011", "goes_back_to": ["0009"] if self.nature.is_addition else []})):
            (self.folder / name).mkdir()
            (self.folder / name / files.FACTS).write_text(json.dumps(known))
        os.symlink(OLD, self.folder / CURRENT)
        with self.opened() as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript("CREATE TABLE tables (of TEXT); INSERT INTO tables VALUES ('old'); CREATE TABLE event (number INTEGER);")
        return self

    @contextlib.contextmanager
    def opened(self) -> Any:
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as database:
            database.execute("PRAGMA wal_autocheckpoint = 0")  # what is in the log is not in the file
            yield database

    def kind_of_tables(self) -> str:
        with self.opened() as database:
            return str(database.execute("SELECT of FROM tables").fetchone()[0])

    def events(self) -> set[int]:
        with self.opened() as database:
            return {row[0] for row in database.execute("SELECT number FROM event")}

    # --- the port's other side ---

    def tables(self, name: str) -> bool:
        assert self.running is None
        with self.opened() as database:
            for state in ("half", "new"):
                database.execute("UPDATE tables SET of = ?", (state,))
                if state == "half" and not self.nature.tables_work:
                    return False
        return True

    def start(self, name: str, *, proving: bool) -> None:
        assert self.running is None
        kind = self.kind_of_tables()
        assert kind == "new" if name == NEW else kind == "old" or (kind == "new" and self.nature.is_addition)
        self.running, self.proving = name, proving
        self.started.append(name)

    def look(self, name: str) -> bool:
        assert self.running == name
        if self.proving:
            if self.is_cut_while_proving:
                raise PowerCut
            with self.opened() as database:
                database.execute("INSERT INTO event VALUES (-1)")  # something of its own that nobody was told of
            return self.nature.proves
        return name == OLD or self.nature.works

    def is_running(self) -> bool:
        if self.running is not None and not self.proving:
            with self.opened() as database:  # somebody watches a lesson, and is told that it is saved
                database.execute("INSERT INTO event VALUES (?)", (len(self.acknowledged),))
            self.acknowledged.append(len(self.acknowledged))
            if self.running == NEW and not self.nature.lives:
                self.running = None
        return self.running is not None

    def stop(self) -> None:
        self.running = None

    # --- power ---

    def wait(self, seconds: float) -> None:
        self.time_s += seconds
        if self.time_s > self.ends_at_s:
            raise Stopped

    def power_on(self, *, cut_at_line: int | None = None, passed: list[str] | None = None) -> bool:
        """Run the launcher until the time is over; False when the power was cut before."""
        self.running, self.time_s = None, 0.0
        here = Launcher(
            self.folder, self.database, self, PATIENCE, now=lambda: self.time_s, wait=self.wait, say=self.told.append
        )
        try:
            with cutting(cut_at_line, passed):
                here.run()
        except Stopped:
            return True
        except PowerCut:
            return False
        raise AssertionError("it ended by itself")

    def ask(self) -> None:
        (self.folder / REQUEST).write_text(json.dumps({"to": NEW}))

    @property
    def current(self) -> str:
        return os.readlink(self.folder / CURRENT)

    def journal(self) -> dict[str, Any]:
        path = self.folder / JOURNAL
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {"step": "run"}
        return found

    def check(self) -> None:
        """What holds whatever happened."""
        assert set(self.acknowledged) <= self.events()
        assert self.running == self.current
        kind = self.kind_of_tables()
        assert kind != "half"
        assert kind == "new" or self.current == OLD
        if self.current == OLD and kind == "old":
            assert -1 not in self.events()
        assert self.journal()["step"] == "run"


@contextlib.contextmanager
def cutting(at_line: int | None, passed: list[str] | None = None) -> Any:
    """Cut the power before the so many-th line of the launcher is carried out; or write down which lines are."""
    left = itertools.count(-1 if at_line is None else at_line, -1)

    def trace(frame: Any, event: str, _argument: object) -> Any:
        if frame.f_code.co_filename not in WATCHED:
            return None
        if event == "line":
            if passed is not None:
                passed.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
            if next(left) == 0:
                sys.settrace(None)
                raise PowerCut
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def box_in(folder: Path, **nature: bool) -> Box:
    return Box(folder, Nature(**nature)).set_up()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory: hundreds of boxes sync their files here, and what a sync does is not what is looked at."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as made:
        yield Path(made)


def test_a_version_that_works_takes_over(folder: Path) -> None:
    box = box_in(folder / "box")
    box.ask()
    assert box.power_on()
    assert (box.current, box.kind_of_tables()) == (NEW, "new")
    assert box.journal()["last"] == {"to": NEW, "ended": "in"}
    assert not (box.folder / KEPT).exists()
    box.check()


@pytest.mark.parametrize(("nature", "why"), [({"tables_work": False}, "tables"), ({"proves": False}, "unwell")])
def test_a_version_that_does_not_work_leaves_everything_as_it_was(folder: Path, nature: dict[str, bool], why: str) -> None:
    box = box_in(folder / "box", **nature)
    box.ask()
    assert box.power_on()
    assert (box.current, box.kind_of_tables()) == (OLD, "old")
    assert box.journal()["last"] == {"to": NEW, "ended": "not_in", "why": why}
    box.check()


@pytest.mark.parametrize("nature", [{"lives": False}, {"works": False}])
def test_a_version_that_fails_once_the_doors_are_open_is_taken_back_with_all_that_was_written(
    folder: Path, nature: dict[str, bool]
) -> None:
    box = box_in(folder / "box", **nature)
    box.ask()
    assert box.power_on()
    assert (box.current, box.kind_of_tables()) == (OLD, "new")
    assert box.journal()["last"]["ended"] == "taken_back"
    box.check()


def test_where_the_old_version_cannot_run_on_the_new_tables_the_new_one_is_started_again_and_again(folder: Path) -> None:
    box = box_in(folder / "box", lives=False, is_addition=False)
    box.ask()
    assert box.power_on()
    assert (box.current, box.kind_of_tables()) == (NEW, "new")
    assert set(box.acknowledged) <= box.events()


@pytest.mark.parametrize("asked", ["{", "[]", '{"to": "../other"}', '{"to": ".."}', '{"to": "0.9.9-none"}', '{"to": 7}', f'{{"to": "{OLD}"}}'])
def test_a_request_that_names_no_installed_version_is_dropped(folder: Path, asked: str) -> None:
    box = box_in(folder / "box")
    (box.folder / REQUEST).write_text(asked)
    assert box.power_on()
    assert box.current == OLD
    assert not (box.folder / REQUEST).exists()


def test_a_full_disk_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = box_in(folder / "box")
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 1000}))
    box.ask()
    assert box.power_on()
    assert box.journal()["last"] == {"to": NEW, "ended": "not_in", "why": "no_room"}
    assert box.started == [OLD]  # it was not away for a moment
    box.check()


def test_a_version_that_fills_the_disk_leaves_the_old_one_on_its_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = box_in(folder / "box", tables_work=False)
    real = shutil.copyfileobj

    def copied(source: Any, target: Any) -> None:  # a disk that has room for one of both
        if box.database.exists() or any(path.exists() for path in files.files_of(box.database)):
            target.write(source.read(100))
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(files.shutil, "copyfileobj", copied)
    monkeypatch.setattr(files.shutil, "copyfile", lambda source, target: copied(open(source, "rb"), open(target, "wb")))
    box.ask()
    assert box.power_on()
    assert (box.current, box.kind_of_tables()) == (OLD, "old")
    assert {path.name for path in box.database.parent.iterdir()} <= {path.name for path in files.files_of(box.database)}
    box.check()


def test_nobody_else_on_the_machine_reads_the_copy_or_what_is_put_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = box_in(folder / "box", proves=False)
    box.database.chmod(0o600)
    seen = []
    monkeypatch.setattr(launcher, "put_back", lambda kept, database: (seen.append(mode_of(kept)), files.put_back(kept, database)))
    before = os.umask(0o022)
    try:
        box.ask()
        assert box.power_on()
    finally:
        os.umask(before)
    assert (seen, mode_of(box.database)) == ([0o600], 0o600)
    box.check()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_version_that_power_cuts_interrupt_again_and_again_is_left(folder: Path) -> None:
    box = box_in(folder / "box")
    for _ in range(PATIENCE.tries):
        box.ask()
        box.is_cut_while_proving = True
        assert not box.power_on()
    box.is_cut_while_proving = False
    box.ask()
    assert box.power_on()
    assert box.journal()["last"] == {"to": NEW, "ended": "not_in", "why": "cut"}
    box.check()


NATURES = [
    Nature(), Nature(tables_work=False), Nature(proves=False), Nature(lives=False), Nature(lives=False, is_addition=False), Nature(works=False),
]  # fmt: skip


@pytest.mark.parametrize("nature", NATURES, ids=str)
def test_the_power_may_be_cut_at_every_line(folder: Path, nature: Nature) -> None:
    passed: list[str] = []
    first = Box(folder / "first", nature).set_up()
    first.ask()
    first.power_on(passed=passed)
    # Each line the first time and the last: a loop that waits does nothing else in between.
    places = sorted({passed.index(line) for line in passed} | {len(passed) - 1 - passed[::-1].index(line) for line in passed})
    seen = set()
    for place in places:
        box = Box(folder / f"box{place}", nature).set_up()
        box.ask()
        assert not box.power_on(cut_at_line=place)
        seen.add(box.journal()["step"])
        assert box.power_on()
        assert set(box.acknowledged) <= box.events()
        assert box.kind_of_tables() == "new" or (box.current == OLD and box.kind_of_tables() == "old")
        if nature.lives:
            box.check()
    assert len(places) > 100
    assert seen >= {"run", "keep", "migrate"} | ({"prove"} if nature.tables_work else set())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nature=st.sampled_from(NATURES), cuts=st.lists(st.integers(0, 700), max_size=6), data=st.data())
def test_many_cuts_in_a_row_end_well(folder: Path, nature: Nature, cuts: list[int], data: st.DataObject) -> None:
    box = Box(folder / f"box{len(list(folder.iterdir()))}", nature).set_up()
    for cut in cuts:
        if data.draw(st.booleans()):
            box.ask()
        box.power_on(cut_at_line=cut)
    assert box.power_on()
    assert set(box.acknowledged) <= box.events()
    assert box.kind_of_tables() != "half"
    assert box.kind_of_tables() == "new" or box.current == OLD
    if box.current == OLD and box.kind_of_tables() == "new":
        assert nature.is_addition
