"""Hub: what boxes have said of themselves, one document each, as it came last. See docs/formats/box-status.md.

Nothing in it is believed to be of the right kind before `read` has looked. What a later release says besides is kept. By
link the newest is what comes; a stick may bring what is older than that, and then it is passed over.

This module must not know how a document is made (`box_status`), nor pages.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.changes.values import check_plain
from eduhub.errors import BadFormat, BadInput
from eduhub.sync import unpacking
from eduhub.sync.models import BoxStatus
from eduhub.sync.status import readiness
from eduhub.sync.status.box_status import FORMAT
from eduhub.sync.status.readiness import NEXT

MAX_BYTES, MAX_UNPACKED_BYTES = 8 << 10, 32 << 10
MAX_DAYS, MAX_HOURS, MAX_WORD = 14, 48, 60
_GZIP = b"\x1f\x8b"
_MOST = 2**53 - 1


def unpacked(body: bytes) -> dict[str, Any]:
    """The document in what was sent, as `read` lets it through. Raises BadFormat."""
    if len(body) > MAX_BYTES:
        raise BadFormat(f"what a box says of itself has at most {MAX_BYTES} bytes")
    text = unpacking.unpacked(body, MAX_UNPACKED_BYTES) if body[:2] == _GZIP else body
    try:
        return read(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise BadFormat("not JSON") from error


def read(found: Any) -> dict[str, Any]:
    """The document, when every field that this release knows is of its kind; others are kept. Raises BadFormat."""
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadFormat(f"not an {FORMAT}")
    check_plain(found)
    wrong = [name for name, fits in _FIELDS.items() if name in found and not fits(found[name])]
    if wrong or not _is_count(found.get("made_steady_s")):
        raise BadFormat(f"a status with a wrong {wrong[0] if wrong else 'made_steady_s'}")
    return found


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_WORD


def _is_or_none(value: Any) -> bool:
    return value is None or _is_count(value)


def _counts(*names: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(_is_count(value.get(name)) for name in names)


def _is_days(value: Any) -> bool:
    return isinstance(value, dict) and len(value) <= MAX_DAYS and all(
        (day == NEXT or _is_day(day)) and isinstance(counts, list) and len(counts) <= 2 * len(readiness.STATES)
        and len(counts) >= len(readiness.STATES) and all(_is_count(count) for count in counts)
        for day, counts in value.items()
    )  # fmt: skip


def _is_day(text: str) -> bool:
    try:
        return clock.check_day(text) == text
    except BadInput:
        return False


def _is_battery(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict) and _is_count(value.get("percent")) and value["percent"] <= 100
        and value.get("charging") in (True, False, None)
    )  # fmt: skip


def _is_hours(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MAX_HOURS and all(_is_count(count) for count in value)


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "made_steady_s": _is_count, "clock_ms": _is_or_none, "version": _is_word, "lamp": _is_word, "days": _is_days,
    "disk": _counts("free", "total"), "backlog": _counts("rows", "oldest_s"), "rate": _is_or_none,
    "left": _counts("lessons", "bytes"), "open": lambda value: isinstance(value, bool), "battery": _is_battery,
    "hours": _is_hours, "release": _is_word, "policy": _is_word, "dropped": _counts("lessons", "bytes"),
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A document as pages read it: None where the box did not say."""

    version: str | None
    lamp: str
    days: dict[str, list[int]]
    disk_free: int | None
    disk_total: int | None
    backlog: int | None
    oldest_s: int | None
    rate: int | None
    lessons_left: int | None
    bytes_left: int | None
    is_open: bool | None
    battery: int | None
    is_charging: bool | None
    knows_the_time: bool
    hours: list[int] | None
    release: str | None
    policy: str | None
    dropped: int | None

    @property
    def lessons(self) -> tuple[int, int]:
        """Of all the days that it counts: how many lessons can be watched there, and how many there are."""
        return readiness.tally([sum(of_state) for of_state in zip(*self.days.values(), strict=False)])


def of_document(document: dict[str, Any]) -> Told:
    """A document that `read` has let through."""
    disk, backlog, left = (document.get(name) or {} for name in ("disk", "backlog", "left"))
    charge, dropped = document.get("battery") or {}, document.get("dropped") or {}
    lamp = document.get("lamp")
    return Told(
        version=document.get("version"), lamp=lamp if lamp in readiness.LAMPS else readiness.UNKNOWN, days=document.get("days") or {},
        disk_free=disk.get("free"), disk_total=disk.get("total"), backlog=backlog.get("rows"), oldest_s=backlog.get("oldest_s"),
        rate=document.get("rate"), lessons_left=left.get("lessons"), bytes_left=left.get("bytes"), is_open=document.get("open"),
        battery=charge.get("percent"), is_charging=charge.get("charging"), knows_the_time=document.get("clock_ms") is not None,
        hours=document.get("hours"), release=document.get("release"), policy=document.get("policy"),
        dropped=dropped.get("lessons"),
    )  # fmt: skip


# --- kept ---------------------------------------------------------------------------


def note(session: Session, node_uid: str, document: dict[str, Any], *, is_carried: bool = False) -> bool:
    """Keep what a box said (as `read` let it through); False for what a stick brought late. Safe to repeat.

    What a stick brings is as old as the box says by its schedule clock, which is a time of this hub; never younger than now.
    """
    now_ms = clock.now_ms()
    row = session.get(BoxStatus, node_uid, with_for_update=True)
    if is_carried and row is not None and row.said.get("made_steady_s", 0) >= document["made_steady_s"]:
        return False
    if row is None:
        row = BoxStatus(node_uid=node_uid)
        session.add(row)
    made_ms = document.get("clock_ms") if is_carried else None
    row.said, row.told_ms = document, min(now_ms, made_ms) if made_ms is not None else now_ms
    session.flush()
    return True
