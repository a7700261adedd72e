"""Two network namespaces joined by a cable, as two boxes on one school's network; needs root, and is left out where it may not be."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def cable() -> Iterator[tuple[str, str]]:
    """The names of two namespaces, at 10.99.0.1 and 10.99.0.2. Skips the test where they cannot be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the command ip")
    one, two = f"ehm{os.getpid()}a", f"ehm{os.getpid()}b"
    made = []
    try:
        try:
            for name in (one, two):
                _ip("netns", "add", name)
                made.append(name)
            _ip("link", "add", one, "netns", one, "type", "veth", "peer", "name", two, "netns", two)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine allows no network namespaces: {error.stderr.strip()[:200]}")
        for number, name in ((1, one), (2, two)):
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "addr", "add", f"10.99.0.{number}/24", "dev", name)
            _ip("-n", name, "link", "set", name, "up")
        yield one, two
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
