"""Jobs that a page starts for a stick, and what came of them.

A stick that was pulled out while it waits or runs is said to be gone; whoever looks starts it again. A parcel stands in the
place of a stick: what is to be downloaded, or was uploaded.

This module must not know pages.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.errors import DiskFull, EduHubError, NotFound, StickFull
from eduhub.installation import Installation, JobContext
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.signing import canonical, sha256_hex
from eduhub.sync.courier import packed, parcels, plugged, trips
from eduhub.sync.courier.parcels import Parcel
from eduhub.sync.models import CourierTrip

EXPORT, IMPORT = "courier.export", "courier.import"
KEPT_TRIPS = 50
_BEFORE_OTHERS = 10  # somebody stands there and waits
# Whoever sent a file has gone home; a box that fetches lessons over its link is asked again for some two hours.
_ATTEMPTS_FOR_A_FILE = 20


def start_export(session: Session, installation: Installation, stick: str, nodes: list[str]) -> JobRow:
    """Fill a stick, by its key, for boxes, by uid; at a box: write what goes home. Raises StickGone."""
    return _start(session, installation, EXPORT, stick, {"nodes": sorted(nodes)})


def start_import(session: Session, installation: Installation, stick: str) -> JobRow:
    """Take in what a stick brings, by its key. Raises StickGone."""
    return _start(session, installation, IMPORT, stick, {})


def start_packing(session: Session, installation: Installation, nodes: list[str], name: str, most_mb: int | None) -> JobRow:
    """Hub: make a file `name` of what a stick for boxes, by uid, would carry; of at most so many MB."""
    args = {"stick": parcels.new_key(installation, parcels.PACKED), "name": name[:60], "nodes": sorted(nodes), "most_mb": most_mb}
    again = f"courier pack {sha256_hex(canonical([args['nodes'], most_mb]))}"  # for whoever presses twice
    return queue.enqueue(session, EXPORT, args, priority=_BEFORE_OTHERS, dedupe=again, max_attempts=2)


def start_taking(
    session: Session, key: str, name: str, *, nodes: Collection[str] = (), passed_over: int = 0
) -> JobRow:
    """Take in an uploaded parcel, by its key; `nodes` are the boxes that it names, `passed_over` the files left out of it."""
    args = {"stick": key, "name": name[:60], "nodes": sorted(nodes), "passed_over": passed_over}
    return queue.enqueue(session, IMPORT, args, priority=_BEFORE_OTHERS, max_attempts=_ATTEMPTS_FOR_A_FILE)


def _start(session: Session, installation: Installation, kind: str, stick: str, more: dict[str, Any]) -> JobRow:
    found = plugged.find(installation.settings, stick)
    args = {"stick": stick, "name": found.name[:60], **more}
    return queue.enqueue(session, kind, args, priority=_BEFORE_OTHERS, dedupe=f"courier {stick}", max_attempts=2)


def export(context: JobContext, stick: str, name: str, nodes: list[str], most_mb: int | None = None) -> None:
    """The job courier.export."""
    here = context.installation
    if parcels.is_key(stick):
        _pack(context, stick, nodes, most_mb)
        return
    place = plugged.find(here.settings, stick).place
    _keep(context, trips.export(here, place, nodes=nodes, on_progress=context.progress))


def take_in(context: JobContext, stick: str, name: str, nodes: Collection[str] = (), passed_over: int = 0) -> None:
    """The job courier.import."""
    here = context.installation
    if parcels.is_key(stick):
        _take_parcel(context, stick, passed_over)
        return
    place = plugged.find(here.settings, stick).place
    _keep(context, trips.take_in(here, place, on_progress=context.progress))


def _pack(context: JobContext, key: str, nodes: list[str], most_mb: int | None) -> None:
    here = context.installation
    sweep(here)
    with parcels.opened(here, key, make=True) as place:
        try:
            with Parcel(place, here, most=None if most_mb is None else most_mb * 1_000_000) as parcel:
                report = trips.fill(here, parcel, nodes=nodes, on_progress=context.progress)
        except StickFull as error:
            raise DiskFull(str(error)) from error
        _keep(context, report, {"file_bytes": packed.of(place, 0).length})


def _take_parcel(context: JobContext, key: str, passed_over: int) -> None:
    here = context.installation
    with here.database.read() as session:
        if session.get(CourierTrip, context.job_uid) is not None:  # an attempt that was killed between its last two steps
            parcels.remove(here, key)
            return
    try:
        with parcels.opened(here, key) as place, Parcel(place, here) as parcel:
            report = trips.take(here, parcel, context.progress, gives=False)
    except EduHubError as error:
        if not error.retry and not isinstance(error, DiskFull):
            parcels.remove(here, key)
        raise
    _keep(context, report, {"passed_over": passed_over})
    parcels.remove(here, key)


def _keep(context: JobContext, report: trips.Report, more: dict[str, Any] | None = None) -> None:
    with context.installation.database.write() as session:
        context.hold(session)
        session.merge(CourierTrip(
            job_uid=context.job_uid, kind=type(report).__name__, report=report.as_json() | (more or {}), ended_ms=clock.now_ms()
        ))  # fmt: skip
        newest = select(CourierTrip.job_uid).order_by(CourierTrip.ended_ms.desc()).limit(KEPT_TRIPS)
        session.flush()
        kept = list(session.scalars(newest))
        session.execute(delete(CourierTrip).where(CourierTrip.job_uid.not_in(kept)))


@dataclass(frozen=True)
class File:
    """A file that can be downloaded: its parcel's key, its name, and the boxes for which it was made."""

    key: str
    name: str
    nodes: frozenset[str]
    made_ms: int


def file_of(session: Session, installation: Installation, job_uid: str) -> File:
    """The file that a job has made. Raises NotFound where there is none, or none any more."""
    job = session.get(JobRow, job_uid)
    if job is None or job.kind != EXPORT or job.state != "done" or not parcels.is_here(installation, str(job.args["stick"])):
        raise NotFound("no such file")
    return File(str(job.args["stick"]), str(job.args["name"]), frozenset(job.args["nodes"]), job.made_ms)


def sweep(installation: Installation) -> int:
    """Do away with parcels that nobody needs any more; returns how many."""
    with installation.database.read() as session:
        in_work = session.scalars(
            select(JobRow).where(JobRow.kind.in_((EXPORT, IMPORT)), JobRow.state.in_(("waiting", "running")))
        )
        keys = {str(job.args.get("stick")) for job in in_work}
    return parcels.sweep(installation, keys)


def trips_of(session: Session, limit: int = 10) -> list[tuple[JobRow, CourierTrip | None]]:
    """The newest jobs of sticks, each with what came of it."""
    jobs = session.scalars(
        select(JobRow).where(JobRow.kind.in_((EXPORT, IMPORT))).order_by(JobRow.made_ms.desc(), JobRow.uid.desc()).limit(limit)
    ).all()
    return [(job, session.get(CourierTrip, job.uid)) for job in jobs]
