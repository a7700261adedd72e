"""A release as it is built for boxes, with every wheel of others: it is installed from its archive alone, and what it brings runs."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest

from eduhub import __version__
from eduhub.config import Settings
from eduhub.delivery import keys
from eduhub.delivery.release import Release, id_of
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate, release_archive, release_install
from eduhub.ops.launching.files import facts
from eduhub.sync.releases import machine, publishing
from tests.ops.updating import wheel_of_today
from tests.sync.releasing import KEY

pytestmark = [pytest.mark.processes, pytest.mark.any_engine]

ROOT = Path(__file__).parents[2]
NEW = "90.1.0"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """`.ci/release.py`, where the package registry answers: it gets the wheels of others from there."""
    probe = [sys.executable, "-m", "pip", "index", "versions", "click", "--disable-pip-version-check", "--quiet", "--retries", "0"]
    try:
        answered = subprocess.run(probe, capture_output=True, timeout=60, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        answered = False
    if not answered:
        pytest.skip("the package registry is not reachable from this machine")
    spec = importlib.util.spec_from_file_location("release_build", ROOT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_program_starts_without_what_only_the_demo_and_its_makers_need() -> None:
    """A release has none of it."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    names = [re.split(r"[<>=\[]", wanted)[0].replace("-", "_") for wanted in chain(*extras.values())]
    assert "espeakng_loader" in names
    words = (
        f"import sys; sys.modules.update(dict.fromkeys({names!r})); "
        "import eduhub.app, eduhub.worker; from eduhub.ops import cli; cli.main(['--version'])"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert __version__ in done.stdout


@pytest.mark.long
def test_every_wheel_of_a_release_is_installed_from_its_archive_and_what_it_brings_runs(build: ModuleType, tmp_path: Path) -> None:
    target = machine.target()
    own = tmp_path / f"eduhub-{NEW}-py3-none-any.whl"
    own.write_bytes(wheel_of_today(NEW))
    wheels = build.others(target, tmp_path / "wheels")
    manifest, places = build.describe(NEW, __version__, own, {target: wheels}, "0" * 40)
    release_archive.write(tmp_path / "out.tar", manifest.to_bytes(), places)
    (tmp_path / "read").mkdir()
    written, files = release_archive.read(tmp_path / "out.tar", tmp_path / "read")
    assert len(Release.from_bytes(written).wheels(target)) == len(wheels) + 1

    hub = open_installation(Settings(role="hub", data_dir=tmp_path / "hub"))
    migrate.upgrade(hub.database)
    with hub.database.write() as session:
        keys.make_hub_keys(session, hub.keys)
        publishing.state_key(session, hub, hub.keys.root, KEY.public)
        publishing.publish(session, hub, written, files, KEY)
    box = Installation(
        Settings(role="node", data_dir=tmp_path / "media", releases_dir=str(tmp_path / "releases")), hub.database, hub.blobs, hub.keys, hub.steady
    )
    name = release_install.prepare(box, id_of(written))
    hub.database.close()

    place = tmp_path / "releases" / name
    said = facts(place)
    assert said is not None
    assert said["schema"] == migrate.head()
    python = [str(place / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check"]
    listed = json.loads(subprocess.run([*python, "list", "--format", "json"], capture_output=True, text=True, check=True).stdout)
    installed = {row["name"].lower().replace("_", "-").replace(".", "-"): row["version"] for row in listed}
    for wheel in manifest.wheels(target):
        assert installed[wheel.project] == wheel.version
    # Each finds what it needs among them, and nothing of this checkout's environment.
    checked = subprocess.run([*python, "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    environment = {"PATH": "/usr/bin:/bin", "EDUHUB_ROLE": "node", "EDUHUB_DATA_DIR": str(tmp_path / "village")}
    for words in (["release", "tables"], ["status"]):
        done = subprocess.run([str(place / "bin" / "eduhub"), *words], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
