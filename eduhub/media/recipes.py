"""Recipes: how a source is to be used, apart from what it is. Pure data with an id.

Trimming a lesson, or choosing other sound tracks, is another recipe over the same file: its
renditions are made beside the old ones, which stay until the new ones are published.

This module must not know files, processes, lessons or the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eduhub.errors import BadInput
from eduhub.signing import canonical, sha256_hex

Span = tuple[int, int]


@dataclass(frozen=True)
class Sound:
    """One sound track of the file: its place among the file's streams, and the language that is spoken."""

    index: int
    language: str


@dataclass(frozen=True)
class Recipe:
    """Which spans (ms, in order, apart) of the file, which of its sound tracks, with or without its picture."""

    edit: tuple[Span, ...] | None = None  # None: all of it
    sounds: tuple[Sound, ...] | None = None  # None: the default track
    sound_only: bool = False

    def __post_init__(self) -> None:
        """Raises BadInput for spans that are empty, not in order, or overlap."""
        last = 0
        for start, end in self.edit or ():
            if not last <= start < end:
                raise BadInput("spans follow each other, each with a length")
            last = end
        if self.edit == () or self.sounds == ():
            raise BadInput("a recipe uses something of the file")

    @property
    def id(self) -> str:
        """16 hex digits that name the recipe."""
        return sha256_hex(canonical(self.as_json()))[:16]

    def as_json(self) -> dict[str, Any]:
        """For the column `ladder.wanted` and for job arguments."""
        return {
            "edit": None if self.edit is None else [list(span) for span in self.edit],
            "sounds": None if self.sounds is None else [{"index": s.index, "language": s.language} for s in self.sounds],
            "sound_only": self.sound_only,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any] | None) -> "Recipe":
        """The recipe in `found`; raises BadInput for what is none."""
        if found is None:
            return cls()
        try:
            edit, sounds = found["edit"], found["sounds"]
            return cls(
                edit=None if edit is None else tuple((int(start), int(end)) for start, end in edit),
                sounds=None if sounds is None else tuple(Sound(int(s["index"]), str(s["language"])) for s in sounds),
                sound_only=bool(found["sound_only"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"not a recipe: {error!r}") from error


WHOLE = Recipe()  # all of the file, with its default sound
