"""Which ffmpeg is used here, and why.

The system's own is taken when it is good enough: version 7.1 or later (older ones follow a
playlist that is disguised as a lecture unless told otherwise, and their security fixes
come late) with the four encoders the ladder needs. Otherwise the one inside the
imageio-ffmpeg wheel is taken, so that a machine without ffmpeg works at once. A path in
the setting `ffmpeg` is obeyed, whatever its version, as long as it has the encoders.

This module must not know lessons or the database.
"""

import contextlib
import functools
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from eduhub.config import Settings
from eduhub.errors import ToolMissing
from eduhub.media import jail

ENCODERS = ("libx264", "aac", "libopus", "libwebp")
OLDEST_VERSION = (7, 1)

_LIMITS = jail.Limits(cpu_s=20, wall_s=60, memory_bytes=2 << 30, file_bytes=1 << 20, output_bytes=1 << 20)


@dataclass(frozen=True)
class Ffmpeg:
    """One ffmpeg program. `version` is empty when it does not say one (a development build)."""

    path: Path
    version: tuple[int, ...]
    encoders: frozenset[str]
    origin: str  # setting, system or wheel
    filters: frozenset[str] = frozenset()

    @property
    def missing(self) -> list[str]:
        """The encoders it lacks."""
        return [name for name in ENCODERS if name not in self.encoders]


def find(settings: Settings) -> Ffmpeg:
    """The ffmpeg to use; raises ToolMissing when there is none with our encoders."""
    return _find(settings.ffmpeg)


@functools.cache
def _find(wanted: str) -> Ffmpeg:
    if wanted:
        return _whole(ask(Path(wanted), "setting"))
    system = shutil.which("ffmpeg", path="/usr/local/bin:/usr/bin:/bin")
    if system:
        with contextlib.suppress(ToolMissing):  # one that does not run is as good as none
            found = ask(Path(system), "system")
            if not found.missing and found.version >= OLDEST_VERSION:
                return found
    return _whole(ask(Path(imageio_ffmpeg.get_ffmpeg_exe()), "wheel"))


def _whole(found: Ffmpeg) -> Ffmpeg:
    if found.missing:
        raise ToolMissing(f"{found.path} lacks {', '.join(found.missing)}", tool="ffmpeg")
    return found


def ask(path: Path, origin: str) -> Ffmpeg:
    """What the program at `path` says of itself; raises ToolMissing when it does not run."""
    version = re.search(r"ffmpeg version n?(\d+(?:\.\d+)*)", _said(path, "-version"))
    listed = re.findall(r"^ [VAS][A-Z.]{5} (\S+)", _said(path, "-encoders"), re.MULTILINE)
    numbers = tuple(int(number) for number in version[1].split(".")) if version else ()
    # Flags, a name, then what goes in and comes out: `V->V`.
    filters = re.findall(r"^ [T.][S.][A-Z. ]*\s(\S+)\s+\S*->", _said(path, "-filters"), re.MULTILINE)
    return Ffmpeg(path, numbers, frozenset(listed), origin, frozenset(filters))


def names(path: Path, what: str) -> frozenset[str]:
    """The names a program lists for `what` (`demuxers` or `decoders`)."""
    rows = re.findall(r"^ [A-Z. ]+ (\S+) ", _said(path, f"-{what}"), re.MULTILINE)
    return frozenset(name for row in rows for name in row.split(","))


def _said(path: Path, question: str) -> str:
    if not path.is_absolute() or not path.is_file():
        raise ToolMissing(f"no program at {path}", tool="ffmpeg")
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="eduhub-") as work:
        command = jail.Command((str(path), "-nostdin", "-hide_banner", question), Path(work), _LIMITS)
        # Not yet sandboxed: nothing of a stranger's is read here.
        finished = jail.run("rlimits", command, on_line=lines.append)
    if not finished.ok:
        raise ToolMissing(f"{path} {question} failed: {finished.errors[-200:]}", tool="ffmpeg")
    return "\n".join(lines)
