"""What is said in a package, as lines with their times: its captions, and the titles of its chapters.

This module must not know the index.
"""

from collections.abc import Collection, Iterator
from typing import Any

from eduhub import logs
from eduhub.courses import captions, chapters
from eduhub.delivery.blobs import BlobStore
from eduhub.delivery.package import Manifest
from eduhub.errors import BlobMissing, CaptionsRefused

log = logs.logger(__name__)

KIND = "captions"


def lines_of(
    manifest_bytes: bytes, held: Collection[str], audiences: Collection[str], store: BlobStore
) -> Iterator[tuple[str, list[list[Any]]]]:
    """(language, [[at_ms, text], ...]) of each caption track that is held and meant for `audiences`, and of the chapters."""
    manifest = Manifest.from_bytes(manifest_bytes)
    for part in manifest.parts:
        if part.kind != KIND or part.audience not in audiences or part.sha256 not in held or part.bytes > captions.MOST_BYTES:
            continue
        try:
            yield part.language or manifest.language, _cues(store, part.sha256)
        except (BlobMissing, CaptionsRefused) as error:
            log.warning("captions cannot be found by their words", blob=part.sha256, problem=type(error).__name__)
    for language, found in chapters.in_manifest(manifest.extra).items():
        yield language[:35], [[chapter.at_ms, chapter.title.replace("\0", "")] for chapter in found]


def _cues(store: BlobStore, sha256: str) -> list[list[Any]]:
    with store.open(sha256) as file:
        payload = file.read()
    return [[cue.start_ms, cue.text.replace("\n", " ")] for cue in captions.parse(payload)]
