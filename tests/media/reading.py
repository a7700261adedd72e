"""Look into encoded files: frames with their times, flashes and beeps, the index."""

import io
import json
from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from eduhub.media import boxes

if TYPE_CHECKING:
    from tests.media.conftest import Encoded

Make = Callable[[Callable[[Path], Path]], "Encoded"]
VIDEO, AUDIO = ("v240", "v360", "v720"), ("aac", "opus")


def decode(payload: bytes | Path) -> list[tuple[float, Any]]:
    """The frames of a track with their times in seconds.

    ffmpeg's reader, which PyAV is, adds the reordering of B-frames to all times; browsers do not.
    """
    payload = payload if isinstance(payload, bytes) else payload.read_bytes()
    init, chunks = boxes.read(io.BytesIO(payload))
    late_s = max(-chunk.least_offset for chunk in chunks) / init.timescale
    with av.open(io.BytesIO(payload)) as container:
        return [(frame.time - late_s, frame) for frame in container.decode(container.streams[0])]


def read_index(made: "Encoded") -> dict[str, Any]:
    return json.loads((made.folder / "index.json").read_bytes())


def samples(frame: Any) -> Sequence[float]:
    return array("f", bytes(frame.planes[0])[: 4 * frame.samples])


def flashes_of(frames: Iterable[tuple[float, Any]]) -> list[float]:
    """When the picture turns white, in seconds."""
    lights = [(time, bytes(frame.reformat(format="gray").planes[0])) for time, frame in frames]
    bright = [(time, sum(light) > 128 * len(light)) for time, light in lights]
    return [time for (_t, before), (time, now) in pairwise([(0.0, False), *bright]) if now and not before]


def beeps_of(frames: Iterable[tuple[float, Any]]) -> list[float]:
    """When the beeps begin, in seconds: sound after at least 1 s of silence."""
    loud = [
        time + number / frame.sample_rate
        for time, frame in frames for number, value in enumerate(samples(frame)) if abs(value) > 0.1
    ]  # fmt: skip
    return [time for before, time in pairwise([-10.0, *loud]) if time - before > 1]
