"""The honest states of things, as words: a lesson on its way to the children, a job, a box.

Pure functions of rows. A state is named when it is proved; a percentage is the job's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask_babel import gettext
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.courses.models import Lesson
from eduhub.errors import error_table, sentences
from eduhub.jobs import forecast, lanes
from eduhub.jobs.forecast import Forecast
from eduhub.jobs.models import JobRow
from eduhub.media.ladders import LadderView, StepView
from eduhub.media.models import Source
from eduhub.sync.courier import parcels
from eduhub.web import languages


@dataclass(frozen=True)
class State:
    """A word, the colour and icon that go with it, and what a person should know beside."""

    word: str
    icon: str
    colour: str = ""  # "", good, slow, bad
    reason: str = ""
    percent: int = 0
    preparing: bool = False


def of_lesson(lesson: Lesson, source: Source | None, ladder: LadderView | None) -> State:
    """The one state that a teacher sees: draft, preparing, ready, waiting, published, withdrawn, refused."""
    if source is not None and source.state == "refused":
        return State(gettext("refused"), "no", "bad", refusal(source.refusal or {}))
    if source is not None and (ladder is None or not ladder.floor_ready):
        return _preparing(lesson, ladder)
    if lesson.state == "published":
        return _published(ladder)
    if lesson.state == "withdrawn":
        return State(gettext("taken back"), "no")
    if source is None:
        return State(gettext("draft, no video yet"), "draft")
    if lesson.state == "submitted":
        return State(gettext("being published"), "wait", "slow", preparing=True, percent=100)
    return State(gettext("ready to publish"), "done")


def _published(ladder: LadderView | None) -> State:
    """Out already; the better videos may still be in the making."""
    steps = ladder.steps if ladder is not None else ()
    left = [step for step in steps if step.state in ("waiting", "running")]
    if left:
        return State(gettext("published; sharper videos follow"), "done", "good")
    if any(step.state == "failed" for step in steps):
        return State(gettext("published; one video size failed"), "done", "slow")
    return State(gettext("published"), "done", "good")


def _preparing(lesson: Lesson, ladder: LadderView | None) -> State:
    """The floor is not ready: it is in the making, waits, failed, or was stopped."""
    floor = ladder.steps[0] if ladder is not None and ladder.steps else None
    if floor is not None and floor.state == "failed":
        return State(gettext("could not be prepared"), "no", "bad", refusal(floor.error or {}))
    if floor is not None and floor.state == "stopped":
        return State(gettext("stopped"), "no", "slow")
    percent = floor.permille // 10 if floor is not None else 0
    reason = refusal(floor.error) if floor is not None and floor.error else ""
    text = gettext("preparing %(percent)s %%", percent=percent)
    if lesson.state == "published":
        text = gettext("published; a new version is being prepared: %(percent)s %%", percent=percent)
    elif lesson.state == "submitted":
        text = gettext("preparing %(percent)s %%, then published", percent=percent)
    return State(text, "wait", "slow", reason, percent=percent, preparing=True)


def with_damage(shown: State) -> State:
    """The same state, with what the disk has done to the recording."""
    told = gettext(
        "The disk has damaged the recording that was sent. What was made of it stays; to change it, send the recording again."
    )
    return replace(shown, reason=f"{shown.reason} {told}".strip(), colour="bad")


def of_step(step: StepView) -> State:
    """One size of a recording. What waits for room on the disk says so."""
    reason = refusal(step.error) if step.error else ""
    percent = step.permille // 10
    found = {
        "waiting": State(gettext("waiting"), "wait", reason=reason, preparing=True),
        "running": State(gettext("%(percent)s %%", percent=percent), "wait", "slow", percent=percent, preparing=True),
        "done": State(gettext("done"), "done", "good"),
        "failed": State(gettext("failed"), "no", "bad", reason),
        "stopped": State(gettext("stopped"), "no"),
    }
    return found[step.state]


def of_voice(source: Source, ladder: LadderView | None) -> State:
    """A second voice: refused, in the making, or ready."""
    if source.state == "refused":
        return State(gettext("refused"), "no", "bad", refusal(source.refusal or {}))
    if ladder is not None and ladder.steps:
        return of_step(ladder.steps[0])
    return State(gettext("waiting"), "wait", preparing=True)


def refusal(found: dict[str, object]) -> str:
    """An error's sentences from its code and facts, as a job or a source keeps them."""
    by_code = {error.code: error for error in error_table()}
    error = by_code.get(str(found.get("code")), by_code["eduhub.error"])
    facts = found.get("facts")
    happened, _kept, next_step = sentences(error, facts if isinstance(facts, dict) else {}, gettext)
    return languages.in_a_row(happened, next_step)


def of_job(job: JobRow) -> State:
    """A job's state, for the operator."""
    words = {
        "waiting": State(gettext("waiting"), "wait"),
        "running": State(gettext("running"), "wait", "slow"),
        "done": State(gettext("done"), "done", "good"),
        "failed": State(gettext("failed"), "no", "bad"),
        "cancelled": State(gettext("stopped"), "no"),
    }
    return words[job.state]


def job_word(kind: str, args: Mapping[str, Any]) -> str:
    """What a job does, in words; its own name where there are none."""
    if kind == "media.encode":
        return step_word(str(args.get("step", "")))
    is_file = parcels.is_key(str(args.get("stick", "")))
    words = {
        "media.prepare": gettext("Look at a recording; sound and pictures"),
        "media.check_attachment": gettext("Look at a file beside a lesson"),
        "media.forget_replaced": gettext("Clear away what was replaced"),
        "courses.publish_if_ready": gettext("Publish a lesson"), "blobs.scrub": gettext("Look for damaged files"),
        "sync.round": gettext("Talk with the hub"),
        "courier.export": gettext("Make a file for a stick") if is_file else gettext("Fill a stick"),
        "courier.import": gettext("Read a file") if is_file else gettext("Read a stick"),
    }  # fmt: skip
    return str(words.get(kind, kind))


def forecast_of(session: Session, job_uid: str) -> Forecast:
    """When a job will begin and end, with the limits and windows of this installation."""
    return forecast.of(session, job_uid, lanes.LIMITS, lanes.opens_in_s(guard.here().settings))


def step_word(step: str) -> str:
    """A step of preparing, as a teacher knows it: `floor`, or the name of a video rendition."""
    if step == "floor":
        return str(gettext("Sound and pictures"))
    return str(gettext("Video, %(height)s lines", height=step.removeprefix("v")))
