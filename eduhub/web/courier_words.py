"""What pages say of sticks and of what came of them: the words that hub and box have in common.

This module must not know which page it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.jobs.models import JobRow
from eduhub.sync.courier import jobs, parcels
from eduhub.web import shown, states
from eduhub.web.states import State

MOST = 10


@dataclass(frozen=True)
class TripLine:
    """One stick or file, what is done with it, how far that is, and what came of it in sentences.

    `file_uid`: where a file that was made can be fetched; "" where there is none, or none for the reader.
    """

    name: str
    what: str
    state: State
    percent: int
    said: list[str]
    is_file: bool
    made_ms: int
    in_work: bool
    file_uid: str = ""
    file_bytes: int = 0


def trips(session: Session, boxes: Mapping[str, str] | None = None, *, alone: bool = False) -> list[TripLine]:
    """The newest first. `boxes`, names by uid: of no others is anything said (None: of all).

    `alone`: what was also for others is left out, and so is what names nobody.
    """
    if boxes is None:
        return [_line(job, trip.kind if trip else "", dict(trip.report) if trip else {}) for job, trip in jobs.trips_of(session, MOST)]
    found = []
    for job, trip in jobs.trips_of(session, jobs.KEPT_TRIPS):
        report = dict(trip.report) if trip is not None else {}
        named = [*job.args.get("nodes", ()), *report.get("boxes", ())]
        known = [name in boxes or name in boxes.values() for name in named]
        if (named and not any(known)) or (alone and not (named and all(known))):
            continue
        report |= {"boxes": [name for name in report["boxes"] if name in boxes.values()]} if "boxes" in report else {}
        found.append(_line(job, trip.kind if trip is not None else "", report, is_for_reader=all(known)))
    return found[:MOST]


def _line(job: JobRow, kind: str, report: dict[str, Any], *, is_for_reader: bool = True) -> TripLine:
    key = str(job.args.get("stick", ""))
    is_file = parcels.is_key(key)
    said = _said(kind, report, is_file) if kind else []
    if job.error_code:
        said.append(states.refusal({"code": job.error_code, "facts": job.error_facts or {}}))
    in_work = job.state in ("waiting", "running")
    is_there = is_file and is_for_reader and job.kind == jobs.EXPORT and job.state == "done" and parcels.is_here(guard.here(), key)
    return TripLine(
        str(job.args.get("name", "")), states.job_word(job.kind, job.args), states.of_job(job), job.progress_permille // 10,
        said, is_file, job.made_ms, in_work, job.uid if is_there else "", int(report.get("file_bytes", 0)),
    )  # fmt: skip


def _said(kind: str, report: dict[str, Any], is_file: bool) -> list[str]:
    if is_file:
        find = {"Exported": _packed, "BroughtHome": _brought_home, "TakenIn": _taken_from_file}.get(kind)
    else:
        find = {"Exported": _exported, "BroughtHome": _brought_home, "TakenIn": _taken_in}.get(kind)
    return find(report) if find is not None else [gettext("What goes home is on the stick.")]


def _packed(report: dict[str, Any]) -> list[str]:
    said = [gettext("Made for: %(boxes)s", boxes=", ".join(report["boxes"]))]
    if report["left_out_bytes"]:
        missing = shown.megabytes(report["left_out_bytes"])
        said.append(gettext("%(missing)s did not fit. What is needed most is in the file.", missing=missing))
    if report["missing_here"]:
        said.append(gettext("Some files are damaged here at the county, and are left out."))
    return said


def _exported(report: dict[str, Any]) -> list[str]:
    said = [gettext("Filled for: %(boxes)s", boxes=", ".join(report["boxes"]))]
    written = shown.megabytes(report["bytes"])
    said.append(gettext("%(written)s were written; what was on the stick already was left.", written=written))
    if report["left_out_bytes"]:
        missing = shown.megabytes(report["left_out_bytes"])
        said.append(gettext("The stick is full: %(missing)s did not fit. What is needed most is on it.", missing=missing))
    if report["rows_home"]:
        said.append(_home(report["rows_home"]))
    if report["missing_here"]:
        said.append(gettext("Some files are damaged here at the county, and are not on the stick."))
    return said


def _brought_home(report: dict[str, Any]) -> list[str]:
    said = [gettext("There was nothing on it that is not here already.")]
    if report["boxes"]:
        said = [gettext("From: %(boxes)s", boxes=", ".join(report["boxes"])), _home(report["rows"])]
    if report["wants"]:
        said.append(gettext("What the box has, and what it lacks, is known now: the next stick or file brings just that."))
    if report["refused"]:
        said.append(gettext("Some files on it are not from a box of this county, or damaged; they were left alone."))
    if report.get("passed_over"):
        left = report["passed_over"]
        said.append(ngettext("%(num)s file is nothing that a box sends home, and was left out.",
                             "%(num)s files are nothing that a box sends home, and were left out.", left))
    return said


def _home(rows: int) -> str:
    return str(ngettext("%(num)s message came home.", "%(num)s messages came home.", rows))


def _taken_from_file(report: dict[str, Any]) -> list[str]:
    said = [gettext("%(taken)s of lessons were taken from the file.", taken=shown.megabytes(report["bytes"])), *_stands(report)]
    if report["damaged"] or report["refused"]:
        said.append(gettext("Some of the file was damaged, or is not for this box; have it made again at the county."))
    return said


def _taken_in(report: dict[str, Any]) -> list[str]:
    said = [gettext("%(taken)s of lessons were taken from the stick.", taken=shown.megabytes(report["bytes"])), *_stands(report)]
    if report["damaged"] or report["refused"]:
        said.append(gettext("Some files on the stick were damaged; have it filled again at the county."))
    if report["gave"]:
        said.append(gettext("What goes home is on the stick."))
    else:
        said.append(gettext("Nothing could be written to the stick, so nothing goes home with it."))
    return said


def _stands(report: dict[str, Any]) -> list[str]:
    said = []
    if report["missing"]:
        said.append(ngettext("%(num)s lesson is not whole yet.", "%(num)s lessons are not whole yet.", report["missing"]))
    else:
        said.append(gettext("Every lesson that the school wants is here."))
    if report["disk_full"]:
        said.append(gettext("The disk of the box is full."))
    return said
