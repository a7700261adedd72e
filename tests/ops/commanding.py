"""The command `eduhub` in a process of its own, for the tests of this folder."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from eduhub import config
from eduhub.config import Settings
from tests.ports import free_port

ROOT = Path(__file__).parents[2]


def eduhub(settings: Settings, *arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; `typed` is what a person types into it."""
    return subprocess.run(
        [sys.executable, "-m", "eduhub", *arguments], cwd=ROOT, input=typed, capture_output=True, text=True,
        env=config.as_environment(settings) | environment, timeout=170, check=False,
    )  # fmt: skip


def on_a_free_port(settings: Settings) -> Settings:
    """The same settings on a port that nobody uses now."""
    return replace(settings, port=free_port())
