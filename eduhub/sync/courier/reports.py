"""What was done with a stick, for whoever plugged it in.

This module must not know how it was done.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Exported:
    """Hub: what was written to one stick. `short_of` are lessons that did not fit, by whether they lack their floor."""

    boxes: list[str] = field(default_factory=list)  # names
    rows_home: int = 0
    files: int = 0  # blobs written
    bytes: int = 0
    already: int = 0  # blobs that were on the stick
    entries: int = 0  # of the catalog
    left_out_floor: int = 0  # lessons
    left_out_better: int = 0
    left_out_program: bool = False  # the new version of EduHub did not fit
    left_out_bytes: int = 0
    missing_here: int = 0  # blobs that the hub itself has not: its scrubbing says why
    refused: int = 0  # files of boxes that were not taken

    @property
    def is_whole(self) -> bool:
        """Whether everything that was to be on the stick is."""
        return not (self.left_out_bytes or self.missing_here)

    def __str__(self) -> str:
        """For the command line."""
        lines = [
            f"for {', '.join(self.boxes) or 'no box'}: {self.files} files written ({self.bytes / 1e6:.1f} MB), "
            f"{self.already} were there, {self.entries} catalog entries"
        ]
        if self.rows_home or self.refused:
            lines.append(f"brought home {self.rows_home}, refused {self.refused}")
        if self.left_out_bytes:
            lines.append(
                f"the stick is full: {self.left_out_bytes / 1e6:.1f} MB did not fit; lessons that lack what they need at least: "
                f"{self.left_out_floor}, better quality of others: {self.left_out_better}"
                f"{'; the new version of EduHub is not whole on it' if self.left_out_program else ''}"
            )
        if self.missing_here:
            lines.append(f"{self.missing_here} files are damaged or missing at the hub itself")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """For a page that shows a job's result."""
        return dict(self.__dict__)


@dataclass
class BroughtHome:
    """Hub: what was taken from one stick."""

    boxes: list[str] = field(default_factory=list)  # names of those that had something on it
    rows: int = 0  # applied or put aside: they count as home
    wants: int = 0
    refused: int = 0  # files that are of no box of this hub, damaged, or no longer believed
    acknowledged: bool = True  # False: the stick could not be written to

    def __str__(self) -> str:
        """For the command line."""
        lines = [f"from {', '.join(self.boxes) or 'no box'}: {self.rows} brought home, {self.wants} want-lists read"]
        if self.refused:
            lines.append(f"{self.refused} files were refused")
        if not self.acknowledged:
            lines.append("the stick cannot be written to: the boxes learn of it over their link, or from another stick")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """For a page that shows a job's result."""
        return dict(self.__dict__)


@dataclass
class TakenIn:
    """Box: what was taken from a stick, and given to it."""

    new_epoch: bool = False
    catalog_entries: int = 0
    stream_entries: int = 0
    acknowledged: int = 0
    parts: int = 0
    bytes: int = 0
    damaged: int = 0  # files that were not what they were named
    refused: list[str] = field(default_factory=list)  # codes of what could not be believed: catalog, stream, ...
    disk_full: bool = False
    missing: int = 0  # lessons that are wanted and not whole
    given_rows: int = 0  # rows of the outbox that lie on the stick now
    gave: bool = False  # the want-list is on the stick
    why_not_given: str = ""  # the code of the error

    def __str__(self) -> str:
        """For the command line."""
        lines = [
            f"taken in: {self.catalog_entries} catalog entries, {self.stream_entries} school entries, "
            f"{self.parts} parts ({self.bytes / 1e6:.1f} MB); lessons that are not whole yet: {self.missing}"
        ]
        if self.refused:
            lines.append(f"not believed: {', '.join(self.refused)}")
        if self.damaged:
            lines.append(f"{self.damaged} files on the stick are damaged")
        if self.disk_full:
            lines.append("the disk of this box is full")
        if self.gave:
            lines.append(f"written to the stick for the county: {self.given_rows} rows and the want-list. It may be pulled out now.")
        else:
            lines.append(f"nothing could be written to the stick ({self.why_not_given})")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """For a page that shows a job's result."""
        return dict(self.__dict__)


@dataclass
class Given:
    """Box: what lies on a stick that was only given to."""

    rows: int

    def __str__(self) -> str:
        """For the command line."""
        return f"written to the stick for the county: {self.rows} rows and the want-list. It may be pulled out now."

    def as_json(self) -> dict[str, Any]:
        """For a page that shows a job's result."""
        return dict(self.__dict__)
