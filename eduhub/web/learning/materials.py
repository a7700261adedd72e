"""What a lesson's page shows beside the video: tracks of captions, chapters, the way to the transcript.

All of it is read from the package that the page plays, so a box shows what the hub does.
This module must not know who reads.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from eduhub import guard
from eduhub.courses import attaching, captions, chapters
from eduhub.courses.captions import Cue
from eduhub.courses.chapters import Chapter
from eduhub.delivery.package import Part
from eduhub.errors import BlobMissing, CaptionsRefused
from eduhub.web import languages, moments
from eduhub.web.learning.lesson_cards import LessonCard

_SAVED = {"application/pdf": ".pdf"}  # what the lane hands out for saving only; pictures are shown


@dataclass(frozen=True)
class Track:
    """Captions in one language."""

    language: str
    name: str  # of the language, in itself
    address: str


@dataclass(frozen=True)
class Moment:
    """A place in the lesson that a link leads to."""

    seconds: str  # as in #t=
    written: str  # as a person writes it
    text: str


@dataclass(frozen=True)
class Attachment:
    """A worksheet or a picture."""

    title: str
    language: str | None
    address: str
    bytes: int
    saved_as: str  # the name of the file; empty where the browser shows it
    for_teachers: bool


@dataclass(frozen=True)
class Materials:
    """What stands on the page."""

    tracks: tuple[Track, ...]
    chapters: tuple[Moment, ...]
    chapters_language: str
    attachments: tuple[Attachment, ...]


def of_card(card: LessonCard) -> Materials:
    """The materials of the lesson that a card shows, as far as they are here."""
    tracks = tuple(
        Track(part.language, languages.NAMES.get(part.language, part.language), f"/p/{card.package_id}/{part.sha256}")
        for part in captions_parts(card) if part.language
    )
    found = chapters.in_manifest(card.extra)
    language = _best(card, tuple(found))
    return Materials(tracks, tuple(_moment(one) for one in found.get(language, ())), language, _attachments(card))


def captions_parts(card: LessonCard) -> tuple[Part, ...]:
    """The captions that are held here, one for each language."""
    found = {part.language: part for part in card.parts if part.kind == "captions" and part.language}
    return tuple(found[language] for language in sorted(found))


def transcript_language(card: LessonCard, asked: str | None) -> str | None:
    """The language in which a transcript is shown: the one asked for, else the page's, else the lesson's own."""
    found = tuple(str(part.language) for part in captions_parts(card))
    return asked if asked in found else _best(card, found) or None


def cues_of(card: LessonCard, language: str) -> tuple[Cue, ...]:
    """The captions in a language. Raises BlobMissing."""
    part = next((part for part in captions_parts(card) if part.language == language), None)
    if part is None:
        raise BlobMissing(f"captions of package {card.package_id}")
    return _cues(guard.here().packages_dir / card.package_id / part.sha256, part.sha256)


def seconds(milliseconds: int) -> str:
    """`83` or `83.5`, as it stands behind #t=."""
    return f"{milliseconds / 1000:.3f}".rstrip("0").rstrip(".")


def _best(card: LessonCard, found: tuple[str, ...]) -> str:
    return languages.best({language: language for language in found}, card.lesson.language)[1]


def _attachments(card: LessonCard) -> tuple[Attachment, ...]:
    """Those that are held here and the reader may have."""
    found = []
    for part in sorted((part for part in card.parts if part.kind == "attachment"), key=lambda part: part.name):
        said = part.extra.get(attaching.TITLE)
        title = said if isinstance(said, str) and said else part.name
        ending = _SAVED.get(part.type, "")
        found.append(Attachment(
            title, part.language, f"/p/{card.package_id}/{part.sha256}", part.bytes, f"{title}{ending}" if ending else "",
            part.audience == "teacher",
        ))  # fmt: skip
    return tuple(found)


def _moment(chapter: Chapter) -> Moment:
    return Moment(seconds(chapter.at_ms), moments.written(chapter.at_ms // 1000 * 1000), chapter.title)


@lru_cache(maxsize=64)
def _cues(path: Path, _sha256: str) -> tuple[Cue, ...]:
    """Read once: the bytes are named by their hash."""
    try:
        return captions.parse(path.read_bytes())
    except (FileNotFoundError, CaptionsRefused) as error:
        raise BlobMissing(f"captions {path.name}: {error}") from error
