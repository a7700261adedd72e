"""Node: manifests that came as they are named and were refused, in work/<id>.refused: who looks again costs the link nothing.

The bytes are kept, not the verdict: a newer program may read what this one cannot, and a key may be trusted tomorrow.
This module must not know what a manifest says, nor why it was refused.
"""

import contextlib
from pathlib import Path

from eduhub.signing import sha256_hex

ENDING = ".refused"


def keep(folder: Path, name: str, received: bytes) -> None:
    """Keep it; where the disk has no room it is asked for again."""
    new = folder / f"{name}{ENDING}.new"
    with contextlib.suppress(OSError):
        new.write_bytes(received)
        new.replace(folder / f"{name}{ENDING}")
        return
    new.unlink(missing_ok=True)


def kept(folder: Path, name: str) -> bytes | None:
    """The manifest of that name, as it came; None: it was not refused, or a power cut tore what was kept."""
    try:
        received = (folder / f"{name}{ENDING}").read_bytes()
    except FileNotFoundError:
        return None
    return received if sha256_hex(received) == name else None


def forget(folder: Path, name: str) -> None:
    """It was taken in after all."""
    (folder / f"{name}{ENDING}").unlink(missing_ok=True)
