"""Node: what one round of sync did, for those who plan the next one, and in words for the command line.

This module must not know how a round goes (`rounds`).
"""

from dataclasses import dataclass, field

from eduhub.sync.fetching.fetch import Fetched


@dataclass
class RoundReport:
    """What one round did."""

    ran: bool = True  # False: another round is under way
    polled: bool = False  # one poll, and nothing had moved
    new_epoch: bool = False
    pages_given_back: int = 0
    outbox_rows: int = 0
    stream_entries: int = 0
    catalog_entries: int = 0
    waits_for: str = ""  # why lessons wait: see budgets.Verdict
    fetched: Fetched = field(default_factory=Fetched)

    @property
    def has_all(self) -> bool:
        """Whether everything that this box wants was here already when the fetching began."""
        return self.ran and self.fetched.missing == 0 and not self.fetched.disk_full

    @property
    def was_held_back(self) -> bool:
        """Whether something is left that may not be fetched now, or cannot be had."""
        return bool(self.waits_for) or self.fetched.disk_full or bool(self.fetched.refused) or self.fetched.parts == 0

    @property
    def in_window(self) -> bool:
        """Whether these are hours for lessons."""
        return self.waits_for not in {"window", "class_hours"}

    def without_hub(self) -> str:
        """For the command line, where the hub was lost: what came all the same."""
        if not (self.fetched.parts or self.catalog_entries):
            return "The hub is out of reach, and no other box gave anything."
        return (
            f"The hub is out of reach. What came before, or from other boxes: catalog entries {self.catalog_entries}, "
            f"parts {self.fetched.parts} ({self.fetched.bytes / 1e6:.1f} MB)"
        )

    def __str__(self) -> str:
        """For the command line."""
        if not self.ran:
            return "Another round of sync is under way."
        lines = [
            f"brought home {self.outbox_rows}, school entries read {self.stream_entries}, "
            f"catalog entries read {self.catalog_entries}, "
            f"parts fetched {self.fetched.parts} ({self.fetched.bytes / 1e6:.1f} MB)"
        ]
        if self.new_epoch:
            lines.append(f"the hub was restored from a backup; pages given back: {self.pages_given_back}")
        if not self.in_window:
            lines.append("lessons wait for the hours in which they may be fetched")
        elif self.waits_for:
            lines.append(f"the megabytes of this {self.waits_for} are used up: lessons wait")
        if self.fetched.disk_full:
            lines.append("the disk is full")
        return "\n".join(lines)
