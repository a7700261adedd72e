"""The front-end chain: types, and what the built file may need and weigh. Its unit tests are a part of `make test` of their own."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def npm(*argv: str) -> subprocess.CompletedProcess[str]:
    command = ["npm", "run", "--silent", *argv]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_every_script_fits_its_types() -> None:
    done = npm("check-types")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_childs_pages_load_fits_old_chrome_and_the_player_its_weight(built_player: None) -> None:
    done = npm("check-built")  # not built anew here: other tests serve the very files
    assert done.returncode == 0, done.stdout + done.stderr
    judged = {line.partition(":")[0] for line in done.stdout.splitlines()}
    assert {"player.js", "kept-here.js", "keeper.js", "sw.js"} <= judged


@pytest.mark.parametrize(
    ("code", "complaint"),
    [("a?.b", "syntax"), ("x.replaceChildren()", "replaceChildren"), ("crypto.randomUUID()", "randomUUID"),
     ("Promise.allSettled(all)", "allSettled"), ("new CompressionStream('gzip')", "CompressionStream"),
     ("structuredClone(a)", "structuredClone"), ("new ManagedMediaSource()", "ManagedMediaSource")],
)  # fmt: skip
def test_what_old_chrome_does_not_know_is_found(tmp_path: Path, code: str, complaint: str) -> None:
    file = tmp_path / "newer.js"
    file.write_text(code)
    check = ROOT / "eduhub" / "web" / "player" / "check-built.mjs"
    done = subprocess.run(["node", str(check), str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert complaint in done.stderr
