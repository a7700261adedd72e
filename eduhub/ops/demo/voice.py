"""Speak a text to a WAV file, in a child process (`espeak`): what installs EduHub without the demo's library must not need it."""

import subprocess
import sys
import wave
from pathlib import Path

from eduhub.errors import ToolMissing

VOICES = {"zh": "cmn", "en": "en"}
_TIMEOUT_S = 60


def speak(text: str, language: str, target: Path) -> float:
    """Speak `text` (zh or en) into `target`, in a child process; returns its length in seconds. Raises ToolMissing."""
    if language not in VOICES:
        raise ToolMissing(f"no voice speaks {language}", tool="espeak-ng")
    done = subprocess.run(
        [sys.executable, "-m", "eduhub.ops.demo.espeak", VOICES[language], str(target)],
        input=text.encode(), capture_output=True, timeout=_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise ToolMissing(done.stderr.decode(errors="replace")[-500:], tool="espeak-ng")
    with wave.open(str(target), "rb") as sound:
        return sound.getnframes() / sound.getframerate()
