"""Make only some steps of a clip: what a test looks at, and no more."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eduhub.config import Settings
from eduhub.media import ladder, making, workroom
from eduhub.media.facts import Probe
from eduhub.media.recipes import WHOLE, Recipe
from tests.media.reading import decode


@dataclass(frozen=True)
class Stepped:
    """What some steps made, moved out of the work folder."""

    folder: Path
    probe: Probe
    chosen: ladder.Ladder
    parts: tuple[making.MadePart, ...]

    def facts(self, name: str) -> dict[str, Any]:
        return next(part.facts for part in self.parts if part.facts["name"] == name)

    def frames(self, name: str) -> list[tuple[float, Any]]:
        return decode(self.folder / f"{name}.mp4")


Steps = Callable[..., Stepped]


def run(source: Path, folder: Path, *names: str, recipe: Recipe = WHOLE, ffmpeg: str = "") -> Stepped:
    """Make the named steps of `source`; no name: look only."""
    settings = Settings(data_dir=folder / "data", ffmpeg=ffmpeg, encode_threads=1)
    out = folder / "out"
    out.mkdir()
    with workroom.staged(source, folder / "work") as work:
        probe = making.look(work, settings)
        chosen = ladder.choose(probe, recipe)
        parts = tuple(
            part for name in names
            for part in making.make_step(work, settings, probe, chosen, chosen.step(name), language="zh").parts
        )  # fmt: skip
        for part in parts:
            part.path.rename(out / part.path.name)
    return Stepped(out, probe, chosen, parts)


def pixel(frame: Any, x: float, y: float) -> tuple[int, int, int]:
    """Red, green and blue at a place (0 to 1 from the left and the top) of a picture of ours: BT.709, limited range."""
    luma, blue, red = (_at(plane, x, y) for plane in frame.planes)
    light, u, v = (luma - 16) / 219, (blue - 128) / 224, (red - 128) / 224
    found = (light + 1.5748 * v, light - 0.1873 * u - 0.4681 * v, light + 1.8556 * u)
    return tuple(round(255 * min(1.0, max(0.0, value))) for value in found)  # type: ignore[return-value]


def _at(plane: Any, x: float, y: float) -> int:
    return bytes(plane)[int(y * plane.height) * plane.line_size + int(x * plane.width)]
