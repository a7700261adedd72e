"""Rows that travel between machines, and how two machines that changed them agree.

A class that inherits `Travelling` is logged by itself: on every flush, each changed field
becomes one row of the `change` table, in the same transaction, with a version
(Lamport counter, machine). No wall clock decides anything. For each field the highest
version wins; a *sticky* field that once has a value beats every "no value" (that is how a
withdrawal cannot be undone by an older or newer edit of another machine). The order is
total, so any two machines that have seen the same changes hold the same values, in whatever
order they saw them. The value that lost stays in `change`, where `history` finds it.

Changes of tables and fields that this release does not know are kept and relayed.

This package must not know which tables travel or who may change them. See docs/formats/changes.md.
"""

from eduhub.changes import flush as _flush  # noqa: F401 - its listeners log every flush
from eduhub.changes.erasing import bury, erase, erase_values, erased
from eduhub.changes.log import hold_machine, machine_uid, renew_machine, writing
from eduhub.changes.merging import merge, take_up
from eduhub.changes.models import STICKY_FIELDS, Change, FieldVersion, Machine, Tombstone, Travelling
from eduhub.changes.reading import (
    erased_after,
    fields_changed_after,
    history,
    latest_erasure,
    latest_seq,
    made_here,
    rows_changed_after,
    values_ever,
    versions,
)
from eduhub.changes.values import MAX_COUNTER, MAX_LEAD, FieldChange

__all__ = [
    "MAX_COUNTER", "MAX_LEAD", "STICKY_FIELDS", "Change", "FieldChange", "FieldVersion", "Machine", "Tombstone",
    "Travelling", "bury", "erase", "erase_values", "erased", "erased_after", "fields_changed_after", "history", "hold_machine",
    "latest_erasure", "latest_seq", "machine_uid", "made_here", "merge", "renew_machine", "rows_changed_after", "take_up", "values_ever",
    "versions", "writing",
]  # fmt: skip
