"""Put a version that has come into an environment of its own, beside the one that runs. The launcher changes over to it.

Nothing of a release is unpacked before its signature and the hash of every wheel fit; pip checks the hashes once more,
and asks no network. An environment without `release.json`, which comes last, is none, and is made anew.
This module must not know when it is time to (`release_job`).
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from sqlalchemy.orm import Session

from eduhub import __version__, clock, config, logs
from eduhub.delivery.models import ReleaseRow
from eduhub.delivery.release import Release, Wheel, read_version
from eduhub.errors import N_, BlobMissing, HashMismatch, ReleaseNeedsRoom, ReleaseRefused
from eduhub.installation import Installation
from eduhub.ops import migrate
from eduhub.ops.backup_files import sha256_of
from eduhub.ops.launching.files import FACTS, facts, write_whole
from eduhub.ops.launching.launcher import REQUEST
from eduhub.sync.releases import holding, machine, state

log = logs.logger(__name__)

_UNPACKED = 5  # times the bytes of its wheels: what they hold, and what Python makes of it
_SPARE_BYTES = 200 << 20
_STEP_LASTS_S = 3600


def check(session: Session, row: ReleaseRow, running: str = __version__) -> Release:
    """What a release that may be put in here says. Raises BadSignature, BadFormat, ReleaseRefused."""
    found = holding.verified(session, row)
    if machine.target() not in found.targets:
        raise ReleaseRefused(machine.target(), reason=N_("it was not made for a machine like this one"))
    if read_version(found.version) <= read_version(running):
        raise ReleaseRefused(f"{found.version}, {running} runs", reason=N_("it is not newer than the one that runs"))
    if read_version(found.needs_at_least) > read_version(running):
        raise ReleaseRefused(found.needs_at_least, reason=N_("another version has to be put in before it"))
    return found


def prepare(installation: Installation, release_id: str, *, running: str = __version__) -> str:
    """Install a release beside what runs; returns the name of its folder. Safe to repeat, and to kill.

    Raises BadSignature, BadFormat, HashMismatch, ReleaseRefused, ReleaseNeedsRoom.
    """
    with installation.database.read() as session:
        row = session.get(ReleaseRow, release_id)
        if row is None:
            raise ReleaseRefused(release_id[:16], reason=N_("it has not come yet"))
        found = check(session, row, running)
    name = state.name_of(found.version, release_id)
    place = installation.settings.releases_folder / name
    if facts(place) is not None:
        return name
    if holding.missing(installation.blobs, found, machine.target()):
        raise ReleaseRefused(found.version, reason=N_("it has not come yet"))
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    wheels = found.wheels(machine.target())
    _require_room(place.parent, wheels)
    lying = place.with_name(f".wheels-{name}")
    try:
        _lay_out(installation, wheels, lying)
        _make(place, lying, wheels)
        _reveal(place, found, release_id)
    finally:
        shutil.rmtree(lying, ignore_errors=True)
    log.info("a version lies ready", version=found.version)
    return name


def _require_room(folder: Path, wheels: list[Wheel]) -> None:
    needed = _UNPACKED * sum(wheel.bytes for wheel in wheels) + _SPARE_BYTES
    lacking = needed - shutil.disk_usage(folder).free
    if lacking > 0:
        raise ReleaseNeedsRoom(megabytes=-(-lacking // 1_000_000))


def _lay_out(installation: Installation, wheels: list[Wheel], folder: Path) -> None:
    """The wheels under their names, each read and compared with its hash."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for wheel in wheels:
        try:
            source = installation.blobs.path(wheel.sha256)
        except BlobMissing as error:
            raise ReleaseRefused(wheel.name, reason=N_("it has not come yet")) from error
        try:
            os.link(source, folder / wheel.name)
        except OSError:  # another file system
            shutil.copyfile(source, folder / wheel.name)
        if sha256_of(folder / wheel.name) != wheel.sha256:
            raise HashMismatch(wheel.name)
    lines = [f"{wheel.project}=={wheel.version} --hash=sha256:{wheel.sha256}" for wheel in wheels]
    (folder / "wheels.txt").write_text("\n".join(lines) + "\n", encoding="ascii")


def _make(place: Path, lying: Path, wheels: list[Wheel]) -> None:
    _run(place, str(_base_python()), "-I", "-m", "venv", str(place))
    _run(
        place, str(place / "bin" / "python"), "-I", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--require-hashes",
        "--only-binary", ":all:", "--find-links", str(lying), "--disable-pip-version-check", "--no-input", "-r", str(lying / "wheels.txt"),
    )  # fmt: skip
    version = next(wheel.version for wheel in wheels if wheel.project == "eduhub")
    if version not in _run(place, str(place / "bin" / "eduhub"), "--version").split():
        raise ReleaseRefused(version, reason=N_("it says that it is another version"))
    # A variable that this version no longer knows would stop its start.
    _run(place, str(place / "bin" / "eduhub"), "settings", "--json")


def _base_python() -> Path:
    """The Python of the system, not that of the environment that runs: that one may be thrown away some day."""
    return Path(getattr(sys, "_base_executable", sys.executable))


def _run(place: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=place.parent, capture_output=True, text=True, timeout=_STEP_LASTS_S, check=False,
        env=config.inherited() | {"PIP_CONFIG_FILE": os.devnull},
    )  # fmt: skip
    if done.returncode != 0:
        log.error("a version could not be put in", step=Path(command[0]).name, exit_code=done.returncode, said=done.stderr[-500:])
        raise ReleaseRefused(f"{command[-1]}: {done.stderr[-300:]}", reason=N_("its installation did not work"))
    return done.stdout


def _reveal(place: Path, found: Release, release_id: str) -> None:
    asked = "from eduhub.ops import migrate; print(migrate.head())"
    schema = _run(place, str(place / "bin" / "python"), "-I", "-c", asked).strip()
    os.sync()  # thousands of files: one by one it would take longer than all of them
    said = {
        "version": found.version, "release": release_id, "schema": schema, "goes_back_to": list(found.goes_back_to),
        "made_ms": clock.now_ms(),
    }  # fmt: skip
    write_whole(place / FACTS, json.dumps(said).encode())


def ask_launcher(folder: Path, name: str) -> None:
    """Have the launcher change over to a version that lies ready; it does so within seconds, if it runs."""
    write_whole(folder / REQUEST, json.dumps({"to": name}).encode())


def tidy(folder: Path) -> None:
    """Remove versions that nobody goes back to: all but the one that runs, the one before it in its first minutes, and newer ones."""
    noted = state.journal(folder)
    current = folder / "current"
    if not current.is_symlink() or noted.get("step") != "run" or noted.get("opened"):
        return
    for place in folder.iterdir():
        if place.is_dir() and not place.is_symlink() and place.name != os.readlink(current) and _is_past(place):
            (place / FACTS).unlink(missing_ok=True)  # from here on it is none
            shutil.rmtree(place, ignore_errors=True)


def _is_past(place: Path) -> bool:
    said = facts(place)
    return said is not None and read_version(said.get("version")) < read_version(__version__)


def facts_here() -> dict[str, object]:
    """What this program says of itself to a launcher."""
    return {"version": __version__, "schema": migrate.head(), "goes_back_to": migrate.goes_back_to(), "made_ms": clock.now_ms()}
