"""The static gate: runs every check, shows what each took, and fails when one fails."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: list[tuple[str, list[str]]] = [
    ("locks are in step", [sys.executable, ".ci/locks.py", "check"]),
    ("ruff: style and bans", [str(BIN / "ruff"), "check", "--quiet", "."]),
    ("import-linter: layers", [str(BIN / "lint-imports"), "--no-logo"]),
    ("deptry: dependencies", [str(BIN / "deptry"), "."]),
    ("mypy: types", [str(BIN / "mypy")]),
]
if (ROOT / "package.json").exists():
    CHECKS.append(("front end", [shutil.which("npm") or "npm", "run", "--silent", "check"]))


def main() -> None:
    """Run them one after the other; two of them use both cores by themselves."""
    failed = []
    for name, command in CHECKS:
        started = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        verdict = "ok    " if done.returncode == 0 else "FAILED"
        print(f"{verdict} {name}  ({time.monotonic() - started:.1f} s)", flush=True)
        if done.returncode != 0:
            failed.append(name)
            print(done.stdout + done.stderr, flush=True)
    sys.exit(f"make check: {len(failed)} of {len(CHECKS)} failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
