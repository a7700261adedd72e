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
    asks_review: Mapped[bool | None]  # a reviewer publishes, not the teacher; null: no


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


class LessonCaptions(Travelling, Base):
    """What is spoken in a lesson, as text in one language. The bytes are the blob `sha256`: WebVTT as captions.py writes it."""

    __tablename__ = "lesson_captions"
    sticky = frozenset({"dropped_on"})
    lesson_uid: Mapped[str] = mapped_column(String(36), index=True)
    timeline_uid: Mapped[str] = mapped_column(String(36))  # the time axis of its times
    language: Mapped[str] = mapped_column(String(20))
    sha256: Mapped[str] = mapped_column(String(64))
    pieces: Mapped[str | None] = mapped_column(String(64))  # its piece list, where it has one
    bytes: Mapped[int]
    cues: Mapped[int]
    dropped_on: Mapped[str | None] = mapped_column(String(10))


class LessonChapters(Travelling, Base):
    """The chapters of a lesson in one language."""

    __tablename__ = "lesson_chapters"
    lesson_uid: Mapped[str] = mapped_column(String(36), index=True)
    timeline_uid: Mapped[str] = mapped_column(String(36))
    language: Mapped[str] = mapped_column(String(20))
    chapters: Mapped[list[Any]]  # [[at_ms, title], ...]


class LessonAttachment(Travelling, Base):
    """A worksheet or a picture beside a lesson. Its file is a source, which says whether it was checked."""

    __tablename__ = "lesson_attachment"
    sticky = frozenset({"dropped_on"})
    lesson_uid: Mapped[str] = mapped_column(String(36), index=True)
    source_uid: Mapped[str] = mapped_column(String(36), index=True)
    title: Mapped[str] = mapped_column(String(200))
    language: Mapped[str] = mapped_column(String(20))
    audience: Mapped[str] = mapped_column(String(10))  # learner, teacher
    dropped_on: Mapped[str | None] = mapped_column(String(10))


class LessonReview(Base):
    """Where a lesson is with its reviewer. At the hub alone, as lessons are made there. See reviewing.py."""

    __tablename__ = "lesson_review"
    lesson_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    state: Mapped[str] = mapped_column(String(10), index=True)  # waiting, sent_back, passed
    word: Mapped[str | None] = mapped_column(String(2000))  # to the teacher
    words: Mapped[dict[str, Any] | None]  # {titles, texts, language} that a published lesson is to get
    asked_by_uid: Mapped[str | None] = mapped_column(String(36))  # null: a change that the lesson's jobs brought
    asked_ms: Mapped[int]
    answered_by_uid: Mapped[str | None] = mapped_column(String(36))


class PackageOrigin(Base):
    """Which recordings a package was made of, and how they were cut. At the hub alone."""

    __tablename__ = "package_origin"
    package_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    lesson_uid: Mapped[str] = mapped_column(String(36), index=True)
    source_uid: Mapped[str] = mapped_column(String(36))
    recipe: Mapped[str] = mapped_column(String(16))
    edit_list: Mapped[list[Any] | None]  # of that recipe: source and edit list make the time axis
    voices: Mapped[list[Any]]  # [[source_uid, recipe], ...] of the sound sources in it


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
