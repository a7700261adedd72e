"""`eduhub media encode`: the whole pipeline for one file into one folder, without a database.

This module must not know the database, the blob store or the command line.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eduhub import clock
from eduhub.config import Settings
from eduhub.media import ladder, making, workroom
from eduhub.media.facts import Probe
from eduhub.media.recipes import WHOLE, Recipe
from eduhub.signing import canonical

FORMAT = "eduhub-encode/1"
_REPORTED = ("video", "audio", "stills", "poster", "strip", "index", "download")
_LOOKED = 0.03  # of the whole time


@dataclass(frozen=True)
class Report:
    """What came out. `source` are the facts of the file that went in; `cpu_s` is of the encoding alone."""

    source: dict[str, Any]
    duration_s: float
    renditions: list[dict[str, Any]]  # name, kind, codec, width, height, fps, bytes, kbit_s, file
    encode_s: float
    cpu_s: float
    first_playable_s: float  # from the start to the lightest video, or to the sound where there is none

    def as_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self), indent=2)


def encode_file(
    source: Path, outdir: Path, settings: Settings, on_progress: Callable[[float], None] = lambda _done: None,
    *, language: str | None = None, recipe: Recipe = WHOLE,
) -> Report:
    """Make every rendition of `source` in `outdir`, with manifest.json, index.json and the playlists.

    A part appears under its name when all of them are whole. Raises MediaRefused, EncodeFailed,
    DiskFull, ToolMissing.
    """
    started_s = clock.monotonic_s()
    outdir.mkdir(parents=True, exist_ok=True)
    with workroom.staged(source, outdir) as work:
        probe = making.look(work, settings, on_progress)
        chosen = ladder.choose(probe, recipe)
        parts, cpu_s, playable_s = _all_steps(work, settings, probe, chosen, on_progress, language)
        parts = tuple(sorted(
            (*parts, *making.bound_parts(work, parts, chosen.duration_ms, file_uris=True)), key=_place
        ))
        manifest = {
            "format": FORMAT, "duration_ms": chosen.duration_ms,
            "parts": [{**part.facts, "file": part.path.name} for part in parts],
        }
        (work / "manifest.json").write_bytes(canonical(manifest))
        for path in (*(part.path for part in parts), work / "manifest.json"):
            path.replace(outdir / path.name)
    on_progress(1.0)
    return Report(
        source={"file": source.name, **probe.as_json()},
        duration_s=chosen.duration_ms / 1000,
        renditions=[_row(part, chosen.duration_ms) for part in parts if part.facts["kind"] in _REPORTED],
        encode_s=round(clock.monotonic_s() - started_s, 3),
        cpu_s=round(cpu_s, 3),
        first_playable_s=round(playable_s - started_s, 3),
    )


def _all_steps(
    work: Path, settings: Settings, probe: Probe, chosen: ladder.Ladder, on_progress: Callable[[float], None],
    language: str | None,
) -> tuple[tuple[making.MadePart, ...], float, float]:
    """The parts, processor seconds, and when the first playable one was there."""
    parts, cpu_s, playable_s = list[making.MadePart](), 0.0, 0.0
    for number, step in enumerate(chosen.steps):
        def tell(done: float, number: int = number) -> None:
            on_progress(_LOOKED + (1 - _LOOKED) * (number + done) / len(chosen.steps))

        made = making.make_step(work, settings, probe, chosen, step, tell, language=language)
        parts, cpu_s = [*parts, *made.parts], cpu_s + made.cpu_s
        if chosen.has_download(step):
            playable_s = clock.monotonic_s()
            if step.video:
                tracks = tuple(part.path for part in parts if part.facts["name"] in (step.name, "aac"))
                parts.append(making.download_part(work, tracks[::-1], chosen, settings, lambda: tell(1.0)))
    return tuple(parts), cpu_s, playable_s


def _place(part: making.MadePart) -> int:
    return (*_REPORTED[:-1], "playlist", "download").index(part.facts["kind"])


def _row(part: making.MadePart, duration_ms: int) -> dict[str, Any]:
    facts = part.facts
    fps_milli = facts.get("fps_milli")
    return {
        "name": facts["name"], "kind": facts["kind"], "codec": facts["codec"], "width": facts.get("width"),
        "height": facts.get("height"), "fps": fps_milli / 1000 if fps_milli else None, "bytes": facts["bytes"],
        "kbit_s": round(8 * facts["bytes"] / duration_ms, 2), "file": part.path.name,
    }
