"""Tables of organisations, sites, calendars, groups and enrolment. See docs/formats/organisations.md."""

from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from eduhub.changes import Travelling
from eduhub.db import Base


class Organisation(Travelling, Base):
    """One place in the tree: region > school | teaching_point | station. `org_uid` is its own uid."""

    __tablename__ = "organisation"
    kind: Mapped[str] = mapped_column(String(20))
    parent_uid: Mapped[str | None] = mapped_column(String(36), index=True)
    names: Mapped[dict[str, str]]  # by language tag


class Site(Travelling, Base):
    """A place with a network of its own; a school can have several, each with one or more nodes."""

    __tablename__ = "site"
    name: Mapped[str] = mapped_column(String(200))


class SchoolCalendar(Travelling, Base):
    """A school's time. One row a school, with the school's own uid as `uid`."""

    __tablename__ = "school_calendar"
    time_zone: Mapped[str] = mapped_column(String(60), default="Asia/Shanghai")
    current_school_year: Mapped[int]  # the year it began in, by which groups are named
    terms: Mapped[list[Any]]  # [{"name", "starts_on", "ends_on"}]
    class_hours: Mapped[list[Any]]  # [{"period", "starts", "ends"}], times of day as HH:MM


class ChildrenSignIn(Travelling, Base):
    """How a school lets its children in at its own box, beside their cards. One row a school, with its uid as `uid`."""

    __tablename__ = "children_sign_in"
    by_pictures: Mapped[bool | None]  # from the list of the class, with pictures that only the child knows
    turns_without_card: Mapped[bool | None]  # back to a child who was here lately in the same browser, without proof


class Group(Travelling, Base):
    """Children who are taught together: an intake cohort, a composite class or a station group."""

    __tablename__ = "learner_group"
    kind: Mapped[str] = mapped_column(String(20))  # cohort, composite, station
    site_uid: Mapped[str | None] = mapped_column(String(36))
    stage: Mapped[str | None] = mapped_column(String(20))  # primary, junior, senior
    intake_year: Mapped[int | None]
    class_number: Mapped[int | None]
    names: Mapped[dict[str, str] | None]  # only where the derived name will not do
    member_group_uids: Mapped[list[str] | None]  # of a composite class
    closed_on: Mapped[str | None] = mapped_column(String(10))


class LearnerRecord(Travelling, Base):
    """What a school knows of a child beside the name. `uid` is the person's uid."""

    __tablename__ = "learner_record"
    grade: Mapped[int | None]
    # A guardian's consent: who took it down and when. Required before progress leaves the school.
    consent_on: Mapped[str | None] = mapped_column(String(10))
    consent_by_uid: Mapped[str | None] = mapped_column(String(36))
    # HMAC of the pupil number under the school's key, for matching only; never the number.
    pupil_number_hash: Mapped[str | None] = mapped_column(String(64))


class Enrolment(Travelling, Base):
    """A span of one child in one group. Withdrawal ends it for good; re-admission is a new span."""

    __tablename__ = "enrolment"
    sticky = frozenset({"ended_on"})
    person_uid: Mapped[str] = mapped_column(String(36), index=True)
    group_uid: Mapped[str] = mapped_column(String(36), index=True)
    starts_on: Mapped[str] = mapped_column(String(10))
    ended_on: Mapped[str | None] = mapped_column(String(10), index=True)  # whose last day was yesterday is asked each day
    end_reason: Mapped[str | None] = mapped_column(String(20))  # withdrawn, moved_group, transferred, graduated, mistake
