"""Renditions that 0.1 made: their entry for the index was not kept, so it is read from the file, once.

This module must not know lessons or ffmpeg.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from eduhub.delivery.blobs import BlobStore
from eduhub.errors import BadFormat
from eduhub.media import segment
from eduhub.media.ladder import STILL_EVERY_S
from eduhub.media.models import Rendition

_RIFF_HEADER = 8


def complete(session: Session, store: BlobStore, rows: Iterable[Rendition]) -> None:
    """Give every track and stills row its entry. Raises BlobMissing, BadFormat, EncodeFailed."""
    for row in rows:
        kind = row.facts["kind"]
        if row.index_row is not None or kind not in ("video", "audio", "stills"):
            continue
        path = store.path(row.sha256)
        row.index_row = _stills(path, row.sha256) if kind == "stills" else _track(row, path)
    session.flush()


def _track(row: Rendition, path: Path) -> dict[str, Any]:
    return segment.read_track(row.name, path, row.facts["language"]).index_row


def _stills(path: Path, sha256: str) -> dict[str, Any]:
    """The pictures lie back to back, each a RIFF file that says its own length."""
    items: list[list[int]] = []
    offset, payload = 0, path.read_bytes()
    while offset < len(payload):
        if payload[offset : offset + 4] != b"RIFF":
            raise BadFormat(f"no picture at {offset} of {sha256}")
        size = int.from_bytes(payload[offset + 4 : offset + _RIFF_HEADER], "little") + _RIFF_HEADER
        items.append([len(items) * STILL_EVERY_S * 1000, offset, size])
        offset += size
    return {"sha256": sha256, "items": items}
