"""What a box gives to other boxes, beside the children whom it is for: a few answers at once, and no faster than a ceiling.

Other boxes are known by the audience of their pass. The places are locked files, so that all processes of a box count
together and a process that dies gives its places back. This module must not know HTTP.
"""

import fcntl
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eduhub.delivery import pacing

LINE_FILE = "lending-line"


@dataclass(frozen=True)
class Lending:
    """`kbit_s`: all of them together; 0: as fast as the network is."""

    run_dir: Path
    kbit_s: int
    most: int

    def begin(self) -> Callable[[], None] | None:
        """Take a place; returns what gives it back, to be called once. None: all are taken."""
        for number in range(self.most):
            descriptor = os.open(self.run_dir / f"lending-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            return lambda held=descriptor: os.close(held)  # type: ignore[misc]
        return None

    def line(self) -> pacing.Line | None:
        """The line that all answers share; None: there is no ceiling."""
        return pacing.Line(self.run_dir / LINE_FILE, "lending", self.kbit_s) if self.kbit_s else None


class LentFile(io.BufferedReader):
    """A file that gives its place back when it is closed."""

    def __init__(self, raw: io.RawIOBase, give_back: Callable[[], None]) -> None:
        super().__init__(raw)
        self._give_back: Callable[[], None] | None = give_back

    def close(self) -> None:
        """Safe to repeat."""
        super().close()
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()
