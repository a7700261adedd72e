"""Cut spans out of a source and join them, in ffmpeg's filters: pictures and sound at the same instants.

Spans that lie far apart become inputs of their own, each of which is opened near its beginning, so that only what is used is
decoded. That is done for formats whose index can be trusted; in the others ffmpeg guesses the place, so they are decoded from the
start. A seek goes well before the span and nothing is dropped by it: the exact cut is made on what was decoded, because a slide that is
still shown may have been recorded as one picture a minute ago.

This module must not know files, processes or the database.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import ffmpeg

from eduhub.media.facts import Probe
from eduhub.media.ladder import CUT_GRID_MS, Ladder
from eduhub.media.recipes import Span

_TRUSTED_INDEX = frozenset({"mov", "matroska"})
_FAR_MS, _BEFORE_MS, _MOST_PARTS = 60_000, 10_000, 6
_GRID_FPS = 1000 // CUT_GRID_MS
_FADE_S = 0.005  # a cut in the middle of a wave clicks


@dataclass(frozen=True)
class Part:
    """One opening of the source at `seek_ms`, and the spans that are taken from it; None: all of it."""

    seek_ms: int
    spans: tuple[Span, ...] | None

    @property
    def seeking(self) -> dict[str, Any]:
        """Options that stand before its `-i`."""
        return {"noaccurate_seek": None, "ss": f"{self.seek_ms / 1000:.3f}"} if self.seek_ms else {}

    @property
    def local(self) -> tuple[tuple[float, float], ...]:
        """Its spans in seconds after the place where it was opened, which ffmpeg calls 0."""
        return tuple(((start - self.seek_ms) / 1000, (end - self.seek_ms) / 1000) for start, end in self.spans or ())


def parts_of(probe: Probe, spans: tuple[Span, ...] | None) -> tuple[Part, ...]:
    """How the source is opened for these spans."""
    if spans is None:
        return (Part(0, None),)
    if not _TRUSTED_INDEX & set(probe.format.split(",")):
        return (Part(0, spans),)
    gaps = sorted((later[0] - earlier[1] for earlier, later in pairwise(spans)), reverse=True)
    widest = gaps[: _MOST_PARTS - 1]
    least_ms = max(_FAR_MS, widest[-1]) if widest else _FAR_MS
    runs: list[list[Span]] = [[spans[0]]]
    for span in spans[1:]:
        if span[0] - runs[-1][-1][1] >= least_ms and len(runs) < _MOST_PARTS:
            runs.append([])
        runs[-1].append(span)
    return tuple(Part(_seek_ms(probe, run[0][0]), tuple(run)) for run in runs)


def _seek_ms(probe: Probe, start_ms: int) -> int:
    # Behind the last picture there is none to hold.
    ends = [probe.video.end_ms] if probe.video else []
    seek_ms = min(start_ms, *ends, probe.duration_ms) - _BEFORE_MS
    return seek_ms if seek_ms > _FAR_MS // 2 else 0


def picture(pictures: list[Any], parts: tuple[Part, ...], end_ms: int, chosen: Ladder) -> tuple[Any, int]:
    """The pictures of all spans as one stream from 0 on, and for how long its last one must be held, in ms."""
    if chosen.spans is None:
        return pictures[0], max(0, chosen.duration_ms - end_ms)
    cut = [_cut_picture(shown, part, end_ms) for shown, part in zip(pictures, parts, strict=True)]
    joined = cut[0] if len(cut) == 1 else ffmpeg.concat(*cut, v=1, a=0)
    return joined, 0


def _cut_picture(shown: Any, part: Part, end_ms: int) -> Any:
    # On a fine grid first, so that whatever is shown at the cut is there, though it began long before.
    last_ms = (part.spans or ((0, 0),))[-1][1]
    held_s = max(0, last_ms - end_ms) / 1000 + 1
    taken = "+".join(f"gte(t,{start - 0.002:.3f})*lt(t,{end - 0.002:.3f})" for start, end in part.local)
    return (
        shown.filter("trim", end=f"{(last_ms - part.seek_ms) / 1000 + 1:.3f}")
        .filter("fps", fps=_GRID_FPS, start_time=0)
        .filter("tpad", stop_mode="clone", stop_duration=f"{held_s:.3f}")
        .filter("select", taken)
        .filter("setpts", f"N/({_GRID_FPS}*TB)")
    )


def sound(sounds: list[Any], parts: tuple[Part, ...]) -> Any:
    """The sound of all spans as one stream from 0 on; each begins and ends softly."""
    cut: list[Any] = []
    for heard, part in zip(sounds, parts, strict=True):
        if part.spans is None:
            return heard
        whole = heard.filter("apad", whole_dur=f"{part.local[-1][1] + 1:.3f}")
        copies = whole.filter_multi_output("asplit", len(part.local)) if len(part.local) > 1 else None
        for number, (start, end) in enumerate(part.local):
            copy = copies.stream(number) if copies else whole
            cut.append(_cut_sound(copy, start, end))
    return cut[0] if len(cut) == 1 else ffmpeg.concat(*cut, v=0, a=1)


def _cut_sound(heard: Any, start: float, end: float) -> Any:
    taken = heard.filter("atrim", start=f"{start:.3f}", end=f"{end:.3f}").filter("asetpts", "PTS-STARTPTS")
    soft = taken.filter("afade", type="in", start_time=0, duration=_FADE_S)
    return soft.filter("afade", type="out", start_time=f"{end - start - _FADE_S:.3f}", duration=_FADE_S)
