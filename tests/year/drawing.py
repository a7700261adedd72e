"""A year drawn by lot: everything that happens in the county, in order, from one seed.

An act is plain JSON, and stands for itself: any list of acts can be played, also one from which most were taken out. So a year that
ends badly can be made small (shrinking.py).
"""

import random
from typing import Any

Act = dict[str, Any]

BOXES, WEEKS, DAYS = 10, 40, 5
DAY_MIN = 24 * 60
_MODES = ("nothing", "everything", "names without bytes", "bytes without names", "some", "some", "some", "some")
YEARS_WRONG = (-56, -20, -1, 1, 30, 73)


def draw(seed: int, *, weeks: int = WEEKS, boxes: int = BOXES) -> list[Act]:
    """The acts of one year, in the order of their minute."""
    lot = random.Random(seed)
    acts: list[Act] = []
    silent = dict.fromkeys(range(boxes), 0)  # until which day its line is down
    for week in range(weeks):
        for day in range(DAYS):
            number = week * 7 + day
            for box in range(boxes):
                acts += _day_of_box(lot, number, box, silent)
            acts += _day_of_hub(lot, number)
        acts += _week(lot, week, boxes) + _trip(lot, week, boxes)
    acts.sort(key=lambda act: act["at_min"])
    return [act | {"seed": lot.getrandbits(32)} for act in acts]


def _at(lot: random.Random, day: int) -> int:
    return day * DAY_MIN + lot.randrange(7 * 60, 20 * 60)


def _day_of_box(lot: random.Random, day: int, box: int, silent: dict[int, int]) -> list[Act]:
    acts: list[Act] = []
    if lot.random() < 0.02:
        silent[box] = day + lot.randrange(2, 15)
    if lot.random() < 0.35:
        acts.append({"do": "learn", "box": box})
    for deed, share in (("rename", 0.02), ("admit", 0.015), ("leave", 0.01), ("replan", 0.04), ("retime", 0.01), ("policy", 0.015)):
        if lot.random() < share:
            acts.append({"do": deed, "box": box})
    if lot.random() < 0.3 and silent[box] <= day:
        acts.append({"do": "round", "box": box} | _weak_line(lot))
    for act in acts:
        act["at_min"] = _at(lot, day)
        if lot.random() < 0.06:
            act["cut"] = _cut(lot, "hub" if act["do"] == "round" and lot.random() < 0.4 else "box")
        elif lot.random() < 0.02:
            act["room"] = lot.choice([0, 3_000, 20_000, 90_000, 300_000])
    if lot.random() < 0.006:
        years = lot.choice(YEARS_WRONG)
        acts.append({"do": "clock", "box": box, "at_min": _at(lot, day), "wrong_h": lot.choice([0, 7, -30, years * 8766])})
    return acts


def _day_of_hub(lot: random.Random, day: int) -> list[Act]:
    acts: list[Act] = []
    shares = {
        "publish": 0.25, "take_course": 0.03, "admit": 0.06, "rename": 0.08, "leave": 0.03, "come_back": 0.03, "replan": 0.06,
        "retime": 0.01, "erase": 0.015, "new_key": 0.006, "policy": 0.03,
    }  # fmt: skip
    for deed, share in shares.items():
        if lot.random() < share:
            acts.append({"do": deed, "at_min": _at(lot, day)})
    for act in acts:
        if lot.random() < 0.04:
            act["cut"] = _cut(lot, "hub")
        elif lot.random() < 0.02:
            act["room"] = lot.choice([0, 3_000, 20_000, 90_000, 300_000])
    return acts


def _week(lot: random.Random, week: int, boxes: int) -> list[Act]:
    day = week * 7 + 5
    acts: list[Act] = [{"do": "night", "at_min": day * DAY_MIN + 60}]
    if lot.random() < 0.4:
        acts.append({"do": "backup", "at_min": _at(lot, day)})
    if lot.random() < 0.05:
        acts.append({"do": "restore", "at_min": _at(lot, day)} | _maybe_cut(lot))
    if lot.random() < 0.15:
        acts.append({"do": "backup", "box": lot.randrange(boxes), "at_min": _at(lot, day)})
    if lot.random() < 0.05:
        acts.append({"do": "clone", "box": lot.randrange(boxes), "at_min": _at(lot, day)})
    if lot.random() < 0.04:
        acts.append({"do": "restore", "box": lot.randrange(boxes), "at_min": _at(lot, day)} | _maybe_cut(lot))
    if lot.random() < 0.05:
        acts.append({"do": "replace", "box": lot.randrange(boxes), "stolen": lot.random() < 0.4, "at_min": _at(lot, day)})
    return acts + _releases(lot, day, boxes)


def _releases(lot: random.Random, day: int, boxes: int) -> list[Act]:
    """The next release comes to the hub or to a box; once in a while it is not healthy, and the one before is back for some days."""
    acts: list[Act] = []
    for who, share in [({}, 0.06), *(({"box": box}, 0.05) for box in range(boxes))]:
        if lot.random() < share:
            acts.append({"do": "update", **who, "at_min": _at(lot, day)} | _maybe_cut(lot))
            if lot.random() < 0.3:
                acts.append({"do": "take_back", **who, "at_min": _at(lot, day + lot.randrange(1, 4))} | _maybe_cut(lot))
                acts.append({"do": "update", **who, "at_min": _at(lot, day + lot.randrange(5, 9))})
    return acts


def _maybe_cut(lot: random.Random) -> Act:
    """The power goes while a backup is brought back, or right after it was said to be there."""
    return {"cut": _cut(lot, "box")} if lot.random() < 0.4 else {}


def _trip(lot: random.Random, week: int, boxes: int) -> list[Act]:
    """A stick is filled, carried to some boxes and back; or lost, or copied, or used again weeks later."""
    if lot.random() > 0.4:
        return []
    stick, day = lot.randrange(3), week * 7 + lot.randrange(5)
    goes_to = lot.sample(range(boxes), min(boxes, lot.randrange(1, 4)))
    acts: list[Act] = [{"do": "fill", "stick": stick, "for": goes_to, "at_min": _at(lot, day)}]
    if lot.random() < 0.15:
        acts.append({"do": "lose", "stick": stick, "at_min": _at(lot, day + 1)})
    if lot.random() < 0.2:
        acts.append({"do": "copy", "stick": stick, "to": lot.randrange(3), "at_min": _at(lot, day)})
    for number, box in enumerate([*goes_to, *(goes_to[:1] if lot.random() < 0.2 else [])]):
        acts.append({"do": "plug", "stick": stick, "box": box, "at_min": _at(lot, day + 1 + number)})
    acts.append({"do": "plug", "stick": stick, "at_min": _at(lot, day + 1 + lot.randrange(2, 12))})
    for act in acts:
        if act["do"] == "plug" and lot.random() < 0.1:
            act["cut"] = _cut(lot, "box" if "box" in act else "hub")
        elif act["do"] in {"plug", "fill"} and lot.random() < 0.15:
            act["pull"] = _cut(lot, "stick")
    return acts


def _weak_line(lot: random.Random) -> Act:
    drawn = lot.random()
    if drawn < 0.12:
        return {"line_bytes": int(10 ** lot.uniform(2, 6))}
    return {"losing": round(lot.uniform(0.02, 0.3), 2)} if drawn < 0.2 else {}


def _cut(lot: random.Random, who: str) -> Act:
    return {"who": who, "after": int(10 ** lot.uniform(0, 2.8)), "mode": lot.choice(_MODES), "lot": lot.getrandbits(32)}
