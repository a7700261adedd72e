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
from eduhub.media import making, workroom
from eduhub.signing import canonical

FORMAT = "eduhub-encode/1"
_REPORTED = ("video", "audio", "stills", "poster", "index", "download")


@dataclass(frozen=True)
class Report:
    """What came out. `source` are the facts of the file that went in; `cpu_s` is of the encoding alone."""

    source: dict[str, Any]
    duration_s: float
    renditions: list[dict[str, Any]]  # name, kind, codec, width, height, fps, bytes, kbit_s, file
    encode_s: float
    cpu_s: float

    def as_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self), indent=2)


def encode_file(
    source: Path, outdir: Path, settings: Settings, on_progress: Callable[[float], None] = lambda _done: None,
    *, language: str | None = None,
) -> Report:
    """Make every rendition of `source` in `outdir`, with manifest.json, index.json and the playlists.

    A part appears under its name when all of them are whole. Raises MediaRefused, EncodeFailed,
    DiskFull, ToolMissing.
    """
    started_s = clock.monotonic_s()
    outdir.mkdir(parents=True, exist_ok=True)
    with workroom.staged(source, outdir) as work:
        made = making.make(work, settings, language=language, file_uris=True, on_progress=on_progress)
        manifest = {
            "format": FORMAT, "duration_ms": made.probe.duration_ms,
            "parts": [{**part.facts, "file": part.path.name} for part in made.parts],
        }
        (work / "manifest.json").write_bytes(canonical(manifest))
        for path in (*(part.path for part in made.parts), work / "manifest.json"):
            path.replace(outdir / path.name)
    took_s = clock.monotonic_s() - started_s
    return Report(
        source={"file": source.name, **made.probe.as_json()},
        duration_s=made.probe.duration_ms / 1000,
        renditions=[_row(part, made.probe.duration_ms) for part in made.parts if part.facts["kind"] in _REPORTED],
        encode_s=round(took_s, 3),
        cpu_s=round(made.cpu_s, 3),
    )


def _row(part: making.MadePart, duration_ms: int) -> dict[str, Any]:
    facts = part.facts
    fps_milli = facts.get("fps_milli")
    return {
        "name": facts["name"], "kind": facts["kind"], "codec": facts["codec"], "width": facts.get("width"),
        "height": facts.get("height"), "fps": fps_milli / 1000 if fps_milli else None, "bytes": facts["bytes"],
        "kbit_s": round(8 * facts["bytes"] / duration_ms, 2), "file": part.path.name,
    }
