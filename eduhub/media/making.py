"""The straight list from a source file to the parts of a lesson: probe, ladder, transcode, segment.

`encode.py` (a folder of files) and `prepare.py` (blobs and rows) both walk it.

This module must not know the database or the blob store.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eduhub.config import Settings
from eduhub.delivery import package
from eduhub.media import finishing, ladder, playlists, segment, transcode
from eduhub.media.facts import Probe
from eduhub.media.probe import probe
from eduhub.signing import canonical, sha256_hex

# Where the time goes: reading the source, encoding it, describing the result.
_PROBED, _ENCODED = 0.03, 0.97


@dataclass(frozen=True)
class MadePart:
    """One file that was made, and its entry in a manifest (without the piece list's name)."""

    path: Path
    facts: dict[str, Any]


@dataclass(frozen=True)
class Made:
    """Everything that was made of one source."""

    probe: Probe
    chosen: ladder.Ladder
    parts: tuple[MadePart, ...]
    cpu_s: float


def make(
    work: Path, settings: Settings, *, language: str | None, file_uris: bool,
    on_progress: Callable[[float], None] = lambda _done: None,
) -> Made:
    """Make every part of the file INPUT in `work`, as files in `work`.

    `file_uris`: playlists name files (`v240.mp4`), else hashes, as within a package.
    Raises MediaRefused, EncodeFailed, DiskFull, ToolMissing, and what `on_progress` raises.
    """
    on_progress(0.0)
    facts = probe(work, settings, on_tick=lambda: on_progress(0.0))
    chosen = ladder.choose(facts)
    done = transcode.transcode(
        work, facts, chosen, settings,
        on_progress=lambda part: on_progress(_PROBED + (_ENCODED - _PROBED) * part),
    )
    tracks = [segment.read_track(name, path, language) for name, path in done.tracks.items()]
    stills = segment.pack_stills(done.stills, ladder.STILL_EVERY_S, work / "stills.bin") if done.stills else None
    parts = [_track_part(track) for track in tracks]
    if stills:
        parts.append(_part(stills.path, "stills", "application/octet-stream", duration_ms=chosen.duration_ms))
        poster, width, height = finishing.poster(done.stills, work / "poster.webp")
        parts.append(_part(poster, "poster", "image/webp", width=width, height=height))
    index = work / "index.json"
    index.write_bytes(canonical(segment.index_document(chosen.duration_ms, tracks, stills)))
    parts.append(_part(index, "index", "application/json"))
    parts += _playlist_parts(work, tracks, file_uris)
    download = finishing.download(work, tracks, settings)
    parts.append(_part(download, "download", download_type(tracks), duration_ms=chosen.duration_ms))
    for part in parts:
        part.facts["floor"] = part.facts["name"] in chosen.floor
    on_progress(1.0)
    return Made(facts, chosen, tuple(parts), done.cpu_s)


def download_type(tracks: list[segment.Track]) -> str:
    """The media type of the muxed file."""
    return "video/mp4" if any(track.kind == "video" for track in tracks) else "audio/mp4"


def _part(path: Path, kind: str, media_type: str, *, name: str | None = None, **measures: int | str | None) -> MadePart:
    sha256, size = segment.hash_file(path)
    codec, language = measures.pop("codec", None), measures.pop("language", None)
    return MadePart(path, {
        "name": name or kind, "kind": kind, "role": "main", "language": language, "audience": "learner",
        "licence": None, "type": media_type, "codec": codec, **measures, "bytes": size, "sha256": sha256,
        "pieces": sha256_hex(package.piece_list(path)) if size > package.PIECE_BYTES else None, "floor": False,
    })


def _track_part(track: segment.Track) -> MadePart:
    measures: dict[str, int | str | None] = {
        "codec": track.init.codec, "language": track.language, "bandwidth_bps": track.bandwidth_bps,
        "duration_ms": track.duration_ms,
    }
    if track.kind == "video":
        measures |= {"width": track.init.width, "height": track.init.height, "fps_milli": track.fps_milli}
    else:
        measures |= {"channels": track.init.channels, "sample_rate": track.init.sample_rate}
    return _part(track.path, track.kind, f"{track.kind}/mp4", name=track.name, **measures)


def _playlist_parts(work: Path, tracks: list[segment.Track], file_uris: bool) -> list[MadePart]:
    parts, uris = [], {}
    for track in tracks:
        path = work / f"{track.name}.m3u8"
        path.write_text(playlists.media_playlist(track, track.path.name if file_uris else track.sha256), "ascii")
        part = _part(path, "playlist", playlists.MEDIA_TYPE, name=path.name)
        parts.append(part)
        uris[track.name] = path.name if file_uris else part.facts["sha256"]
    master = work / "master.m3u8"
    master.write_text(playlists.master_playlist(tracks, uris.__getitem__), "ascii")
    return [_part(master, "playlist", playlists.MEDIA_TYPE, name=master.name), *parts]
