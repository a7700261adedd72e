"""Look at an uploaded file before anything is made of it: facts, or a reason that a teacher understands.

The bytes are read by `probe_child.py` in the jail. Its answer is treated as hostile too: a
decoder that was taken over could print anything.

This module must not know the database.
"""

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eduhub.config import Settings
from eduhub.errors import N_, EncodeFailed, EncodeInterrupted
from eduhub.media import allowed, jail, workroom
from eduhub.media.facts import Probe
from eduhub.media.judging import (
    BAD_AUDIO_CODEC,
    BAD_SIZE,
    BAD_VIDEO_CODEC,
    END_MISSING,
    NO_PICTURE,
    NO_STREAM,
    NOT_MEDIA,
    TOO_LONG,
    TOO_MANY_STREAMS,
    TOO_SHORT,
    judge,
    refused,
)
from eduhub.media.ladder import NO_SOUND, NOTHING_LEFT

NOT_A_FILE = N_("it is not an ordinary file")
EMPTY = N_("it is empty")
TOO_LARGE = N_("it is larger than a source may be")
TOO_MUCH_WORK = N_("reading it takes more time or memory than a lecture needs")
REASONS = (
    NOT_A_FILE, EMPTY, TOO_LARGE, NOT_MEDIA, TOO_MUCH_WORK, TOO_MANY_STREAMS, NO_STREAM, BAD_VIDEO_CODEC,
    BAD_AUDIO_CODEC, BAD_SIZE, NO_PICTURE, TOO_SHORT, TOO_LONG, END_MISSING, NO_SOUND, NOTHING_LEFT,
)

__all__ = [
    "BAD_AUDIO_CODEC", "BAD_SIZE", "BAD_VIDEO_CODEC", "EMPTY", "END_MISSING", "NOTHING_LEFT", "NOT_A_FILE", "NOT_MEDIA",
    "NO_PICTURE", "NO_SOUND", "NO_STREAM", "REASONS", "TOO_LARGE", "TOO_LONG", "TOO_MANY_STREAMS", "TOO_MUCH_WORK",
    "TOO_SHORT", "judge", "probe",
]

_PYTHON_FAILED = 1
_CHILD = Path(__file__).with_name("probe_child.py")


def probe(
    work: Path, settings: Settings, *, headers_only: bool = False, on_tick: Callable[[], None] = lambda: None
) -> Probe:
    """The facts of the file INPUT in `work` (see workroom); raises MediaRefused with one of REASONS.

    `headers_only`: read the beginning and what the headers say, and refuse only what is certain from that. The file may
    be a sparse copy; lengths and rates are what the headers declare, 0 where they say nothing.
    """
    size = _regular_size(work / workroom.INPUT, settings.upload_max_mb << 20)
    answer = _ask_child(work, settings, size, on_tick, headers_only)
    return judge(answer, size=size, longest_ms=settings.media_max_hours * 3_600_000, headers_only=headers_only)


def _regular_size(source: Path, most: int) -> int:
    # A pipe or a device never ends; it is not even opened.
    facts = source.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise refused(NOT_A_FILE)
    if facts.st_size == 0:
        raise refused(EMPTY)
    if facts.st_size > most:
        raise refused(TOO_LARGE, f"{facts.st_size} bytes")
    return facts.st_size


def _ask_child(
    work: Path, settings: Settings, size: int, on_tick: Callable[[], None], headers_only: bool
) -> Any:
    options = {
        "input": allowed.input_options(), "decoders": allowed.DECODERS, "max_pixels": allowed.MAX_PIXELS,
        "max_streams": allowed.MAX_STREAMS, "headers_only": headers_only,
    }
    seconds = 30 if headers_only else 30 + size // (4 << 20)
    limits = jail.Limits(
        cpu_s=seconds, wall_s=60 + 4 * seconds, memory_bytes=3 << 30, file_bytes=0, output_bytes=4 << 20, open_files=64
    )
    lines: list[str] = []
    command = jail.Command(
        (sys.executable, "-I", str(_CHILD), json.dumps(options)), work, limits,
        readable=(*python_folders(), _CHILD, (work / workroom.INPUT).resolve()),
        may_write=False,  # what it were to put in the place of INPUT, the encoder would be shown
    )
    finished = jail.run(jail.kind_of_jail(settings), command, on_line=lines.append, on_tick=on_tick)
    if finished.outcome == "ended" and finished.code == _PYTHON_FAILED:
        raise EncodeFailed(f"probing failed: {finished.errors[-1000:]}")
    if finished.was_interrupted:
        raise EncodeInterrupted(f"probing was ended by signal, code {finished.code}")
    if not finished.ok:
        # A limit was reached, or a parser fell over the file.
        raise refused(TOO_MUCH_WORK, f"{finished.outcome} {finished.code}: {finished.errors[-500:]}")
    try:
        return json.loads(lines[0])
    except (IndexError, ValueError, RecursionError) as error:
        raise refused(NOT_MEDIA, "the answer cannot be read") from error


def python_folders() -> tuple[Path, ...]:
    """Where Python and its packages are, for a child of ours in the jail."""
    found = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), Path(sys.executable).parent.parent}
    return tuple(sorted(path for path in found if path not in {Path("/usr"), Path("/")}))
