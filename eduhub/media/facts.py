"""What was learned of a source file: frozen facts, all whole numbers and plain names.

This module must not know files, processes or the database.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

_Facts = TypeVar("_Facts", bound="VideoFacts | AudioFacts")


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
    hdr: str = ""  # pq or hlg: more light than a usual screen has
    matrix: str = "bt601"  # how its colours are coded: bt601, bt709, bt2020


@dataclass(frozen=True)
class AudioFacts:
    """A sound stream that can be used. `language` and `title` are what the file says, cut short; often empty."""

    index: int
    codec: str
    channels: int
    sample_rate: int
    start_ms: int
    end_ms: int
    language: str = ""
    title: str = ""
    is_default: bool = False


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
    audio: AudioFacts | None  # the one of `sounds` that is used when nobody chose
    sounds: tuple[AudioFacts, ...] = ()
    edited: bool = False  # the file itself says what of it is shown, and in which order

    def sound(self, index: int) -> AudioFacts | None:
        """The sound stream with this place among the file's streams."""
        known = (*self.sounds, *((self.audio,) if self.audio else ()))
        return next((sound for sound in known if sound.index == index), None)

    def as_json(self) -> dict[str, Any]:
        """For the column `source.probe` and for reports."""
        found = asdict(self)
        return {**found, "sounds": list(found["sounds"])}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Probe":
        """What `as_json` wrote, also that of 0.1, which knew one sound and no HDR."""
        audio = _facts(AudioFacts, found["audio"])
        sounds = tuple(_facts(AudioFacts, sound) for sound in found.get("sounds", ()))
        return cls(
            format=found["format"], bytes=found["bytes"], duration_ms=found["duration_ms"], streams=found["streams"],
            missing_end_ms=found["missing_end_ms"], video=_video(found["video"]), audio=audio,
            sounds=tuple(sound for sound in sounds if sound) or ((audio,) if audio else ()),
            edited=found.get("edited", False),
        )


def usual_matrix(width: int, height: int) -> str:
    """How colours are coded where a file does not say it: as televisions take it, by the size."""
    return "bt709" if width >= 1280 or height >= 720 else "bt601"


def _video(found: Mapping[str, Any] | None) -> VideoFacts | None:
    if found is not None and "matrix" not in found:
        found = {**found, "matrix": usual_matrix(found["width"], found["height"])}
    return _facts(VideoFacts, found)


def _facts(kind: type[_Facts], found: Mapping[str, Any] | None) -> _Facts | None:
    if found is None:
        return None
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in found.items() if name in known})
