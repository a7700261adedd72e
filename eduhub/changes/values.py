"""One change as it travels, the total order of changes, and what a value may be. Pure functions.

A value is text, a whole number within +-(2**53 - 1), true, false, null, or lists and objects of
these. Floats, NUL characters and lone surrogates are refused where they are written: the two
database engines do not store them alike, and a value that one machine can hold and another
cannot would stop every later change behind it.
"""

import hashlib
import inspect
import json
import re
import typing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy.orm import DeclarativeBase

from eduhub.changes.models import STICKY_FIELDS
from eduhub.db import Json
from eduhub.errors import BadFormat, BadInput
from eduhub.uids import parse_uid

# The largest whole number that every language reads exactly.
MAX_COUNTER = 2**53 - 1
# A counter further ahead of ours than this is a lie (four thousand million writes since we last
# heard). Without it one hostile machine could push everybody's counter to the end of its range.
MAX_LEAD = 2**32
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MAX_DEPTH = 16


@dataclass(frozen=True)
class FieldChange:
    """One change as it travels. `by_uid` and `made_ms` are for showing only."""

    table_name: str
    row_uid: str
    field: str
    counter: int
    machine_uid: str
    org_uid: str
    value: Any
    made_ms: int
    by_uid: str | None = None

    @property
    def row(self) -> tuple[str, str]:
        """The row it belongs to."""
        return self.table_name, self.row_uid

    @property
    def rank(self) -> tuple[bool, int, str, str]:
        """Its place in the total order of the changes of one field; the highest is the field's value.

        The value itself comes last, for two machines that were cloned and still bear one name.
        """
        is_set_for_good = self.field in STICKY_FIELDS and self.value is not None
        return is_set_for_good, self.counter, self.machine_uid, as_text(self.value)

    def as_json(self) -> list[Any]:
        """The travelling form: a list in the order of the fields above."""
        return [
            self.table_name, self.row_uid, self.field, self.counter, self.machine_uid,
            self.org_uid, self.value, self.made_ms, self.by_uid,
        ]  # fmt: skip

    @classmethod
    def from_json(cls, found: Any) -> "FieldChange":
        """Raises BadFormat for anything that `as_json` cannot have written."""
        if not isinstance(found, list) or len(found) < 9:  # a later release may add to the end
            raise BadFormat("a change is a list of nine")
        change = cls(*found[:9])
        try:
            for uid in (change.row_uid, change.machine_uid, change.org_uid, *([change.by_uid] if change.by_uid is not None else [])):
                parse_uid(uid)
        except (BadInput, TypeError) as error:
            raise BadFormat("a change names rows, machines, organisations and people by uid") from error
        if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in (change.table_name, change.field)):
            raise BadFormat("a change names a table and a field")
        if not _is_whole(change.counter, 1, MAX_COUNTER) or not _is_whole(change.made_ms, 0, MAX_COUNTER):
            raise BadFormat("a change has a counter and a time")
        check_plain(change.value)
        return change


def _is_whole(number: Any, low: int, high: int) -> bool:
    return type(number) is int and low <= number <= high


def as_text(value: Any) -> str:
    """The one text of a value: JSON with sorted keys, no spaces, and everything but ASCII escaped."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def value_hash(value: Any) -> str:
    """What tells two values of one version apart in the log."""
    return hashlib.sha256(as_text(value).encode("ascii")).hexdigest()[:32]


def check_plain(value: Any) -> None:
    """Raise BadFormat for a value that not every machine can hold."""
    waiting = [(value, 0)]
    while waiting:
        found, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise BadFormat("a value is nested too deeply")
        if isinstance(found, str):
            if _UNSTORABLE.search(found):
                raise BadFormat("a text has a character that cannot be stored")
        elif isinstance(found, dict):
            waiting.extend((part, depth + 1) for part in (*found.keys(), *found.values()))
            if not all(isinstance(key, str) for key in found):
                raise BadFormat("the keys of an object are texts")
        elif isinstance(found, list):
            waiting.extend((part, depth + 1) for part in found)
        elif found is not None and not isinstance(found, bool) and not _is_whole(found, -MAX_COUNTER, MAX_COUNTER):
            raise BadFormat(f"a value cannot be {type(found).__name__} or a number beyond 2**53")


def check_fits(model: type[DeclarativeBase], key: str, value: Any) -> None:
    """Raise BadFormat when a column of `model` cannot hold `value` (null fits every column here)."""
    check_plain(value)
    if value is None:
        return
    column: Any = model.__mapper__.columns[key]
    if isinstance(column.type, type(Json)):
        container, inner = _json_shape(model, key)
        fits = isinstance(value, container) and (inner is Any or all(isinstance(part, inner) for part in _parts(value)))
    else:
        wanted = column.type.python_type
        fits = isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))
        if wanted is str and column.type.length is not None:
            fits = fits and len(value) <= column.type.length
    if not fits:
        raise BadFormat(f"{column.table.name}.{key} cannot hold this value")


def _parts(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


@lru_cache(maxsize=256)
def _json_shape(model: type[DeclarativeBase], key: str) -> tuple[type, Any]:
    """(list or dict, type of its parts) as the class declares it: `Mapped[dict[str, str] | None]`."""
    for owner in model.__mro__:
        declared = inspect.get_annotations(owner).get(key)
        if declared is not None:
            found = typing.get_args(declared)[0]
            options = [found, *typing.get_args(found)]
            shape = next(option for option in options if typing.get_origin(option) in {list, dict})
            return typing.get_origin(shape), typing.get_args(shape)[-1]
    raise TypeError(f"{model.__name__}.{key} is not declared")
