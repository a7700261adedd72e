"""Node: what it means that one range is refused: for that part, for this box, or that nobody we know answers.

This module must not know what was asked for.
"""

from eduhub.errors import EduHubError, LinkDown, NodeRefused
from eduhub.sync.link import code_in, refusal

# One part that a proxy does not like is one part; a portal that wants a room number says no to everything.
MAX_STRANGERS = 5


class Refusals:
    """Judges the refusals of one run."""

    def __init__(self) -> None:
        self._strangers = 0  # in a row

    def judge(self, status: int, body: bytes) -> EduHubError:
        """Why this one thing is given up for now. Raises NodeRefused; LinkDown when it is not the hub that refuses."""
        error = refusal(status, body)
        if isinstance(error, NodeRefused):
            raise error
        self._strangers = self._strangers + 1 if code_in(body) is None else 0
        if self._strangers >= MAX_STRANGERS:
            raise LinkDown(f"somebody else answers: status {status}")
        return error

    def came(self) -> None:
        """Bytes of a part: it is the hub that answers."""
        self._strangers = 0
