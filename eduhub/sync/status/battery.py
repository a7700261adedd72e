"""How full the battery of this machine is, where it has one and the kernel tells.

Boxes on solar panels, old laptops and tablets have one; most boxes have none and say nothing of it. This module must not
know who asks.
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("/sys/class/power_supply")
_MOST_BYTES = 64  # of one of the kernel's files; each holds a word


@dataclass(frozen=True)
class Battery:
    """`percent` is that of all batteries of the machine together; `is_charging` is None where the kernel does not know."""

    percent: int
    is_charging: bool | None


def read(folder: Path = FOLDER) -> Battery | None:
    """The machine's battery; None where there is none. A mouse's battery is not the machine's."""
    try:
        supplies = sorted(folder.iterdir())
    except OSError:
        return None
    levels, words = [], []
    for supply in supplies:
        if _word(supply / "type") not in {"Battery", "UPS"} or _word(supply / "scope") == "Device":
            continue
        level = _word(supply / "capacity")
        if level.isascii() and level.isdigit():
            levels.append(min(100, int(level)))
            words.append(_word(supply / "status"))
    if not levels:
        return None
    return Battery(round(sum(levels) / len(levels)), _is_charging(words))


def _is_charging(words: list[str]) -> bool | None:
    if "Discharging" in words:
        return False
    if "Charging" in words or "Full" in words:
        return True
    return None  # "Not charging" can mean full, too hot, or too little sun


def _word(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return ""
