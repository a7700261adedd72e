"""Tables of events and progress. See docs/formats/events.md."""

from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from eduhub.db import Base


class Event(Base):
    """Something that happened, appended once under an id made where it happened. Pseudonyms only."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_actor", "actor_uid", "lesson_uid"), Index("ix_event_org", "org_uid", "kind"))
    uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))  # watched, opened, arrived, no_disk, ...
    version: Mapped[int]
    org_uid: Mapped[str] = mapped_column(String(36))
    actor_uid: Mapped[str | None] = mapped_column(String(36))
    subject_uids: Mapped[list[str]]
    context: Mapped[str] = mapped_column(String(20))  # own_device, shared_device, class_screen, station, system
    lesson_uid: Mapped[str | None] = mapped_column(String(36), index=True)
    timeline_uid: Mapped[str | None] = mapped_column(String(36))
    part: Mapped[str | None] = mapped_column(String(64))
    from_ms: Mapped[int | None]  # on the lesson's time axis
    to_ms: Mapped[int | None]
    watched_ms: Mapped[int | None]
    stalls: Mapped[int | None]
    source: Mapped[str] = mapped_column(String(36))  # the machine it happened at
    made_ms: Mapped[int]  # that machine's wall clock: for showing
    body: Mapped[dict[str, Any]]  # the event as it arrived, with what this release does not know
    quarantined: Mapped[str | None] = mapped_column(String(40))  # the reason it counts for nothing

    def take_out(self, person_uid: str) -> None:
        """Name one of the subjects no longer, nor in the event as it arrived."""
        self.subject_uids = [uid for uid in self.subject_uids if uid != person_uid]
        subjects = self.body.get("subjects")
        if isinstance(subjects, list):
            self.body = self.body | {"subjects": [uid for uid in subjects if uid != person_uid]}


class Progress(Base):
    """How far one learner is in one lesson: computed from events, never the truth itself."""

    __tablename__ = "progress"
    __table_args__ = (
        Index("ix_progress_lesson", "lesson_uid", "timeline_uid", "org_uid"),
        Index("ix_progress_person", "person_uid", "change_seq"),  # what of one person grew since
    )
    person_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    lesson_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    timeline_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    org_uid: Mapped[str] = mapped_column(String(36), index=True)
    spans: Mapped[list[Any]]  # [[from_ms, to_ms], ...] merged and sorted: what was watched at least once
    seen_ms: Mapped[int]  # the length of spans
    watched_ms: Mapped[int]  # the sum of all watching, repeats too
    position_ms: Mapped[int]
    last_event_uid: Mapped[str] = mapped_column(String(36))
    days: Mapped[list[str] | None]  # on which it was watched, by the devices' clocks: for showing; null: from before they were kept
    change_seq: Mapped[int] = mapped_column(index=True)  # grows with each change: what the stream reads


class ProgressEnd(Base):
    """The highest `change_seq` of progress that was removed: no number is given out twice. One row."""

    __tablename__ = "progress_end"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    change_seq: Mapped[int]


class LearnerPlace(Base):
    """The place of somebody who learns without signing in. `uid` is the pseudonym under which events and progress know
    them; of the code on their paper only a keyed hash is kept. Stays on this machine.
    """

    __tablename__ = "learner_place"
    uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    code_key: Mapped[str] = mapped_column(String(64), unique=True)
    made_ms: Mapped[int]


class WatchTally(Base):
    """How often each stretch of a lesson was played by the children of one school. Nobody in particular: see tallies.py."""

    __tablename__ = "watch_tally"
    lesson_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    timeline_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    org_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    played_ms: Mapped[list[int]]  # for each slot of ten seconds, summed over all playing
