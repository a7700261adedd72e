"""Work folders: one for each run, with the source in it under a name of ours, and gone afterwards.

Names that people chose never reach a program: `-i` and `concat:` are names of files too.

This module must not know the database.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INPUT = "input"


@contextmanager
def staged(source: Path, parent: Path) -> Iterator[Path]:
    """A fresh folder below `parent` in which `source` is called INPUT. Raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="media-", dir=parent)).resolve()
    try:
        (work / INPUT).symlink_to(source.resolve(strict=True))
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
