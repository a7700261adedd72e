"""Tables of courses, lessons and the plan. See docs/formats/{courses,lessons,plan}.md."""

from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from eduhub.changes import Travelling
from eduhub.db import Base


class Course(Travelling, Base):
    """What is taught. `org_uid` owns it; the audience says who else may take it."""

    __tablename__ = "course"
    titles: Mapped[dict[str, str]]  # by language tag
    audience: Mapped[str] = mapped_column(String(10))  # own, listed, all, open
    listed_org_uids: Mapped[list[str] | None]


class Unit(Travelling, Base):
    """A chapter of a course."""

    __tablename__ = "unit"
    course_uid: Mapped[str] = mapped_column(String(36), index=True)
    titles: Mapped[dict[str, str]]
    position: Mapped[int]


class Lesson(Travelling, Base):
    """One lesson. Its uid is stable; its packages come and go."""

    __tablename__ = "lesson"
    course_uid: Mapped[str] = mapped_column(String(36), index=True)
    unit_uid: Mapped[str | None] = mapped_column(String(36))
    position: Mapped[int]
    titles: Mapped[dict[str, str]]
    texts: Mapped[dict[str, str]]
    language: Mapped[str] = mapped_column(String(20))  # what is spoken
    state: Mapped[str] = mapped_column(String(10))  # draft, submitted, published, withdrawn
    # Names the time axis that captions, chapters, progress and events refer to. Re-encoding keeps
    # it; replacing or trimming the video makes a new one.
    timeline_uid: Mapped[str] = mapped_column(String(36))
    edit_list: Mapped[list[Any] | None]  # [[from_ms, to_ms], ...] over the source; null: all of it
    revision: Mapped[int] = mapped_column(default=0)  # of the newest package
    package_id: Mapped[str | None] = mapped_column(String(64))


class LessonSource(Travelling, Base):
    """A source of a lesson and what it is for. The bytes stay at the hub."""

    __tablename__ = "lesson_source"
    lesson_uid: Mapped[str] = mapped_column(String(36), index=True)
    source_uid: Mapped[str] = mapped_column(String(36), index=True)
    purpose: Mapped[str] = mapped_column(String(10))  # light, master, sound
    language: Mapped[str] = mapped_column(String(20))
    replaced_on: Mapped[str | None] = mapped_column(String(10))


class GroupCourse(Travelling, Base):
    """A group takes a course, enrolled by its own school's admin. A span, like an enrolment."""

    __tablename__ = "group_course"
    sticky = frozenset({"ended_on"})
    group_uid: Mapped[str] = mapped_column(String(36), index=True)
    course_uid: Mapped[str] = mapped_column(String(36), index=True)
    starts_on: Mapped[str] = mapped_column(String(10))
    ended_on: Mapped[str | None] = mapped_column(String(10))


class PlanRow(Travelling, Base):
    """group x lesson x school day and period: what should be taught when. No day: 'next'."""

    __tablename__ = "plan_row"
    sticky = frozenset({"dropped_on"})
    group_uid: Mapped[str] = mapped_column(String(36), index=True)
    lesson_uid: Mapped[str] = mapped_column(String(36), index=True)
    day: Mapped[str | None] = mapped_column(String(10))
    period: Mapped[int | None]
    dropped_on: Mapped[str | None] = mapped_column(String(10))
