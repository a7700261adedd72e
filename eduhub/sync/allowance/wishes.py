"""Node: lessons that a person wants now. They come before all others, until they are whole or a week of running time old.

This module must not know pages, nor how anything is fetched.
"""

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from eduhub.clock import SteadyClock
from eduhub.courses.models import Lesson
from eduhub.errors import NotFound
from eduhub.sync.models import Wish

KEPT_S, MOST = 7 * 86_400, 20


def make(session: Session, steady: SteadyClock, lesson_uid: str) -> None:
    """Want a lesson now; of many wishes the oldest are forgotten. Raises NotFound for one that is not published."""
    lesson = session.get(Lesson, lesson_uid)
    if lesson is None or lesson.state != "published" or lesson.package_id is None:
        raise NotFound("no such lesson, or it is not published")
    session.merge(Wish(lesson_uid=lesson_uid, made_steady_s=int(steady.now_s())))
    session.flush()
    newest = select(Wish.lesson_uid).order_by(Wish.made_steady_s.desc(), Wish.lesson_uid).limit(MOST)
    session.execute(delete(Wish).where(Wish.lesson_uid.not_in(session.scalars(newest).all())))


def take_back(session: Session, lesson_uid: str) -> None:
    """Want it no sooner than others. Safe to repeat."""
    session.execute(delete(Wish).where(Wish.lesson_uid == lesson_uid))


def alive(session: Session) -> list[str]:
    """The lessons that are wanted now, the oldest wish first."""
    return list(session.scalars(select(Wish.lesson_uid).order_by(Wish.made_steady_s, Wish.lesson_uid)))


def forget(session: Session, steady: SteadyClock, whole: set[str]) -> None:
    """Take out the wishes that came true, and those of a week ago."""
    old = Wish.made_steady_s < int(steady.now_s()) - KEPT_S
    session.execute(delete(Wish).where(old | Wish.lesson_uid.in_(whole)))


def stamp(session: Session) -> tuple[int, int]:
    """Changes when somebody makes a wish or takes one back."""
    count, newest = session.execute(select(func.count(), func.coalesce(func.max(Wish.made_steady_s), 0)).select_from(Wish)).one()
    return int(count), int(newest)
