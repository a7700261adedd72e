"""Node: the manifests of packages as ranges to ask for.

A receiver (`carrier.Receiver`) of whole small files of which no size is known. This module must not know what they say.
"""

from collections.abc import Callable

from eduhub import logs
from eduhub.delivery.package import MAX_MANIFEST_BYTES
from eduhub.sync.fetching.connection import Range
from eduhub.sync.fetching.refusals import Refusals

log = logs.logger(__name__)

LIKELY_BYTES = 6 << 10  # of a manifest


class Manifests:
    """Receives them, and hands each on, by the package's id, as soon as it is here: a cut costs only what was under way.

    `on_bytes` is told of which package how many came; with 0, of none, that we are at it still: it may raise.
    """

    def __init__(self, passes: dict[str, str], on_whole: Callable[[str, bytes], None], on_bytes: Callable[[str, int], None]) -> None:
        self._waiting = [Range(f"/p/{name}/{name}", token, 0, MAX_MANIFEST_BYTES, guess=LIKELY_BYTES) for name, token in passes.items()]
        self._coming: dict[str, bytearray] = {}
        self._on_whole, self._on_bytes = on_whole, on_bytes
        self._refusals = Refusals()

    def turn(self) -> None:
        """Ask whether to go on."""
        self._on_bytes("", 0)

    def more(self) -> Range | None:
        """The next to ask for."""
        return self._waiting.pop(0) if self._waiting else None

    def take(self, asked: Range, at: int, payload: bytes) -> None:
        """Bytes of one."""
        self._on_bytes(asked.path[-64:], len(payload))
        self._refusals.came()
        self._coming.setdefault(asked.path, bytearray())[at:] = payload

    def refuse(self, asked: Range, status: int, body: bytes) -> None:
        """One that cannot be had; the next round asks again. Raises NodeRefused, LinkDown."""
        error = self._refusals.judge(status, body)
        self._coming.pop(asked.path, None)
        log.warning("a manifest could not be had", package=asked.path[-64:], error_code=error.code)

    def whole(self, asked: Range) -> None:
        """One that is here."""
        self._on_whole(asked.path[-64:], bytes(self._coming.pop(asked.path, b"")))
