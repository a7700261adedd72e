"""The manifest of a lesson's next revision: its recordings' renditions, what is bound of them, and the materials.

The index and the playlists depend on which tracks there are, so they are made here, from rows alone.

This module must not know which recording is used (recordings.py says it), nor the catalog.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.courses import materials
from eduhub.courses.models import Course, Lesson
from eduhub.courses.recordings import Chosen, Used
from eduhub.delivery import keys
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest, Part
from eduhub.installation import Installation
from eduhub.media import binding, carried
from eduhub.media.models import LadderRow, Rendition

_TRACKS = ("video", "audio")
_MAIN_SOUNDS = ("aac", "opus")


@dataclass(frozen=True)
class Assembled:
    """A manifest, and the parts of it that are not in the blob store yet."""

    manifest: Manifest
    payloads: tuple[bytes, ...]  # piece lists among them


def assemble(
    session: Session, installation: Installation, lesson: Lesson, course: Course, chosen: Chosen,
    current: PackageRow | None,
) -> Assembled:  # fmt: skip
    """The lesson's next revision as it would be now. Raises BlobMissing where a track of 0.1 has to be read and is gone."""
    made = _renditions(session, installation, chosen.main)
    languages = {row.facts["language"] for row in made if row.facts["kind"] == "audio"}
    facts = [dict(row.facts) for row in made]
    tracks = [dict(row.index_row) for row in made if row.index_row is not None and row.facts["kind"] in _TRACKS]
    for voice in chosen.voices:
        if voice.attached.language not in languages:
            found = _voice(_renditions(session, installation, voice), voice.attached.language)
            facts += [part for part, _row in found]
            tracks += [row for _part, row in found]
    stills = next((row.index_row for row in made if row.facts["kind"] == "stills"), None)
    row = session.get_one(LadderRow, chosen.main.key)
    duration_ms = row.duration_ms or max((part.get("duration_ms") or 0 for part in facts), default=0)
    bound = binding.bind(tracks, stills, duration_ms)
    facts += [*(one.facts for one in bound), *materials.parts_of(session, lesson)]
    parts = tuple(Part.from_json(part) for part in sorted(facts, key=_by_name))
    manifest = Manifest(
        hub=keys.keyring(session).hub_uid, lesson=lesson.uid, course=course.uid, org=lesson.org_uid,
        revision=lesson.revision + 1, timeline=lesson.timeline_uid,
        supersedes=current.id if current is not None else None, language=lesson.language,
        titles=lesson.titles, texts=lesson.texts, audience=course.audience, duration_ms=duration_ms, parts=parts,
        extra=materials.fields_of(session, lesson),
    )  # fmt: skip
    payloads = [payload for b in bound for payload in (b.payload, b.pieces) if payload is not None]
    return Assembled(manifest, tuple(payloads))


def says_the_same(new: Manifest, held: Manifest) -> bool:
    """Whether two manifests differ in nothing but their place in the row of revisions."""

    def content(manifest: Manifest) -> dict[str, Any]:
        return {
            "timeline": manifest.timeline, "language": manifest.language, "titles": dict(manifest.titles),
            "texts": dict(manifest.texts), "audience": manifest.audience, "course": manifest.course,
            "parts": sorted((part.as_json() for part in manifest.parts), key=_by_name), "extra": dict(manifest.extra),
        }  # fmt: skip

    return content(new) == content(held)


def _renditions(session: Session, installation: Installation, used: Used) -> list[Rendition]:
    source_uid, recipe_id = used.key
    found = select(Rendition).where(Rendition.source_uid == source_uid, Rendition.recipe == recipe_id)
    rows = list(session.scalars(found.order_by(Rendition.name)))
    carried.complete(session, installation.blobs, rows)
    return rows


def _voice(made: Sequence[Rendition], language: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The sound of another recording, under names of its own: entry in the manifest, entry in the index."""
    main = [row for row in made if row.facts["kind"] == "audio" and row.name in _MAIN_SOUNDS]
    return [
        (binding.in_language(row.facts, language), binding.in_language(row.index_row, language))
        for row in main if row.index_row is not None
    ]


def _by_name(part: dict[str, Any]) -> str:
    return str(part["name"])
