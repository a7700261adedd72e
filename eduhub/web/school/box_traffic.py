"""At a box: where the megabytes went, and what had to go for lack of room. For the school's admin."""

from dataclasses import dataclass

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub import clock, guard
from eduhub.courses.models import Lesson
from eduhub.delivery.models import PartRow
from eduhub.http import caches
from eduhub.schools import calendars
from eduhub.schools.models import Organisation
from eduhub.sync.allowance import allowing, traffic, wishes
from eduhub.sync.models import Dropped, NoRoom
from eduhub.web import plots
from eduhub.web.edge import reading, row_of
from eduhub.web.rights import SCHOOL, TEACHES_SOMEWHERE

bp = Blueprint("box_traffic", __name__)
DAYS, MOST = 30, 20


@dataclass(frozen=True)
class Row:
    """A lesson and bytes; no lesson: streams, the catalog, what went home, headers."""

    lesson: Lesson | None
    bytes: int
    saved: int = 0  # of them by a neighbour or a stick


@dataclass(frozen=True)
class Gone:
    """What had to go of a lesson. `is_all`: the lesson cannot be watched here any more."""

    lesson: Lesson
    bytes: int
    is_all: bool
    day: str


@bp.get("/schools/<org_uid>/traffic")
@guard.allow(SCHOOL)
@caches("no-store")
def receipt(org_uid: str) -> ResponseReturnValue:
    """The megabytes of the last thirty days, by day and by lesson."""
    here = guard.here()
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        now = allowing.standing(session, here)
        verdict = allowing.verdict(now)
        at_ms, zone = traffic.now_ms(session, here.steady), calendars.zone_of(session, org_uid)
        days = _days(session, at_ms, zone)
        top = max(count for _day, count in days)
        rows = _lessons(session, max(1, at_ms - DAYS * traffic.DAY_MS))
        return render_template(
            "school/box_traffic.html", school=school, now=now, verdict=verdict, days=days, top=top, rows=rows[:MOST],
            path=plots.bars([count for _day, count in days], top), total=sum(count for _day, count in days), more=len(rows) - MOST,
            gone=_gone(session, zone), no_room=_no_room(session), missing=_missing(session), wished=set(wishes.alive(session)),
            is_dated=traffic.is_dated(at_ms), may_wish=guard.may(TEACHES_SOMEWHERE),
        )  # fmt: skip


def _days(session: Session, at_ms: int, zone: str) -> list[tuple[str, int]]:
    """Bytes on the link on each of the last days there, the oldest first."""
    sums: dict[str, int] = {}
    for row in traffic.by_hour(session, max(1, at_ms - DAYS * traffic.DAY_MS), traffic.LINK):
        day = _day(row.hour_ms, zone)
        sums[day] = sums.get(day, 0) + row.moved.down + row.moved.up
    days = [_day(at_ms - back * traffic.DAY_MS, zone) for back in range(DAYS - 1, -1, -1)]
    return [(day, sums.get(day, 0)) for day in days]


def _day(at_ms: int, zone: str) -> str:
    return clock.day_of(max(0, at_ms), zone)


def _lessons(session: Session, since_ms: int) -> list[Row]:
    link: dict[str, int] = {}
    saved: dict[str, int] = {}
    for row in traffic.by_lesson(session, since_ms):
        into = link if row.via == traffic.LINK else saved
        into[row.lesson_uid] = into.get(row.lesson_uid, 0) + row.moved.down + row.moved.up
    lessons = _of(session, link.keys() | saved.keys())
    unknown = sum(count for uid, count in link.items() if uid and uid not in lessons)  # a lesson that is not here any more
    rows = [Row(lesson, link.get(uid, 0), saved.get(uid, 0)) for uid, lesson in lessons.items()]
    rows.append(Row(None, link.get("", 0) + unknown))
    return sorted((row for row in rows if row.bytes or row.saved), key=lambda row: (-row.bytes, -row.saved))


def _of(session: Session, uids: set[str]) -> dict[str, Lesson]:
    return {row.uid: row for row in session.scalars(select(Lesson).where(Lesson.uid.in_(sorted(uid for uid in uids if uid)[:5000])))}


def _gone(session: Session, zone: str) -> list[Gone]:
    found = session.execute(
        select(Dropped.lesson_uid, func.sum(Dropped.bytes), func.max(Dropped.at_ms)).group_by(Dropped.lesson_uid)
        .order_by(func.max(Dropped.at_ms).desc(), Dropped.lesson_uid).limit(MOST)
    ).all()  # fmt: skip
    whole = set(session.scalars(select(Dropped.lesson_uid).where(Dropped.is_floor.is_(True))))
    lessons = _of(session, {uid for uid, _size, _at in found})
    return [Gone(lessons[uid], int(size), uid in whole, _day(at_ms, zone)) for uid, size, at_ms in found if uid in lessons]


def _no_room(session: Session) -> list[Row]:
    found = dict(session.execute(select(NoRoom.lesson_uid, NoRoom.bytes)).all())
    return [Row(lesson, found[uid]) for uid, lesson in sorted(_of(session, set(found)).items())]


def _missing(session: Session) -> list[Row]:
    """Published lessons of which something wanted is not here, the most first."""
    left = (
        select(PartRow.package_id, func.sum(PartRow.bytes).label("bytes")).where(PartRow.wanted.is_(True), PartRow.held.is_(False))
        .group_by(PartRow.package_id).subquery()
    )  # fmt: skip
    found = session.execute(
        select(Lesson, left.c.bytes).join(left, left.c.package_id == Lesson.package_id).where(Lesson.state == "published")
        .order_by(left.c.bytes.desc(), Lesson.uid).limit(MOST)
    )  # fmt: skip
    return [Row(lesson, int(size)) for lesson, size in found]
