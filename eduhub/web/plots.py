"""Small plots, drawn here as paths of inline SVG: the browser only fills them in.

A plot is 1000 wide and 100 high and is stretched to the page's width, so it holds no text; what it says
stands beside it in words, too.

This module must not know what the numbers mean.
"""

from collections.abc import Sequence

WIDTH, HEIGHT = 1000, 100
MOST_POINTS = 240


def thinned(values: Sequence[int]) -> list[int]:
    """At most MOST_POINTS values: the largest of each run that becomes one point, so that no peak is lost."""
    if len(values) <= MOST_POINTS:
        return list(values)
    run = -(-len(values) // MOST_POINTS)
    return [max(values[at : at + run]) for at in range(0, len(values), run)]


def area(values: Sequence[int], top: int) -> str:
    """The path of a surface in steps; `top` is the value at full height."""
    points = thinned(values)
    if not points or top <= 0:
        return ""
    step, path = WIDTH / len(points), [f"M0 {HEIGHT}"]
    for number, value in enumerate(points):
        path.append(f"V{_y(value, top)}H{_short((number + 1) * step)}")
    return "".join(path) + f"V{HEIGHT}Z"


def bars(values: Sequence[int], top: int, gap: float = 0.2) -> str:
    """The path of one bar for each value that is not 0."""
    points = thinned(values)
    if not points or top <= 0:
        return ""
    step = WIDTH / len(points)
    return "".join(
        f"M{_short((number + gap / 2) * step)} {HEIGHT}V{_y(value, top)}h{_short(step * (1 - gap))}V{HEIGHT}z"
        for number, value in enumerate(points) if value
    )


def peaks(values: Sequence[int], most: int = 3, least: int = 2) -> list[tuple[int, int]]:
    """The largest values with their places, in the order of the places; neighbours of a larger one are not named."""
    found: list[tuple[int, int]] = []
    for place in sorted(range(len(values)), key=lambda at: -values[at]):
        if values[place] < least or len(found) == most:
            break
        if all(abs(place - other) > 2 for other, _value in found):
            found.append((place, values[place]))
    return sorted(found)


def _y(value: int, top: int) -> str:
    return _short(HEIGHT * (1 - min(value, top) / top))


def _short(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")
