"""A box that runs an older version gets today's: installed beside it, proved, and put in, or not; with real processes throughout."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from eduhub import clock
from eduhub.config import Settings
from eduhub.delivery import keys
from eduhub.errors import ReleaseNeedsRoom, ReleaseRefused
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate, release_install, release_setup
from eduhub.ops.launching.files import FACTS, facts
from eduhub.sync.releases import state
from tests.frozen.programs import Machine, unpacked
from tests.ops import updating
from tests.sync import releasing

pytestmark = [pytest.mark.processes, pytest.mark.any_engine, pytest.mark.long]

OLD, NEW = "0.3.0", "90.1.0"
LIMIT_S = 240.0


class Box:
    """A box that joined a hub while it ran an old version, and then got a release, by stick say: all of it is here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.old = Machine(OLD, "node", folder / "media")
        self.releases = folder / "releases"

    def settle(self) -> None:
        """Give it some rows of its own, by its old program, and lay its versions out."""
        self.old.eduhub("status")
        place = self.releases / f"{OLD}-here"
        (place / "bin").mkdir(parents=True)
        script = place / "bin" / "eduhub"
        script.write_text(
            f"#!{sys.executable}\nimport os, sys\nos.environ['PYTHONPATH'] = {str(unpacked(OLD))!r}\n"
            f"os.execv(sys.executable, [sys.executable, '-m', 'eduhub.ops.cli', *sys.argv[1:]])\n"
        )
        script.chmod(0o755)
        (place / FACTS).write_text(json.dumps({"version": OLD, "schema": "0009"}))
        (self.releases / "launch").write_bytes(release_setup.launcher_bytes())
        os.symlink(place.name, self.releases / "current")

    @property
    def database(self) -> Path:
        return self.folder / "media" / "eduhub.db"

    def tables(self) -> str:
        with closing(sqlite3.connect(self.database)) as database:
            return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])

    def kept(self) -> dict[str, bytes]:
        """What lies beside the database and is put back by nobody: keys, blobs and what lessons show of them."""
        roots = [self.folder / "media" / name for name in ("keys", "blobs", "packages")]
        found = {str(path): path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file()}
        assert found
        return found

    def install(self, folder: Path, *, broken: str = "") -> str:
        """Have the release there and installed, as the job does. The hub that signs it is a machine of its own."""
        hub = open_installation(Settings(role="hub", data_dir=self.folder / "hub"))
        migrate.upgrade(hub.database)
        with hub.database.write() as session:
            keys.make_hub_keys(session, hub.keys)
        row = releasing.publish_at(hub, NEW, folder, files=updating.wheels(NEW, broken=broken))
        settings = Settings(role="node", data_dir=self.folder / "media", releases_dir=str(self.releases))
        name = release_install.prepare(Installation(settings, hub.database, hub.blobs, hub.keys, hub.steady), row.id, running=OLD)
        hub.database.close()
        return name

    @contextmanager
    def launched(self) -> Iterator[subprocess.Popen[bytes]]:
        """The launcher as systemd would run it, but for its patience."""
        words = (
            "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; "
            "from eduhub.ops.launching.launcher import Patience; from eduhub.ops.launching.processes import main; "
            "main(Path(sys.argv[1]).parent, Patience(prove=90, well=3, probation=600, look_every=5, deaths=2, tick=0.2))"
        )
        environment = {name: value for name, value in self.old.environment().items() if name != "PYTHONPATH"}
        with (self.folder / "launcher.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-S", "-I", "-c", words, str(self.releases / "launch")], env=environment, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, cwd=self.folder,
            )  # fmt: skip
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()
                process.wait(60)

    def log(self) -> str:
        return (self.folder / "launcher.log").read_text()[-4000:]

    def health(self) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self.old.port, timeout=10)
        try:
            connection.request("GET", "/health")
            found: dict[str, Any] = json.loads(connection.getresponse().read())
            return found
        except (OSError, HTTPException, ValueError):
            return {}
        finally:
            connection.close()

    def wait_for(self, version: str) -> None:
        until = clock.monotonic_s() + LIMIT_S
        while self.health().get("version") != version or self.health().get("status") != "well":
            assert clock.monotonic_s() < until, self.log()
            clock.sleep_s(0.3)

    def wait_for_step(self, *steps: str) -> None:
        until = clock.monotonic_s() + LIMIT_S
        while state.journal(self.releases).get("step") not in steps:
            assert clock.monotonic_s() < until, self.log()
            clock.sleep_s(0.02)

    def wait_for_outcome(self) -> dict[str, Any]:
        until = clock.monotonic_s() + LIMIT_S
        while not (found := state.journal(self.releases)).get("last") or found.get("step") != "run":
            assert clock.monotonic_s() < until, self.log()
            clock.sleep_s(0.2)
        last: dict[str, Any] = found["last"]
        return last


