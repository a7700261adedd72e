"""What a box's page says of its room and of the boxes beside it: how much is kept, what had to go and why, what finds no room.

This module must not know routes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext, ngettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub.delivery.models import PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.sync.allowance import evicting, traffic
from eduhub.sync.allowance.evicting import Dropping
from eduhub.sync.mirrors import known
from eduhub.sync.models import NoRoom, OutboxRow
from eduhub.web import languages, shown


@dataclass(frozen=True)
class Kept:
    """Figures of this box. `waiting`: rows that go home yet; `unfit`: lessons that find no room, whatever may go."""

    lessons: int
    bytes: int
    waiting: int
    unfit: int


def kept(session: Session) -> Kept:
    """What is kept here, in one question."""
    lessons = select(func.count(func.distinct(PackageRow.lesson_uid))).where(PackageRow.floor_held, ~PackageRow.withdrawn)
    held = select(func.coalesce(func.sum(PartRow.bytes), 0)).where(PartRow.held)
    waiting = select(func.count()).select_from(OutboxRow).where(OutboxRow.acknowledged_steady_s.is_(None))
    unfit = select(func.count()).select_from(NoRoom)
    found = session.execute(select(*(asked.scalar_subquery() for asked in (lessons, held, waiting, unfit)))).one()
    return Kept(*(int(count) for count in found))


def gone(session: Session) -> Sequence[str]:
    """What was let go of, a sentence for each reason."""
    return [_gone_for(found) for found in evicting.dropped_by_reason(session)]


def _gone_for(found: Dropping) -> str:
    if found.why == evicting.NO_ROOM:
        text = ngettext(
            "%(num)s lesson made room for what is needed sooner, because the disk was full: %(size)s.",
            "%(num)s lessons made room for what is needed sooner, because the disk was full: %(size)s.",
            found.lessons, size=shown.megabytes(found.bytes),
        )  # fmt: skip
    else:
        text = ngettext(
            "%(num)s lesson lost parts for another reason: %(size)s.", "%(num)s lessons lost parts for another reason: %(size)s.",
            found.lessons, size=shown.megabytes(found.bytes),
        )  # fmt: skip
    if not found.whole:
        return languages.in_a_row(text, gettext("They can all be watched, with less sharp pictures."))
    return languages.in_a_row(text, ngettext(
        "%(num)s of them cannot be watched here any more.", "%(num)s of them cannot be watched here any more.", found.whole
    ))  # fmt: skip


def full(unfit: int, percent: int, disk_bytes: int | None) -> str:
    """Why new lessons find no room, or may soon not; '' where they do."""
    if unfit:
        why = gettext("Lessons fill the room that the school gives them.") if disk_bytes is not None else gettext("The disk is full.")
        lacking = ngettext("There is no room for %(num)s lesson.", "There is no room for %(num)s lessons.", unfit)
        return languages.in_a_row(why, lacking, gettext("What the children do is still kept."))
    return str(gettext("The disk is nearly full. New lessons may find no room.")) if percent >= NEARLY_FULL_PERCENT else ""


NEARLY_FULL_PERCENT = 90


def beside(session: Session, installation: Installation) -> str:
    """The boxes of other schools on this network, and what came of them; '' where there are none and nothing came."""
    names, lessons = known.beside(session, installation.steady.now_s()), traffic.lessons_by(session, traffic.NEIGHBOUR)
    came = ngettext("%(num)s lesson came from beside.", "%(num)s lessons came from beside.", lessons) if lessons else ""
    if not names:
        return languages.in_a_row(gettext("No other box is beside this one now."), came) if came else ""
    nameless = gettext("without a name")
    here = ngettext(
        "Another box is beside this one: %(names)s.", "Other boxes are beside this one: %(names)s.", len(names),
        names=", ".join(name or nameless for name in names[:5]),
    )  # fmt: skip
    return languages.in_a_row(here, came or gettext("No lesson has come from it yet."))
