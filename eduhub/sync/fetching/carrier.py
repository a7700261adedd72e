"""Node: the contract between who wants bytes and who brings them: connections (`transfer`), or a courier's folder.

This module must not know either of them.
"""

from typing import Protocol

from eduhub.sync.fetching.connection import Range


class Receiver(Protocol):
    """Who wants bytes."""

    def turn(self) -> None:
        """Called several times a second, whatever comes; what it raises ends the carrying."""

    def more(self) -> Range | None:
        """The next range to ask for; None: no other now."""

    def take(self, asked: Range, at: int, payload: bytes) -> None:
        """Bytes of a range; each comes once, in their order within the range."""

    def refuse(self, asked: Range, status: int, body: bytes) -> None:
        """A range that the upstream does not give: not at all (4xx), or not after several tries."""

    def whole(self, asked: Range) -> None:
        """A range that has come to its end."""


class Carrier(Protocol):
    """What brings ranges."""

    def run(self, receiver: Receiver) -> None:
        """Bring all that the receiver wants. Raises LinkDown, and what the receiver raises."""
