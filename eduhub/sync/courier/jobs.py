"""Jobs that a page starts for a stick, and what came of them.

A stick that was pulled out while it waits or runs is said to be gone; whoever looks starts it again.

This module must not know pages.
"""

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.installation import Installation, JobContext
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.sync.courier import plugged, trips
from eduhub.sync.models import CourierTrip

EXPORT, IMPORT = "courier.export", "courier.import"
KEPT_TRIPS = 50
_BEFORE_OTHERS = 10  # somebody stands there and waits


def start_export(session: Session, installation: Installation, stick: str, nodes: list[str]) -> JobRow:
    """Fill a stick, by its key, for boxes, by uid; at a box: write what goes home. Raises StickGone."""
    return _start(session, installation, EXPORT, stick, {"nodes": sorted(nodes)})


def start_import(session: Session, installation: Installation, stick: str) -> JobRow:
    """Take in what a stick brings, by its key. Raises StickGone."""
    return _start(session, installation, IMPORT, stick, {})


def _start(session: Session, installation: Installation, kind: str, stick: str, more: dict[str, Any]) -> JobRow:
    found = plugged.find(installation.settings, stick)
    args = {"stick": stick, "name": found.name[:60], **more}
    return queue.enqueue(session, kind, args, priority=_BEFORE_OTHERS, dedupe=f"courier {stick}", max_attempts=2)


def export(context: JobContext, stick: str, name: str, nodes: list[str]) -> None:
    """The job courier.export."""
    here = context.installation
    place = plugged.find(here.settings, stick).place
    _keep(context, trips.export(here, place, nodes=nodes, on_progress=context.progress))


def take_in(context: JobContext, stick: str, name: str) -> None:
    """The job courier.import."""
    here = context.installation
    place = plugged.find(here.settings, stick).place
    _keep(context, trips.take_in(here, place, on_progress=context.progress))


def _keep(context: JobContext, report: trips.Report) -> None:
    with context.installation.database.write() as session:
        context.hold(session)
        session.merge(CourierTrip(
            job_uid=context.job_uid, kind=type(report).__name__, report=report.as_json(), ended_ms=clock.now_ms()
        ))  # fmt: skip
        newest = select(CourierTrip.job_uid).order_by(CourierTrip.ended_ms.desc()).limit(KEPT_TRIPS)
        session.flush()
        kept = list(session.scalars(newest))
        session.execute(delete(CourierTrip).where(CourierTrip.job_uid.not_in(kept)))


def trips_of(session: Session, limit: int = 10) -> list[tuple[JobRow, CourierTrip | None]]:
    """The newest jobs of sticks, each with what came of it."""
    jobs = session.scalars(
        select(JobRow).where(JobRow.kind.in_((EXPORT, IMPORT))).order_by(JobRow.made_ms.desc(), JobRow.uid.desc()).limit(limit)
    ).all()
    return [(job, session.get(CourierTrip, job.uid)) for job in jobs]
