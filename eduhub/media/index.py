"""A lesson's index: its tracks as rows, from which playlists are made without reading a file; and its beginning, for a page.

This module must not know files, ffmpeg or the database. See docs/formats/index.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from eduhub.errors import BadFormat

# What a row that is kept with a rendition says beyond its entry in the index: only playlists need it.
BESIDE_THE_INDEX = frozenset({"fps_milli", "channels"})


@dataclass(frozen=True)
class TrackRow:
    """One track. Times in ticks of its own timescale."""

    name: str
    kind: str  # video or audio
    sha256: str
    codec: str
    language: str | None
    timescale: int
    bandwidth_bps: int
    width: int | None
    height: int | None
    fps_milli: int | None
    channels: int
    init_bytes: int
    chunk_bytes: tuple[int, ...]
    chunk_ticks: tuple[int, ...]
    key_chunks: frozenset[int]

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "TrackRow":
        """Raises BadFormat for a row that is none."""
        try:
            made = cls(
                name=row["name"], kind=row["kind"], sha256=row["sha256"], codec=row["type"].split('"')[1],
                language=row["language"], timescale=row["timescale"], bandwidth_bps=row["bandwidth_bps"],
                width=row.get("width"), height=row.get("height"), fps_milli=row.get("fps_milli"),
                channels=row.get("channels", 1), init_bytes=row["init_bytes"], chunk_bytes=tuple(row["chunk_bytes"]),
                chunk_ticks=tuple(row["chunk_ticks"]), key_chunks=frozenset(row["key_chunks"]),
            )
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise BadFormat(f"not the row of a track: {error!r}") from error
        if not made.chunk_bytes or len(made.chunk_bytes) != len(made.chunk_ticks) or min(made.chunk_ticks) < 1:
            raise BadFormat("a track has chunks, each with a length")
        return made

    def segments(self, least_s: int) -> Iterator[tuple[int, int, int]]:
        """Byte offset, bytes and ticks of runs of chunks that begin at a key chunk and last `least_s` or a little more."""
        offset = start = self.init_bytes
        ticks = 0
        for number, (size, length) in enumerate(zip(self.chunk_bytes, self.chunk_ticks, strict=True)):
            if number in self.key_chunks and ticks >= least_s * self.timescale:
                yield start, offset - start, ticks
                start, ticks = offset, 0
            offset, ticks = offset + size, ticks + length
        yield start, offset - start, ticks


def for_page(index: Mapping[str, Any], first_s: int = 180) -> dict[str, Any]:
    """`index` with only the chunks and stills that begin in the first `first_s` seconds.

    A track keeps whole groups of pictures: the cut falls on a key chunk. Whatever else is in
    it stays, so that a newer index passes through. `cut` says that there is more.
    """
    tracks = [_cut_track(track, first_s) for track in index["tracks"]]
    stills = index["stills"]
    if stills is not None:
        stills = {**stills, "items": [item for item in stills["items"] if item[0] < first_s * 1000]}
    is_cut = any(len(cut["chunk_bytes"]) < len(whole["chunk_bytes"])
                 for cut, whole in zip(tracks, index["tracks"], strict=True))
    return {**index, "tracks": tracks, "stills": stills, "cut": is_cut}


def _cut_track(track: Mapping[str, Any], first_s: int) -> dict[str, Any]:
    chunks = len(track["chunk_bytes"])
    starts, ticks = [], int(track["start_ticks"])
    for length in track["chunk_ticks"]:
        starts.append(ticks)
        ticks += length
    limit = first_s * track["timescale"]
    keys = track.get("key_chunks", range(chunks))
    kept = next((number for number in keys if starts[number] >= limit), chunks)
    cut = {**track, "chunk_bytes": track["chunk_bytes"][:kept], "chunk_ticks": track["chunk_ticks"][:kept]}
    if "key_chunks" in track:
        cut["key_chunks"] = [number for number in keys if number < kept]
    return cut
