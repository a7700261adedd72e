"""Shows one hostile file to probing, and what passes to the encoder, and says what that cost.

What a file may not do: bring down the caller, run past its limit, leave a file, read one that is not its own.
A file that it is tempted to read (the *bait*) lies beside it; its time of access tells.
"""

import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from eduhub import clock
from eduhub.config import Settings
from eduhub.errors import DiskFull, EncodeFailed, MediaRefused
from eduhub.media import encode, probe, workroom

# Probing a file of a few MB and encoding two seconds of it; the limits in force are far above, these are for lectures.
PROBE_LIMIT_S, ENCODE_LIMIT_S = 100.0, 300.0


@dataclass(frozen=True)
class Trial:
    """How one file fared. `outcome` is accepted, encoded, refused, encode_failed, or what went wrong."""

    name: str
    outcome: str
    seconds: float


class Range:
    """A folder in which files are tried, with a bait in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bait = folder / "bait.ts"
        self.bait.write_bytes(b"what another school keeps\n" * 400)
        os.utime(self.bait, (1, 2))  # read before it was written: the next read moves the time of access
        self._data = folder / "data"

    @property
    def bait_was_read(self) -> bool:
        """Whether anything opened the bait and read from it."""
        return self.bait.stat().st_atime != 1

    def sees_reads(self) -> bool:
        """Whether this file system tells; the control for `bait_was_read`."""
        control = self.folder / "control"
        control.write_bytes(b"x")
        os.utime(control, (1, 2))
        control.read_bytes()
        return control.stat().st_atime != 1

    def settings(self, jail: str) -> Settings:
        return Settings(data_dir=self._data, jail=jail, encode_threads=1)  # type: ignore[arg-type]

    def try_file(self, name: str, payload: bytes, *, jail: str, encoding: bool) -> Trial:
        """Probe it, and encode it when it was accepted and `encoding`."""
        source = self.folder / "sources" / name.replace("/", "_")[:120]
        source.parent.mkdir(exist_ok=True)
        source.write_bytes(payload.replace(b"/etc/hostname", os.fsencode(self.bait)))
        started_s = clock.monotonic_s()
        outcome = self._outcome(source, self.settings(jail), encoding)
        took_s = clock.monotonic_s() - started_s
        if took_s > PROBE_LIMIT_S + (ENCODE_LIMIT_S if encoding else 0):
            outcome = f"hung for {took_s:.0f} s"
        source.unlink()
        return Trial(name, outcome, took_s)

    def _outcome(self, source: Path, settings: Settings, encoding: bool) -> str:
        try:
            with workroom.staged(source, self._data / "work") as work:
                probe.probe(work, settings)
        except MediaRefused as refused:
            return "refused" if refused.facts["reason"] in probe.REASONS else f"refused without a reason: {refused}"
        except Exception as error:  # noqa: BLE001 - every other error is what this looks for
            return f"probing raised {error!r}"
        if not encoding:
            return "accepted"
        outdir = self._data / f"out-{source.name}"
        try:
            encode.encode_file(source, outdir, settings)
        except (MediaRefused, EncodeFailed, DiskFull) as error:
            return "encode_failed" if type(error) is not DiskFull else "wrote more than it may"
        except Exception as error:  # noqa: BLE001 - every other error is what this looks for
            return f"encoding raised {error!r}"
        finally:
            shutil.rmtree(outdir, ignore_errors=True)
        return "encoded"

    def strays(self) -> list[str]:
        """What the trials left behind."""
        known = {self.bait, self.folder / "control", self.folder / "sources", self._data, self._data / "work"}
        return sorted(str(path) for path in self.folder.rglob("*") if path not in known)


def largest_child_mb() -> float:
    """The most memory that any child process of this one had, in MB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
