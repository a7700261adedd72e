"""At the hub: files for sticks are made, and what came home is taken in. What the county's page and a school's have in common.

This module must not know whose boxes they are: that is the page's to say.
"""

from collections.abc import Collection, Mapping, Sequence

from flask import flash, request
from flask_babel import gettext
from sqlalchemy.orm import Session

from eduhub import clock, guard
from eduhub.errors import NotAllowed, NotFound
from eduhub.schools import calendars
from eduhub.sync.courier import jobs
from eduhub.sync.courier.arriving import Came
from eduhub.sync.models import Node
from eduhub.web import shown, stick_files
from eduhub.web.edge import note, writing

# What a stick says on its outside, in GB, and how many MB of that files have: a file system takes its share of each file.
_STICKS = {4: 3_600, 8: 7_200, 16: 14_400, 32: 28_800, 64: 57_600}
_ALL = "all"


def sizes() -> list[tuple[str, str]]:
    """(value, words) of how large a file may be."""
    of_sticks = [(str(size), gettext("for a stick of %(size)s", size=shown.megabytes(size * 1_000_000_000))) for size in _STICKS]
    return [(_ALL, gettext("everything, however large")), *of_sticks]


def begin(session: Session, nodes: Mapping[str, Node], chosen: Sequence[str]) -> None:
    """Have a file made for the chosen boxes, by uid; those that the reader may choose are `nodes`. Raises NotFound."""
    if not set(chosen) <= set(nodes):
        raise NotFound("no such box")
    if not chosen:
        flash(gettext("Choose the schools' boxes that the file is for."))
        return
    size = request.form.get("size", _ALL)
    most_mb = _STICKS.get(int(size)) if size.isdecimal() and len(size) < 4 else None
    names = sorted(nodes[uid].name for uid in chosen)
    words = names if len(names) <= 2 else [names[0], f"and {len(names) - 1} more"]
    name = stick_files.file_name(*words, str(clock.today(calendars.TIME_ZONE)))
    jobs.start_packing(session, guard.here(), list(chosen), name, most_mb)
    for node_uid in chosen:
        note(session, "courier.pack", nodes[node_uid].org_uid, node_uid)
    flash(gettext("The file is being made. It can be downloaded from this page as soon as it is ready."))


def file_for(session: Session, file_uid: str, nodes: Collection[str]) -> jobs.File:
    """A file that was made for no other boxes than these. Raises NotFound, NotAllowed."""
    file = jobs.file_of(session, guard.here(), file_uid)
    if not file.nodes <= set(nodes):
        raise NotAllowed("a file for other boxes")
    return file


def take_home(boxes: frozenset[str] | None) -> None:
    """Take in what is sent of these boxes (None: of all). Raises as `stick_files.take_home`."""

    def start(key: str, name: str, came: Came) -> None:
        with writing() as session:
            job = jobs.start_taking(session, key, name, nodes=came.boxes, passed_over=came.passed_over)
            note(session, "courier.take_home", "", job.uid)
        flash(gettext("The file is here. What is in it stands below in a moment."))

    if not stick_files.take_home(boxes, start):
        flash(gettext("Choose a file first."))
