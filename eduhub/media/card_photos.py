"""A photo of a card becomes the code that is on it. The photo is held in memory and kept nowhere.

What a stranger sends is bounded before it is decoded: kinds of files, bytes, pixels, and how many at a time. It is
decoded by a program of its own in the jail (`card_photo_child.py`), so that a file made to break a decoder breaks that
one and not the process that serves everybody's pages.
"""

import json
import sys
from pathlib import Path
from threading import Semaphore

from eduhub import logs
from eduhub.accounts import cards
from eduhub.config import Settings
from eduhub.errors import CardNotInPhoto, PhotosBusy, TooMuch
from eduhub.media import jail, probe

MOST_BYTES = 12 << 20
# A baseline JPEG is decoded at an eighth, a quarter or a half of its size at once; everything else whole.
_OPTIONS = {"most_pixels_jpeg": 64_000_000, "most_pixels": 16_000_000, "side": 1600}
# A little behind the pages: somebody waits in front of it, but whoever reads a page meanwhile goes first.
_LIMITS = jail.Limits(cpu_s=10, wall_s=20, memory_bytes=768 << 20, file_bytes=0, output_bytes=64 << 10, open_files=64, nice=5)
_CHILD = Path(__file__).with_name("card_photo_child.py")
_PYTHON_FAILED = 1
_at_once = Semaphore(2)  # a box has little memory, and thirty children may hold up their cards in one minute
_LONGEST_WAIT_S = 10.0  # whoever waits holds a thread of the pages

log = logs.logger(__name__)


def read(photo: bytes, settings: Settings) -> str:
    """The code of the one card in the photo. Raises TooMuch, CardNotInPhoto, PhotosBusy, ToolMissing."""
    if len(photo) > MOST_BYTES:
        raise TooMuch(f"a photo of more than {MOST_BYTES} bytes")
    if not _at_once.acquire(timeout=_LONGEST_WAIT_S):
        raise PhotosBusy(f"no place within {_LONGEST_WAIT_S} s")
    try:
        found = {code for text in _squares(photo, settings) if (code := _code_in(text)) is not None}
    finally:
        _at_once.release()
    if len(found) != 1:
        raise CardNotInPhoto(f"{len(found)} cards")
    return found.pop()


def _code_in(text: str) -> str | None:
    """A card's square says http://the.box/card#CODE."""
    return cards.read(text.rpartition("#")[2])


def _squares(photo: bytes, settings: Settings) -> list[str]:
    """What the squares in the photo say."""
    lines: list[str] = []
    command = jail.Command(
        (sys.executable, "-I", str(_CHILD), json.dumps(_OPTIONS)), None, _LIMITS,
        readable=(*probe.python_folders(), _CHILD), stdin=photo,
    )  # fmt: skip
    finished = jail.run(jail.kind_of_jail(settings), command, on_line=lines.append)
    if finished.outcome == "ended" and finished.code == _PYTHON_FAILED:
        # A decoder that fell over the photo, or a program of ours that is wrong.
        log.error("a photo of a card could not be looked at", errors=finished.errors[-1000:])
    if not finished.ok:
        raise CardNotInPhoto(f"{finished.outcome} {finished.code}")
    return _judged(lines)


def _judged(lines: list[str]) -> list[str]:
    """The child's answer, which is a stranger's word too."""
    try:
        said = json.loads(lines[0])
        if said.get("refused") == "too_many_pixels":
            raise TooMuch("a photo of too many pixels")
        return [str(text) for text in said["squares"]]
    except (IndexError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CardNotInPhoto("no picture") from error
