"""What is in the repository speaks of the project alone."""

import re
import subprocess
from pathlib import Path

from tests.layout.test_sizes import ROOT, files

# Written in pieces, so that this file does not find itself.
MACHINE_PATHS = ("/work" + "/main", "/work" + "/shared", "/root" + "/", "/home" + "/")
REGISTRIES = (
    "pypi" + ".org", "files.python" + "hosted.org", "registry.npm" + "js.org", "deb.debian" + ".org",
    "archive.ubuntu" + ".com", "pypi.tuna" + ".", "mirrors." + "aliyun",
)  # fmt: skip
BINARY = {".ttf", ".woff2", ".png", ".webp", ".mp4", ".webm", ".wav", ".ico", ".mo", ".gz", ".avif", ".jpg"}
NAMES_NO_PLACE = {"helpers", "utils", "common", "misc", "services", "core"}


def texts() -> list[tuple[str, str]]:
    """(name, text) of every tracked text file."""
    return [
        (str(path.relative_to(ROOT)), path.read_text(encoding="utf-8", errors="replace"))
        for path in files()
        if path.suffix not in BINARY
    ]


def test_no_file_names_a_place_of_some_machine() -> None:
    assert [(name, place) for name, text in texts() for place in MACHINE_PATHS if place in text] == []


def test_no_file_names_a_registry() -> None:
    assert [(name, place) for name, text in texts() for place in REGISTRIES if place in text] == []


def test_no_file_or_folder_is_called_after_nothing() -> None:
    parts = {(str(path.relative_to(ROOT)), Path(part).stem) for path in files() for part in path.relative_to(ROOT).parts}
    assert [name for name, stem in parts if stem in NAMES_NO_PLACE and name.startswith("eduhub/")] == []


def test_nothing_is_left_to_do_in_the_code() -> None:
    mark = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    code = [(name, text) for name, text in texts() if name.endswith((".py", ".ts", ".mjs", ".html"))]
    assert [name for name, text in code if mark.search(text)] == []


def test_no_link_is_tracked() -> None:
    # A link in the place of a folder that git ignores would take that folder away in every checkout.
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert files()
    assert [line for line in listed.splitlines() if line.startswith("120000")] == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        name
        for name, text in texts()
        if name.startswith("eduhub/") and name.endswith(".py") and text.strip() and not text.lstrip().startswith('"""')
    ]
    assert silent == []
