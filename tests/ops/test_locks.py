"""The lock files: in step with pyproject.toml, hashed, and bound to no registry."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))


def check_in(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the check of the locks in a checkout."""
    command = [sys.executable, ".ci/locks.py", "check"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_locks_are_in_step_with_the_project() -> None:
    done = check_in(ROOT)
    assert done.returncode == 0, done.stderr


def test_a_changed_requirement_is_noticed(tmp_path: Path) -> None:
    for name in ("pyproject.toml", *(lock.name for lock in LOCKS)):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "locks.py").write_bytes((ROOT / ".ci" / "locks.py").read_bytes())
    project = tmp_path / "pyproject.toml"
    project.write_text(project.read_text().replace('"click>=', '"click>=99'), encoding="utf-8")
    done = check_in(tmp_path)
    assert done.returncode != 0
    assert "requirements.lock is not in step" in done.stderr


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_is_pinned_with_hashes_and_no_place(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", text.split("\n", 1)[1])
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9][a-z0-9._-]*==\S+ ", entry), entry[:60]
        assert "--hash=sha256:" in entry
    assert "://" not in text
    assert "/" not in re.sub(r"# Made by.*", "", text)


def test_there_are_four_locks() -> None:
    assert [lock.name for lock in LOCKS] == [
        "requirements-dev.lock", "requirements-node.lock", "requirements-run.lock", "requirements.lock",
    ]  # fmt: skip
