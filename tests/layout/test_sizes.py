"""Nothing grows beyond what a person reads at one sitting."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE, LONGEST_FUNCTION = 500, 60
# Written by tools, or a list in the order of time.
NOT_READ = {"package-lock.json", "tsconfig.json", "LICENSE", "OFL.txt", "CHANGELOG.md"}
READ = {".py", ".ts", ".mjs", ".js", ".css", ".html", ".sh", ".toml", ".md"}


def files() -> list[Path]:
    """Every file that git knows or would know. The house is looked at where it is changed: in a checkout."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("git is not installed, or this is no checkout: what belongs to the project cannot be listed")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def is_migration(path: Path) -> bool:
    """A migration is a list of tables in the order in which they are made; a reader skims it."""
    return path.parent == ROOT / "migrations" / "versions"


def too_long(text: str) -> list[str]:
    """The functions of a Python file that are longer than they may be."""
    return [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]


def test_no_file_is_longer_than_500_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in files()
        if path.suffix in READ and path.name not in NOT_READ and not is_migration(path)
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }  # fmt: skip
    assert long == {}


def test_no_function_is_longer_than_60_lines() -> None:
    found = {
        str(path.relative_to(ROOT)): long
        for path in files()
        if path.suffix == ".py" and not is_migration(path) and (long := too_long(path.read_text("utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(("lines", "is_too_long"), [(60, False), (61, True)])
def test_the_rule_counts_every_line_of_a_function(lines: int, is_too_long: bool) -> None:
    text = "def f():\n" + "    x = 1\n" * (lines - 1)
    assert bool(too_long(text)) is is_too_long
