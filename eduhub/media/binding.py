"""Bind the tracks of a lesson together: its index and its playlists, from the rows of the tracks alone.

They depend on which tracks there are, so they are made anew whenever one is added. Pure: no file is read, and the
same rows give the same bytes. The index is canonical JSON; see docs/formats/index.md.

This module must not know files, ffmpeg or the database.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eduhub.delivery import package
from eduhub.media import playlists
from eduhub.media.index import BESIDE_THE_INDEX, TrackRow
from eduhub.media.ladder import ORDER
from eduhub.signing import canonical, sha256_hex

FORMAT = "eduhub-index/1"


@dataclass(frozen=True)
class Bound:
    """One part and its bytes. Where `facts["pieces"]` names a piece list, `pieces` holds it."""

    facts: dict[str, Any]
    payload: bytes
    pieces: bytes | None


def bind(
    tracks: Iterable[Mapping[str, Any]], stills: Mapping[str, Any] | None, duration_ms: int, *, file_uris: bool = False
) -> tuple[Bound, ...]:
    """index.json, master.m3u8, then one playlist for each track. `tracks` and `stills` are rows of the index.

    `file_uris`: playlists name files, else hashes, as within a package. Tracks may come in any order. Raises BadFormat.
    """
    rows = sorted(tracks, key=_place)
    parsed = [TrackRow.from_json(row) for row in rows]
    index = canonical({
        "format": FORMAT, "duration_ms": duration_ms, "stills": dict(stills) if stills else None,
        "tracks": [{key: value for key, value in row.items() if key not in BESIDE_THE_INDEX} for row in rows],
    })
    uris, media = {}, []
    for track in parsed:
        name = f"{track.name}.m3u8"
        text = playlists.media_playlist(track, f"{track.name}.mp4" if file_uris else track.sha256)
        media.append(_playlist(name, text))
        uris[track.name] = name if file_uris else media[-1].facts["sha256"]
    master = _playlist("master.m3u8", playlists.master_playlist(parsed, uris.__getitem__))
    return (_bound("index", "index", "application/json", index), master, *media)


def in_language(found: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The facts or the row of a lesson's main sound as those of a sound in a further language."""
    renamed = {**found, "name": f"{found['name']}-{language}", "language": language}
    return renamed | {"floor": False} if "floor" in found else renamed


def _place(row: Mapping[str, Any]) -> tuple[int, int, int, str]:
    """Video from light to heavy, then AAC before Opus, the main language before the others."""
    name = str(row["name"])
    known = ORDER.index(name) if name in ORDER else len(ORDER)
    return row["kind"] != "video", known, row["bandwidth_bps"] if row["kind"] == "video" else 0, name


def _playlist(name: str, text: str) -> Bound:
    return _bound(name, "playlist", playlists.MEDIA_TYPE, text.encode("ascii"))


def _bound(name: str, kind: str, media_type: str, payload: bytes) -> Bound:
    pieces = _piece_list(payload) if len(payload) > package.PIECE_BYTES else None
    facts = part_facts(name, kind, media_type, size=len(payload), sha256=sha256_hex(payload), pieces=pieces)
    facts["floor"] = kind == "index"
    return Bound(facts, payload, pieces)


def _piece_list(payload: bytes) -> bytes:
    step = package.PIECE_BYTES
    return b"".join(hashlib.sha256(payload[at : at + step]).digest() for at in range(0, len(payload), step))


def part_facts(
    name: str, kind: str, media_type: str, *, size: int, sha256: str, pieces: bytes | None,
    codec: str | None = None, language: str | None = None, **measures: int | None,
) -> dict[str, Any]:
    """A part's entry in a manifest; see docs/formats/packages.md."""
    return {
        "name": name, "kind": kind, "role": "main", "language": language, "audience": "learner", "licence": None,
        "type": media_type, "codec": codec, **measures, "bytes": size, "sha256": sha256,
        "pieces": sha256_hex(pieces) if pieces else None, "floor": False,
    }
