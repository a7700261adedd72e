"""Describe what was encoded: tracks and their chunks, the stills blob, and the row of each in a lesson's index.

This module must not know ffmpeg, the database or how a playlist is written. See docs/formats/index.md.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eduhub.errors import EncodeFailed
from eduhub.media import boxes

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

    @property
    def index_row(self) -> dict[str, Any]:
        """Its entry in the index of a lesson, and what playlists say beyond that."""
        row: dict[str, Any] = {
            "name": self.name, "kind": self.kind, "sha256": self.sha256, "type": self.media_type,
            "timescale": self.init.timescale, "bandwidth_bps": self.bandwidth_bps, "language": self.language,
            "init_bytes": self.init.bytes, "start_ticks": self.chunks[0].decode_time,
            # The encoder's priming packet was dropped, so sound is in step as it stands.
            "priming_ticks": 0,
            "chunk_bytes": [chunk.bytes for chunk in self.chunks],
            "chunk_ticks": [chunk.ticks for chunk in self.chunks],
            "key_chunks": [number for number, chunk in enumerate(self.chunks) if chunk.is_key],
        }
        if self.kind == "video":
            return row | {"width": self.init.width, "height": self.init.height, "fps_milli": self.fps_milli}
        return row | {"channels": self.init.channels}


@dataclass(frozen=True)
class StillsBlob:
    """WebP pictures back to back. `items`: time in ms, offset and bytes of each."""

    path: Path
    sha256: str
    bytes: int
    items: tuple[tuple[int, int, int], ...]

    @property
    def index_row(self) -> dict[str, Any]:
        """Its entry in the index of a lesson."""
        return {"sha256": self.sha256, "items": [list(item) for item in self.items]}


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
    """Move the pictures behind each other into `target`: each file goes when it is in."""
    items: list[tuple[int, int, int]] = []
    offset = 0
    with target.open("wb") as file:
        for number, picture in enumerate(pictures):
            size = file.write(picture.read_bytes())
            picture.unlink()
            items.append((number * every_s * 1000, offset, size))
            offset += size
    sha256, size = hash_file(target)
    return StillsBlob(target, sha256, size, tuple(items))
