"""Build a release: the program as boxes fetch it, in one file. See docs/updates.md.

    python .ci/release.py OUT.tar --needs-at-least 0.3.0 [--target cp311-linux_x86_64]... [--wheels FOLDER]

Run it in a clean checkout after `make build`. The wheels of others are those of requirements.lock, with its hashes, for each
target; they are downloaded into FOLDER, which may hold them already. Two builds of one commit are the same bytes.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from eduhub import __version__
from eduhub.delivery.package import PIECE_BYTES, piece_list
from eduhub.delivery.release import Release, Wheel
from eduhub.ops import migrate, release_archive
from eduhub.ops.backup_files import sha256_of
from eduhub.signing import sha256_hex

ROOT = Path(__file__).resolve().parent.parent
USUAL = ("cp311-linux_x86_64", "cp311-linux_aarch64")
# Newest first: what a wheel may ask of the system's C library. Debian 12 has 2.36.
GLIBC = ("2_36", "2_35", "2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_17", "2_12", "2_5")


def own_wheel(source: Path, folder: Path) -> Path:
    """EduHub's own wheel, from a checkout that was built."""
    made_at = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=source, capture_output=True, text=True, check=False).stdout.strip()
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--wheel-dir", str(folder), str(source)],
        check=True, env=os.environ | {"SOURCE_DATE_EPOCH": made_at or "315532800"},
    )  # fmt: skip
    return next(folder.glob("eduhub-*.whl"))


def others(target: str, folder: Path) -> list[Path]:
    """The wheels of requirements.lock for one target."""
    python, _, system = target.partition("-")
    processor = system.removeprefix("linux_")
    into = folder / target
    into.mkdir(parents=True, exist_ok=True)
    version = f"{python[2]}.{python[3:]}"
    platforms = [f"manylinux_{glibc}_{processor}" for glibc in GLIBC] + [f"manylinux2014_{processor}"]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
         "--disable-pip-version-check", "--dest", str(into), "--python-version", version, "--implementation", "cp",
         "--abi", python, "--abi", "abi3", "--abi", "none", *[part for name in platforms for part in ("--platform", name)],
         "-r", str(ROOT / "requirements.lock")],
        check=True,
    )  # fmt: skip
    return sorted(into.glob("*.whl"))


def describe(version: str, needs_at_least: str, own: Path, by_target: dict[str, list[Path]], made_from: str) -> tuple[Release, dict[str, Path]]:
    """The manifest of a release, and where each wheel lies."""
    places, targets = {own.name: own}, {own.name: set(by_target)}
    for target, paths in by_target.items():
        for path in paths:
            places[path.name] = path
            targets.setdefault(path.name, set()).add(target)
    files = [
        Wheel(
            name=name, sha256=sha256_of(path), bytes=path.stat().st_size,
            pieces=sha256_hex(piece_list(path)) if path.stat().st_size > PIECE_BYTES else None,
            targets=() if targets[name] == set(by_target) else tuple(sorted(targets[name])),
        )
        for name, path in sorted(places.items())
    ]  # fmt: skip
    manifest = Release(
        version=version, made_from=made_from, needs_at_least=needs_at_least, targets=tuple(sorted(by_target)),
        goes_back_to=tuple(migrate.goes_back_to()), files=tuple(files),
    )  # fmt: skip
    return manifest, places


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--needs-at-least", required=True)
    parser.add_argument("--target", action="append")
    parser.add_argument("--wheels", type=Path)
    asked = parser.parse_args()
    if not list((ROOT / "eduhub" / "web" / "static" / "built").glob("*")):
        sys.exit("the pages are not built: run 'make build'")
    state = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    if re.search(r"^.. (?!\.venv|node_modules)", state, re.MULTILINE):
        sys.exit("the checkout is not clean: nobody could build this again")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        kept = asked.wheels or Path(folder)
        own = own_wheel(ROOT, Path(folder) / "own")
        by_target = {target: others(target, kept) for target in asked.target or USUAL}
        manifest, places = describe(__version__, asked.needs_at_least, own, by_target, commit)
        release_archive.write(asked.out, manifest.to_bytes(), places)
    total = sum(wheel.bytes for wheel in manifest.files)
    print(f"{asked.out}: {__version__}, {len(manifest.files)} wheels, {total / 1e6:.1f} MB, EduHub's own {own_bytes(manifest) / 1e6:.2f} MB")


def own_bytes(manifest: Release) -> int:
    """The size of EduHub's own wheel: what an update brings as a rule."""
    return next(wheel.bytes for wheel in manifest.files if wheel.project == "eduhub")


if __name__ == "__main__":
    main()
