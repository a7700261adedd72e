"""From a source file to the parts of a lesson, step by step: look, choose, encode, describe.

`encode.py` (a folder of files) and the jobs (blobs and rows) both walk it.

This module must not know the database or the blob store.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eduhub.config import Settings
from eduhub.delivery import package
from eduhub.media import binding, finishing, ladder, segment, transcode, workroom
from eduhub.media.facts import Probe
from eduhub.media.ladder import Ladder, Step
from eduhub.media.probe import probe

Tell = Callable[[float], None]
_ENCODED = 0.97  # of a step; the rest describes what was made


@dataclass(frozen=True)
class MadePart:
    """One file that was made, its entry in a manifest, and its row in the index: tracks and stills have one."""

    path: Path
    facts: dict[str, Any]
    index_row: dict[str, Any] | None = None


@dataclass(frozen=True)
class StepMade:
    """What one step made. `cpu_s` is ffmpeg's, of encoding and decoding alone."""

    parts: tuple[MadePart, ...]
    cpu_s: float
    wall_s: float


def look(work: Path, settings: Settings, on_progress: Tell = lambda _done: None) -> Probe:
    """The facts of the file INPUT in `work`. Raises MediaRefused, EncodeFailed, and what `on_progress` raises."""
    on_progress(0.0)
    return probe(work, settings, on_tick=lambda: on_progress(0.0))


def make_step(
    work: Path, settings: Settings, probe: Probe, chosen: Ladder, step: Step, on_progress: Tell = lambda _done: None,
    *, language: str | None = None,
) -> StepMade:
    """Make the parts of one step as files in `work`, which holds INPUT; `download_part` adds the file of a video.

    `language` is that of a sound for which the recipe says none. Raises EncodeFailed, EncodeInterrupted, DiskFull,
    ToolMissing, and what `on_progress` raises.
    """
    on_progress(0.0)
    done = transcode.transcode(
        work, probe, chosen, step, settings, on_progress=lambda part: on_progress(_ENCODED * part)
    )
    languages = {rung.name: rung.language or language for rung in step.audio}
    tracks = [segment.read_track(name, path, languages.get(name)) for name, path in done.tracks.items()]
    parts = [_track_part(track) for track in tracks]
    if step.stills and chosen.strip:
        parts += _still_parts(work, done.stills, chosen, step, settings, lambda: on_progress(_ENCODED))
    if chosen.has_download(step) and not chosen.video:
        parts.append(download_part(work, (tracks[0].path,), chosen, settings, lambda: on_progress(_ENCODED)))
    for part in parts:
        part.facts["floor"] = part.facts["name"] in chosen.floor
    on_progress(1.0)
    return StepMade(tuple(parts), done.cpu_s, done.wall_s)


def download_part(
    work: Path, paths: tuple[Path, ...], chosen: Ladder, settings: Settings, on_tick: Callable[[], None] = lambda: None
) -> MadePart:
    """The one file for saving: the lightest video, if there is one, and the main AAC sound, if there is one.

    `paths` are those tracks, wherever they lie. Raises as `finishing.download`.
    """
    path = finishing.download(work, paths, settings, duration_ms=chosen.duration_ms, on_tick=on_tick)
    media_type = "video/mp4" if chosen.video else "audio/mp4"
    return _part(path, "download", media_type, duration_ms=chosen.duration_ms)


def _still_parts(
    work: Path, stills: tuple[Path, ...], chosen: Ladder, step: Step, settings: Settings, on_tick: Callable[[], None]
) -> list[MadePart]:
    assert step.stills is not None
    assert chosen.strip is not None
    strip = chosen.strip
    poster, sheet = finishing.pictures(work, stills, step.stills, strip, settings, on_tick=on_tick)
    blob = segment.pack_stills(stills, ladder.STILL_EVERY_S, work / "stills.bin")
    width, height = finishing.poster_size(step.stills)
    return [
        _part(blob.path, "stills", "application/octet-stream", duration_ms=chosen.duration_ms, row=blob.index_row),
        _part(poster, "poster", "image/webp", width=width, height=height),
        _part(
            sheet, "strip", "image/webp", width=strip.columns * strip.tile_width, height=strip.rows * strip.tile_height,
            columns=strip.columns, tiles=strip.tiles, every_s=strip.every_s, tile_width=strip.tile_width,
            tile_height=strip.tile_height,
        ),
    ]


def _part(
    path: Path, kind: str, media_type: str, *, name: str | None = None, codec: str | None = None,
    language: str | None = None, row: dict[str, Any] | None = None, **measures: int | None,
) -> MadePart:
    sha256, size = segment.hash_file(path)
    pieces = package.piece_list(path) if size > package.PIECE_BYTES else None
    return MadePart(path, binding.part_facts(
        name or kind, kind, media_type, size=size, sha256=sha256, pieces=pieces, codec=codec, language=language, **measures
    ), row)


def _track_part(track: segment.Track) -> MadePart:
    measures: dict[str, int | None] = {"bandwidth_bps": track.bandwidth_bps, "duration_ms": track.duration_ms}
    if track.kind == "video":
        measures |= {"width": track.init.width, "height": track.init.height, "fps_milli": track.fps_milli}
    else:
        measures |= {"channels": track.init.channels, "sample_rate": track.init.sample_rate}
    return _part(
        track.path, track.kind, f"{track.kind}/mp4", name=track.name, codec=track.init.codec, language=track.language,
        row=track.index_row, **measures,
    )


def bound_parts(work: Path, parts: tuple[MadePart, ...], duration_ms: int, *, file_uris: bool) -> tuple[MadePart, ...]:
    """Index and playlists of these parts as files in `work`."""
    tracks = [part.index_row for part in parts if part.index_row and part.facts["kind"] in ("video", "audio")]
    stills = next((part.index_row for part in parts if part.facts["kind"] == "stills"), None)
    made = []
    for bound in binding.bind(tracks, stills, duration_ms, file_uris=file_uris):
        path = work / ("index.json" if bound.facts["kind"] == "index" else bound.facts["name"])
        workroom.check_made(work)
        path.write_bytes(bound.payload)
        made.append(MadePart(path, bound.facts))
    return tuple(made)
