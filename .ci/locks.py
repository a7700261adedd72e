"""Make the lock files, or check that they are in step with pyproject.toml.

    python .ci/locks.py make UV      resolve anew with the uv program UV (needs the network)
    python .ci/locks.py check        compare (a few milliseconds, no network)

Each lock begins with the SHA-256 of what it was made for: the lists in pyproject.toml that
it covers. A lock names packages and the hashes of their files, never a place to get them
from: every installer uses the registry that it is set up with.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Lock file -> what it covers. "": the program's own dependencies; a name: that extra;
# "build": what pyproject.toml needs to be installed from the checkout.
LOCKS = {
    "requirements.lock": ("",),
    "requirements-run.lock": ("", "demo", "build"),
    "requirements-node.lock": ("node",),
    "requirements-dev.lock": ("", "demo", "build", "dev"),
}


def wanted(parts: tuple[str, ...]) -> list[str]:
    """The requirements that a lock must cover."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[str] = []
    for part in parts:
        if part == "":
            found += project["project"]["dependencies"]
        elif part == "build":
            found += project["build-system"]["requires"]
        else:
            found += project["project"]["optional-dependencies"][part]
    return sorted(found)


def stamp(requirements: list[str]) -> str:
    """The first line of a lock made for `requirements`."""
    digest = hashlib.sha256(json.dumps(requirements).encode()).hexdigest()
    return f"# Made by 'make lock' for {digest}. Do not edit."


def make(uv: str) -> None:
    """Resolve every lock. The first one constrains the others, so that they agree."""
    first: str | None = None
    for name, parts in LOCKS.items():
        requirements = wanted(parts)
        with tempfile.TemporaryDirectory() as folder:
            asked = Path(folder, "asked.in")
            asked.write_text("\n".join(requirements) + "\n", encoding="utf-8")
            constraint = ["--constraint", first] if first and "" in parts else []
            command = [
                uv, "pip", "compile", str(asked), *constraint, "--no-config", "--universal", "--generate-hashes",
                "--python-version", "3.11", "--fork-strategy", "fewest", "--only-binary", ":all:", "--upgrade",
                "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header", "--quiet",
            ]  # fmt: skip
            text = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
        if re.search(r"://|^-", text, re.MULTILINE):
            sys.exit(f"{name}: the resolver wrote a place into the lock; it was not kept")
        (ROOT / name).write_text(stamp(requirements) + "\n" + text, encoding="utf-8")
        print(f"{name}: {len(re.findall(r'^[a-z]', text, re.MULTILINE))} packages")
        first = first or name


def check() -> list[str]:
    """The locks that were made for something else than pyproject.toml says now."""
    wrong = []
    for name, parts in LOCKS.items():
        try:
            line = (ROOT / name).read_text(encoding="utf-8").split("\n", 1)[0]
        except FileNotFoundError:
            line = "(there is no such file)"
        if line != stamp(wanted(parts)):
            wrong.append(f"{name} is not in step with pyproject.toml: run 'make lock'")
    return wrong


def main() -> None:
    """The command line."""
    if sys.argv[1:2] == ["make"] and len(sys.argv) == 3:
        make(sys.argv[2])
    elif sys.argv[1:] == ["check"]:
        wrong = check()
        sys.exit("\n".join(wrong) if wrong else 0)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
