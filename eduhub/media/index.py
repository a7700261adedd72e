"""The index as the lesson page carries it: cut to the first minutes, so that the page stays light.

This module must not know files, ffmpeg or the database. See docs/formats/index.md.
"""

from collections.abc import Mapping
from typing import Any


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
    kept = next((number for number in track["key_chunks"] if starts[number] >= limit), chunks)
    return {
        **track,
        "chunk_bytes": track["chunk_bytes"][:kept],
        "chunk_ticks": track["chunk_ticks"][:kept],
        "key_chunks": [number for number in track["key_chunks"] if number < kept],
    }
