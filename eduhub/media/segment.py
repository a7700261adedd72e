"""Describe what was encoded: tracks and their chunks, the stills blob, the index of a lesson.

The index is the part `index` (`eduhub-index/1`); see docs/formats/index.md. Its bytes are
canonical JSON, so that the same tracks always give the same part.

This module must not know ffmpeg, the database or how a playlist is written.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eduhub.errors import EncodeFailed
from eduhub.media import boxes

FORMAT = "eduhub-index/1"
_BUFFER = 1 << 20


@dataclass(frozen=True)
class Track:
    """One CMAF file and where its chunks lie."""

    name: str
    kind: str  # video or audio
    path: Path
    sha256: str
    bytes: int
    language: str | None
    init: boxes.Init
    chunks: tuple[boxes.Chunk, ...]

    @property
    def ticks(self) -> int:
        """Its length in ticks."""
        return sum(chunk.ticks for chunk in self.chunks)

    @property
    def duration_ms(self) -> int:
        """Its length in milliseconds."""
        return round(1000 * self.ticks / self.init.timescale)

    @property
    def bandwidth_bps(self) -> int:
        """Its mean rate over the whole length, headers included, rounded up."""
        return -(-8 * self.bytes * self.init.timescale // self.ticks)

    @property
    def fps_milli(self) -> int | None:
        """Pictures per 1000 s; None for sound."""
        if self.kind != "video":
            return None
        return round(1000 * sum(chunk.samples for chunk in self.chunks) * self.init.timescale / self.ticks)

    @property
    def media_type(self) -> str:
        """As `MediaSource.isTypeSupported` wants it."""
        return f'{self.kind}/mp4; codecs="{self.init.codec}"'

    def segments(self, least_s: int) -> Iterator[tuple[int, int, int]]:
        """Byte offset, bytes and ticks of runs of chunks that begin at a key chunk and last `least_s` or a little more."""
        offset = start = self.init.bytes
        ticks = 0
        for chunk in self.chunks:
            if chunk.is_key and ticks >= least_s * self.init.timescale:
                yield start, offset - start, ticks
                start, ticks = offset, 0
            offset, ticks = offset + chunk.bytes, ticks + chunk.ticks
        yield start, offset - start, ticks


@dataclass(frozen=True)
class StillsBlob:
    """WebP pictures back to back. `items`: time in ms, offset and bytes of each."""

    path: Path
    sha256: str
    bytes: int
    items: tuple[tuple[int, int, int], ...]


def read_track(name: str, path: Path, language: str | None) -> Track:
    """Read the boxes of an encoded file; raises BadFormat, or EncodeFailed when it does not begin at 0."""
    with path.open("rb") as file:
        init, chunks = boxes.read(file)
    kind = {"vide": "video", "soun": "audio"}.get(init.handler, init.handler)
    first = chunks[0]
    if first.decode_time + first.first_offset != 0 or not first.is_key:
        raise EncodeFailed(f"{name} does not begin with a key frame at 0")
    sha256, size = hash_file(path)
    return Track(name, kind, path, sha256, size, language if kind == "audio" else None, init, tuple(chunks))


def hash_file(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()


def pack_stills(pictures: Sequence[Path], every_s: int, target: Path) -> StillsBlob:
    """Write the pictures behind each other into `target`."""
    items: list[tuple[int, int, int]] = []
    offset = 0
    with target.open("wb") as file:
        for number, picture in enumerate(pictures):
            size = file.write(picture.read_bytes())
            items.append((number * every_s * 1000, offset, size))
            offset += size
    sha256, size = hash_file(target)
    return StillsBlob(target, sha256, size, tuple(items))


def index_document(duration_ms: int, tracks: Sequence[Track], stills: StillsBlob | None) -> dict[str, Any]:
    """The index of a lesson, as JSON."""
    return {
        "format": FORMAT,
        "duration_ms": duration_ms,
        "tracks": [_track_row(track) for track in tracks],
        "stills": {"sha256": stills.sha256, "items": [list(item) for item in stills.items]} if stills else None,
    }


def _track_row(track: Track) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": track.name, "kind": track.kind, "sha256": track.sha256, "type": track.media_type,
        "timescale": track.init.timescale, "bandwidth_bps": track.bandwidth_bps, "language": track.language,
        "init_bytes": track.init.bytes, "start_ticks": track.chunks[0].decode_time,
        # The encoder's priming packet was dropped, so sound is in step as it stands.
        "priming_ticks": 0,
        "chunk_bytes": [chunk.bytes for chunk in track.chunks],
        "chunk_ticks": [chunk.ticks for chunk in track.chunks],
        "key_chunks": [number for number, chunk in enumerate(track.chunks) if chunk.is_key],
    }
    if track.kind == "video":
        row |= {"width": track.init.width, "height": track.init.height}
    return row
