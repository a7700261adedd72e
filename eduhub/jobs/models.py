"""The job table: the truth about work that outlives a request."""

from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from eduhub.db import Base


class JobRow(Base):
    """One piece of work. `attempt` is the fencing token: a worker that lost its lease holds an old one."""

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("dedupe"),
        # Whatever a claim asks of thousands of waiting jobs is found in this index alone (turns.py).
        Index("ix_job_ready", "state", "kind", "time_window", "priority", "turn_of", "uid", "not_before_ms"),
    )
    uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(60))
    args: Mapped[dict[str, Any]]
    then: Mapped[dict[str, Any] | None]  # {"kind", "args"} to enqueue when this one succeeds; "always": or fails
    org_uid: Mapped[str | None] = mapped_column(String(36), index=True)
    turn_of: Mapped[str] = mapped_column(String(36), default="")  # whose turn it takes: org_uid, or "" for nobody's
    time_window: Mapped[str] = mapped_column(String(20), default="")  # it begins only while this is open; "": at any time
    dedupe: Mapped[str | None] = mapped_column(String(120))  # cleared when the job ends
    state: Mapped[str] = mapped_column(String(10))  # waiting, running, done, failed, cancelled
    priority: Mapped[int]  # smaller goes first
    not_before_ms: Mapped[int]
    attempt: Mapped[int]
    max_attempts: Mapped[int]
    worker: Mapped[str | None] = mapped_column(String(80))
    lease_until_ms: Mapped[int | None]
    cancel_asked: Mapped[bool]
    progress_permille: Mapped[int]
    error_code: Mapped[str | None] = mapped_column(String(60))
    error_facts: Mapped[dict[str, Any] | None]
    expected_s: Mapped[int | None]  # how long it will take, by whoever enqueued it
    made_ms: Mapped[int]
    started_ms: Mapped[int | None]  # when its newest attempt began
    ended_ms: Mapped[int | None]


class JobTurn(Base):
    """When an organisation's work of one kind and priority was last taken up: schools take turns there."""

    __tablename__ = "job_turn"
    __table_args__ = (Index("ix_job_turn_next", "priority", "turn"), Index("ix_job_turn_last", "turn"))
    org_uid: Mapped[str] = mapped_column(String(36), primary_key=True)  # "" for work of no organisation
    kind: Mapped[str] = mapped_column(String(60), primary_key=True)
    priority: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    turn: Mapped[int]  # one count for all; 0: it has not had one


class WorkerRow(Base):
    """A worker as it was last heard of, for the operator's page. Whether it lives is told by its lock or its leases."""

    __tablename__ = "worker"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    machine: Mapped[str] = mapped_column(String(200))
    lanes: Mapped[int]
    started_ms: Mapped[int]
    seen_ms: Mapped[int]
