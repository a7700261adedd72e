"""The front-end chain: types, unit tests, and what the built file may need and weigh."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def npm(*argv: str) -> subprocess.CompletedProcess[str]:
    command = ["npm", "run", "--silent", *argv]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_the_schedule_and_the_outbox_do_what_they_say() -> None:
    done = npm("test")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_built_player_fits_old_chrome_and_its_weight() -> None:
    done = npm("check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "complaint"),
    [("a?.b", "syntax"), ("x.replaceChildren()", "replaceChildren"), ("crypto.randomUUID()", "randomUUID"),
     ("structuredClone(a)", "structuredClone"), ("new ManagedMediaSource()", "ManagedMediaSource")],
)  # fmt: skip
def test_what_old_chrome_does_not_know_is_found(tmp_path: Path, code: str, complaint: str) -> None:
    file = tmp_path / "newer.js"
    file.write_text(code)
    check = ROOT / "eduhub" / "web" / "player" / "check-built.mjs"
    done = subprocess.run(["node", str(check), str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert complaint in done.stderr
