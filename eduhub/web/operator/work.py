"""The operator's page of work: what runs and waits, which workers live, how full the disk is, each school's room.

At the hub only. Stopping and trying again are here for every job; a teacher has both on the lesson's page.
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from wtforms import IntegerField, validators

from eduhub import guard
from eduhub.courses.models import Lesson
from eduhub.delivery import room
from eduhub.delivery.models import BlobRow, DamagedBlob
from eduhub.errors import NotFound
from eduhub.http import caches
from eduhub.jobs import queue, workers
from eduhub.jobs.models import JobRow
from eduhub.media import ladders, quotas
from eduhub.media.models import Source
from eduhub.media.recipes import Recipe
from eduhub.schools.models import Organisation
from eduhub.web import shown, states
from eduhub.web.edge import note, page_of, reading, row_of, writing
from eduhub.web.forms import Form, needed
from eduhub.web.rights import OPERATOR
from eduhub.web.states import State

bp = Blueprint("work", __name__)
WAITING_ROWS, ENDED_ROWS = 30, 30
MB = 1_000_000


class RoomForm(Form):
    """How much a school may keep."""

    room_mb = IntegerField(
        lazy_gettext("Room in MB"),
        validators=[
            *needed(lazy_gettext("Type a whole number.")),
            validators.NumberRange(1, 1_000_000_000, lazy_gettext("Type a number from 1 to 1,000,000,000.")),
        ],
    )  # fmt: skip


@dataclass(frozen=True)
class JobLine:
    """A job as the operator sees it. `ahead` is how many go before it; `ready_s` how long until it is done."""

    uid: str
    what: str
    about: str
    school: Organisation | None
    state: State
    percent: int
    why: str
    made_ms: int
    may_stop: bool
    may_repeat: bool
    ahead: int | None = None
    ready_s: float | None = None


@dataclass(frozen=True)
class RoomLine:
    """What one school keeps here."""

    org: Organisation
    used: int
    arriving: int
    bytes: int

    @property
    def percent(self) -> int:
        """How full its room is."""
        return min(100, round(100 * (self.used + self.arriving) / max(1, self.bytes)))


@dataclass(frozen=True)
class DiskLines:
    """What lies on the disk, in bytes."""

    total: int
    free: int
    kept: int
    arriving: int
    in_work: int
    database: int
    damaged: int


@bp.get("/operator/work")
@guard.allow(OPERATOR)
@caches("no-store")
def home() -> ResponseReturnValue:
    """Workers, jobs, disk, rooms."""
    here = guard.here()
    with reading() as session:
        running = session.scalars(select(JobRow).where(JobRow.state == "running").order_by(JobRow.started_ms)).all()
        queued = select(JobRow).where(JobRow.state == "waiting").order_by(JobRow.priority, JobRow.uid)
        waiting = session.scalars(queued.limit(WAITING_ROWS)).all()
        waiting_count = session.scalar(select(func.count()).select_from(queued.subquery())) or 0
        ended = session.scalars(
            select(JobRow).where(JobRow.ended_ms.is_not(None)).order_by(JobRow.ended_ms.desc()).limit(ENDED_ROWS)
        ).all()
        lines = {
            "running": _lines(session, running), "waiting": _lines(session, waiting), "ended": _lines(session, ended),
        }
        crew = workers.all_of(session, here.settings.data_dir / "run")
        disk = _disk(session)
        rooms = page_of(_rooms(session))
    return render_template(
        "operator/work.html", jobs=lines, waiting_count=waiting_count, workers=crew, disk=disk, rooms=rooms,
    )


@bp.post("/operator/jobs/<job_uid>/stop")
@guard.allow(OPERATOR)
@caches("no-store")
def stop(job_uid: str) -> ResponseReturnValue:
    """Stop a job: at once while it waits, within seconds while it runs."""
    with writing() as session:
        job = queue.cancel(session, job_uid)
        note(session, "jobs.stop", job.org_uid or "", job_uid)
    flash(gettext("It is being stopped."))
    return redirect(url_for("work.home"), 303)


@bp.post("/operator/jobs/<job_uid>/again")
@guard.allow(OPERATOR)
@caches("no-store")
def again(job_uid: str) -> ResponseReturnValue:
    """Have a job that failed or was stopped done once more."""
    with writing() as session:
        job = session.get(JobRow, job_uid)
        if job is None or job.state not in ("failed", "cancelled"):
            raise NotFound("no job that can be tried again")
        _repeat(session, job)
        note(session, "jobs.again", job.org_uid or "", job.uid)
    flash(gettext("It waits for its turn again."))
    return redirect(url_for("work.home"), 303)


@bp.route("/operator/schools/<org_uid>/room", methods=["GET", "POST"])
@guard.allow(OPERATOR)
@caches("no-store")
def give_room(org_uid: str) -> ResponseReturnValue:
    """Give a school more or less room for its recordings."""
    here = guard.here()
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        quota = quotas.of(session, here, org_uid)
    form = RoomForm(room_mb=quota.bytes // MB)
    if form.validate_on_submit():
        with writing() as session:
            quotas.give(session, org_uid, form.room_mb.data * MB)
            note(session, "media.give_room", org_uid, org_uid)
        flash(gettext("Saved."))
        return redirect(url_for("work.home"), 303)
    page = render_template(
        "school/form.html", form=form, act=gettext("Save"),
        heading=gettext("Room for the recordings of %(school)s", school=shown.plain(school.names)),
        intro=gettext("%(used)s of %(all)s are used.", used=shown.megabytes(quota.used), all=shown.megabytes(quota.bytes)),
        where=[(url_for("operator.home"), gettext("Schools and boxes")), (url_for("work.home"), gettext("Work and disk"))],
        hints={"room_mb": gettext("The recordings themselves count, not what is made of them.")},
    )  # fmt: skip
    return page, 400 if form.errors else 200


# --- inside -------------------------------------------------------------------------


def _repeat(session: Session, job: JobRow) -> None:
    if job.kind in ("media.prepare", "media.encode"):  # its step knows which job makes it
        recipe = Recipe.from_json(job.args.get("recipe"))
        ladders.try_again(session, str(job.args["source_uid"]), recipe.id, str(job.args.get("step", "floor")))
    else:
        queue.enqueue(session, job.kind, job.args, then=job.then, org_uid=job.org_uid, priority=job.priority)


def _lines(session: Session, jobs: Sequence[JobRow]) -> list[JobLine]:
    schools = {org.uid: org for org in session.scalars(
        select(Organisation).where(Organisation.uid.in_({job.org_uid for job in jobs if job.org_uid}))
    )}  # fmt: skip
    return [_line(session, job, schools.get(job.org_uid or "")) for job in jobs]


def _line(session: Session, job: JobRow, school: Organisation | None) -> JobLine:
    why = states.refusal({"code": job.error_code, "facts": job.error_facts or {}}) if job.error_code else ""
    expected = states.forecast_of(session, job.uid) if job.state in ("waiting", "running") else None
    return JobLine(
        uid=job.uid, what=states.job_word(job.kind, job.args), about=_about(session, job), school=school,
        state=states.of_job(job), percent=job.progress_permille // 10, why=why, made_ms=job.made_ms,
        may_stop=job.state in ("waiting", "running"), may_repeat=job.state in ("failed", "cancelled"),
        ahead=expected.ahead if expected and job.state == "waiting" else None,
        ready_s=expected.ends_in_s if expected else None,
    )


def _about(session: Session, job: JobRow) -> str:
    source = session.get(Source, str(job.args.get("source_uid", "")))
    if source is not None:
        return source.file_name
    lesson = session.get(Lesson, str(job.args.get("lesson_uid", "")))
    return shown.plain(lesson.titles, lesson.language) if lesson is not None else ""


def _rooms(session: Session) -> list[RoomLine]:
    here = guard.here()
    schools = session.scalars(select(Organisation).where(Organisation.kind != "region").order_by(Organisation.uid))
    lines = []
    for org in schools:
        quota = quotas.of(session, here, org.uid)
        lines.append(RoomLine(org, quota.used, quota.arriving, quota.bytes))
    return sorted(lines, key=lambda line: -line.percent)


def _disk(session: Session) -> DiskLines:
    data_dir = guard.here().settings.data_dir
    total, free = shutil.disk_usage(data_dir).total, room.free(data_dir)
    kept = session.scalar(select(func.coalesce(func.sum(BlobRow.bytes), 0))) or 0
    damaged = session.scalar(select(func.count()).select_from(DamagedBlob).where(DamagedBlob.mended_ms.is_(None))) or 0
    return DiskLines(
        total=total, free=free, kept=int(kept), arriving=_size(data_dir / "incoming"), in_work=_size(data_dir / "work"),
        database=sum(map(_bytes_of, data_dir.glob("eduhub.db*"))), damaged=damaged,
    )


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # a journal comes and goes
        return 0


def _size(folder: Path) -> int:
    """Bytes that the files below a folder take on the disk: a sparse file has less of them than it is long."""
    size = 0
    for inside, _folders, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # what is being written may be gone between the two looks
                size += os.lstat(os.path.join(inside, name)).st_blocks * 512
    return size
