"""The honest states of things, as words: a lesson on its way to the children, a job, a box.

Pure functions of rows. A state is named when it is proved; a percentage is the job's own.
"""

from dataclasses import dataclass

from flask_babel import gettext

from eduhub.courses.models import Lesson
from eduhub.errors import error_table, sentences
from eduhub.jobs.models import JobRow
from eduhub.media.models import Source


@dataclass(frozen=True)
class State:
    """A word, the colour and icon that go with it, and what a person should know beside."""

    word: str
    icon: str
    colour: str = ""  # "", good, slow, bad
    reason: str = ""
    percent: int = 0
    preparing: bool = False


def of_lesson(lesson: Lesson, source: Source | None, job: JobRow | None) -> State:
    """The one state that a teacher sees: draft, preparing, ready, waiting, published, withdrawn, refused."""
    if source is not None and source.state == "refused":
        return State(gettext("refused"), "no", "bad", refusal(source.refusal or {}))
    if source is not None and source.state != "prepared":
        return _preparing(lesson, job)
    if lesson.state == "published":
        return State(gettext("published"), "done", "good")
    if lesson.state == "withdrawn":
        return State(gettext("taken back"), "no")
    if source is None:
        return State(gettext("draft, no video yet"), "draft")
    if lesson.state == "submitted":
        return State(gettext("being published"), "wait", "slow", preparing=True, percent=100)
    return State(gettext("ready to publish"), "done")


def _preparing(lesson: Lesson, job: JobRow | None) -> State:
    if job is not None and job.state == "failed":
        return State(gettext("refused"), "no", "bad", refusal({"code": job.error_code, "facts": job.error_facts or {}}))
    percent = job.progress_permille // 10 if job is not None else 0
    text = gettext("preparing %(percent)s %%", percent=percent)
    if lesson.state == "submitted":
        text = gettext("preparing %(percent)s %%, then published", percent=percent)
    return State(text, "wait", "slow", percent=percent, preparing=True)


def refusal(found: dict[str, object]) -> str:
    """An error's sentences from its code and facts, as a job or a source keeps them."""
    by_code = {error.code: error for error in error_table()}
    error = by_code.get(str(found.get("code")), by_code["eduhub.error"])
    facts = found.get("facts")
    happened, _kept, next_step = sentences(error, facts if isinstance(facts, dict) else {}, gettext)
    return f"{happened} {next_step}"


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
