"""What an event is: its row, made of what arrived. See docs/formats/events.md.

This module must not know what is stored already, nor whether an event counts.
"""

import json
import re
from typing import Any

from eduhub import clock
from eduhub.errors import BadFormat, BadInput, EduHubError
from eduhub.learning.models import Event
from eduhub.uids import parse_uid

LONGEST_MS = 48 * 3600 * 1000  # a lesson
MAX_EVENT_BYTES = 4096
MAX_SUBJECTS = 100
_WORD = re.compile(r"[a-z][a-z0-9_.]{0,19}")
_OF_NOBODY = frozenset({"system", "station"})  # contexts in which an event may have no actor


def parse(found: Any, *, source: str) -> Event:
    """The row of one event; raises BadFormat when it is none."""
    if not isinstance(found, dict):
        raise BadFormat("an event is an object")
    body = _storable(found)
    event = Event(
        uid=_uid(found, "uid"), kind=_word(found, "kind"), version=_number(found, "version", 1, 1_000_000),
        org_uid=_uid(found, "org"), actor_uid=_uid_or_none(found, "actor"), subject_uids=_subjects(found),
        context=_word(found, "context"), lesson_uid=_uid_or_none(found, "lesson"),
        timeline_uid=_uid_or_none(found, "timeline"), part=_part(found),
        from_ms=_number_or_none(found, "from_ms", LONGEST_MS),
        to_ms=_number_or_none(found, "to_ms", LONGEST_MS),
        watched_ms=_number_or_none(found, "watched_ms", 10 * LONGEST_MS),
        stalls=_number_or_none(found, "stalls", 1_000_000), source=source,
        made_ms=_number(found, "made_ms", 0, 2**53 - 1), body=body, quarantined=None,
    )  # fmt: skip
    if event.actor_uid is None and event.context not in _OF_NOBODY:
        raise BadFormat("an event of a person has an actor")
    if event.kind == "watched" and None in (event.lesson_uid, event.timeline_uid, event.from_ms, event.to_ms):
        raise BadFormat("watched says which lesson, on which time axis, from when to when")
    return event


def salvage(found: Any, source: str) -> Event | None:
    """What the hub can still keep of an event that it cannot read: a later release may."""
    try:
        if not isinstance(found, dict):
            return None
        return Event(
            uid=_uid(found, "uid"), kind="unreadable", version=1, org_uid=_uid(found, "org"), actor_uid=None,
            subject_uids=[], context="system", source=source, made_ms=clock.now_ms(), body=_storable(found),
            quarantined="unreadable",
        )  # fmt: skip
    except EduHubError:
        return None


# --- inside -------------------------------------------------------------------------


# --- reading one field --------------------------------------------------------------


def _storable(found: dict[str, Any]) -> dict[str, Any]:
    """The event as it arrived, if both engines can hold it."""
    try:
        written = json.dumps(found, ensure_ascii=False, allow_nan=False)
        size = len(written.encode("utf-8"))
    except (ValueError, RecursionError) as error:  # not-a-number, half a surrogate pair, depth
        raise BadFormat("an event cannot be stored") from error
    if size > MAX_EVENT_BYTES or "\\u0000" in written:
        raise BadFormat(f"an event has at most {MAX_EVENT_BYTES} bytes and no zero character")
    return found


def _uid(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    try:
        return parse_uid(value if isinstance(value, str) else "")
    except BadInput as error:
        raise BadFormat(f"{name} is a uid") from error


def _uid_or_none(found: dict[str, Any], name: str) -> str | None:
    return None if found.get(name) is None else _uid(found, name)


def _word(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise BadFormat(f"{name} is a short word")
    return value


def _number(found: dict[str, Any], name: str, low: int, high: int) -> int:
    value = found.get(name)
    if type(value) is not int or not low <= value <= high:
        raise BadFormat(f"{name} is a whole number from {low} to {high}")
    return value


def _number_or_none(found: dict[str, Any], name: str, high: int) -> int | None:
    return None if found.get(name) is None else _number(found, name, 0, high)


def _part(found: dict[str, Any]) -> str | None:
    value = found.get("part")
    if value is not None and (not isinstance(value, str) or len(value) > 64):
        raise BadFormat("part is the name of a part")
    return value


def _subjects(found: dict[str, Any]) -> list[str]:
    value = found.get("subjects") or []
    if not isinstance(value, list) or len(value) > MAX_SUBJECTS:
        raise BadFormat(f"subjects is a list of at most {MAX_SUBJECTS}")
    return sorted({_uid({"subjects": uid}, "subjects") for uid in value})
