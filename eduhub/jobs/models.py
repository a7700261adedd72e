"""The job table: the truth about work that outlives a request."""

from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from eduhub.db import Base


class JobRow(Base):
    """One piece of work. `attempt` is the fencing token: a worker that lost its lease holds an old one."""

    __tablename__ = "job"
    __table_args__ = (UniqueConstraint("dedupe"), Index("ix_job_ready", "state", "priority", "not_before_ms"))
    uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(60))
    args: Mapped[dict[str, Any]]
    then: Mapped[dict[str, Any] | None]  # {"kind", "args"} to enqueue when this one succeeds
    org_uid: Mapped[str | None] = mapped_column(String(36), index=True)
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
    made_ms: Mapped[int]
    ended_ms: Mapped[int | None]