@pytest.fixture
def box(tmp_path: Path) -> Box:
    made = Box(tmp_path / "village")
    made.folder.mkdir()
    made.settle()
    return made


def test_an_old_version_gives_way_to_a_new_one_that_works(box: Box, tmp_path: Path) -> None:
    name = box.install(tmp_path / "wheels")
    assert facts(box.releases / name) is not None
    with box.launched():
        box.wait_for(OLD)
        assert box.tables() == "0009"
        assert state.has_launcher(box.releases)
        release_install.ask_launcher(box.releases, name)
        box.wait_for(NEW)
    assert state.journal(box.releases)["last"] == {"to": name, "ended": "in"}
    assert box.tables() == migrate.head()
    assert os.readlink(box.releases / "current") == name
    assert not state.has_launcher(box.releases)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("eduhub/ops/migrate.py\ndef upgrade(database):\n    _run(database, lambda c: alembic.command.upgrade(c, '0010'))\n    raise SystemExit(9)", "tables"),
        ("eduhub/api/health.py\n_database_answers = lambda _here: False", "unwell"),
        ("eduhub/app.py\nraise SystemExit(9)", "unwell"),
    ],
)
def test_a_version_that_does_not_work_leaves_the_old_one_with_its_own_tables(box: Box, tmp_path: Path, broken: str, why: str) -> None:
    name = box.install(tmp_path / "wheels", broken=broken)
    kept = box.kept()
    with box.launched():
        box.wait_for(OLD)
        release_install.ask_launcher(box.releases, name)
        assert box.wait_for_outcome() == {"to": name, "ended": "not_in", "why": why}
        box.wait_for(OLD)
    assert box.tables() == "0009"
    assert state.failure(box.releases, name) == why
    assert kept.items() <= box.kept().items()


@pytest.mark.parametrize("step", ["migrate", "prove"])
def test_a_power_cut_in_the_midst_of_it_ends_in_the_old_version_and_the_next_try_in_the_new_one(
    box: Box, tmp_path: Path, step: str
) -> None:
    name = box.install(tmp_path / "wheels")
    with box.launched() as launcher:
        box.wait_for(OLD)
        release_install.ask_launcher(box.releases, name)
        box.wait_for_step(step)
        launcher.send_signal(signal.SIGKILL)  # its children hear of it from the kernel
        launcher.wait(60)
        clock.sleep_s(3)
    with box.launched():
        box.wait_for(OLD)
        assert box.tables() == "0009"
        assert state.failure(box.releases, name) is None
        release_install.ask_launcher(box.releases, name)
        box.wait_for(NEW)
    assert box.tables() == migrate.head()


def test_a_variable_that_the_new_version_does_not_know_stops_its_installation(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDUHUB_OF_YESTERDAY", "yes")
    with pytest.raises(ReleaseRefused, match="YESTERDAY"):
        box.install(tmp_path / "wheels")


def test_without_room_nothing_is_installed_and_how_much_is_missing_is_said(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eduhub.ops.release_install.shutil.disk_usage", lambda _path: type("Usage", (), {"free": 10**6}))
    with pytest.raises(ReleaseNeedsRoom) as refused:
        box.install(tmp_path / "wheels")
    assert int(refused.value.facts["megabytes"]) > 200

