"""What was learned of a source file: frozen facts, all whole numbers and plain names.

This module must not know files, processes or the database.
"""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class VideoFacts:
    """The picture stream that is used. Width and height are those on the screen: turned upright, square pixels."""

    index: int
    codec: str
    width: int
    height: int
    rotation: int
    interlaced: bool
    fps_milli: int
    variable_rate: bool
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class AudioFacts:
    """The sound stream that is used."""

    index: int
    codec: str
    channels: int
    sample_rate: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Probe:
    """A source that can become a lesson. At least one of `video` and `audio` is there.

    Times count from the start of the file's own clock, which is 0 here.
    """

    format: str
    bytes: int
    duration_ms: int
    streams: int
    missing_end_ms: int  # how much less there is than the header declares; at most 2 s
    video: VideoFacts | None
    audio: AudioFacts | None

    def as_json(self) -> dict[str, Any]:
        """For the column `source.probe` and for reports."""
        return asdict(self)
