"""A real release of today's program, for tests: its own wheel under another number, and one that lends it this environment's libraries."""

import functools
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from tests.sync.releasing import wheel_bytes

ROOT = Path(__file__).parents[2]


@functools.cache
def wheel_of_today(version: str, *, broken: str = "") -> bytes:
    """EduHub's wheel as today's checkout makes it, but for its number. `broken`: what is written below one of its files."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        for name in ("eduhub", "migrations"):
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source / name)
        package = source / "eduhub" / "__init__.py"
        package.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', package.read_text()))
        if broken:
            path, _, words = broken.partition("\n")
            with (source / path).open("a") as file:
                file.write(f"\n{words}\n")
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
             "--disable-pip-version-check", "--wheel-dir", folder, str(source)],
            check=True, timeout=300,
        )  # fmt: skip
        return next(Path(folder).glob("eduhub-*.whl")).read_bytes()


def wheels(version: str, *, broken: str = "") -> dict[str, bytes]:
    """The wheels of a release that can be installed and run here."""
    libraries = wheel_bytes("libraries", "1.0", {"libraries.pth": sysconfig.get_path("purelib").encode() + b"\n"})
    return {
        f"eduhub-{version}-py3-none-any.whl": wheel_of_today(version, broken=broken),
        "libraries-1.0-py3-none-any.whl": libraries,
    }
