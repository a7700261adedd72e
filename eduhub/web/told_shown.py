"""What a hub's pages say of a box: each figure with a word, and 'not known' where the box has not said.

Pure functions of what `sync.overview` found. This module must not know tables.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from flask_babel import gettext, ngettext

from eduhub.sync.allowance import rules_word
from eduhub.sync.allowance.policies import MB
from eduhub.sync.releases import state_word
from eduhub.sync.status import readiness
from eduhub.sync.status.overview import AMBER, GREEN, NOT_KNOWN, RED, SHUT_OUT, Seen
from eduhub.sync.status.readiness import NEXT
from eduhub.sync.status.told import Told
from eduhub.web import box_shown, plots, release_words, shown
from eduhub.web.states import State

_LOOKS = {RED: ("no", "bad"), AMBER: ("wait", "slow"), NOT_KNOWN: ("search", ""), GREEN: ("done", "good"), SHUT_OUT: ("no", "")}


@dataclass(frozen=True)
class BoxLine:
    """One box as a row of a table."""

    box: Seen
    attention: State
    heard: State
    told_ago: str  # '' where it has not said anything
    backlog: str
    disk: str
    rate: str
    week: str
    update: State | None  # of the program, where another version is offered


@dataclass(frozen=True)
class DayTold:
    """One day as a box has counted it."""

    day: str
    here: int
    all: int
    state: State


def attention_words() -> dict[str, State]:
    """Each state of a box, in words."""
    words = {
        RED: gettext("needs somebody"), AMBER: gettext("to watch"), NOT_KNOWN: gettext("not known"), GREEN: gettext("in order"),
        SHUT_OUT: gettext("shut out"),
    }  # fmt: skip
    return {name: State(str(words[name]), *look) for name, look in _LOOKS.items()}


def line_of(box: Seen, now_ms: int) -> BoxLine:
    """A row of the table."""
    told, unknown = box.told, str(gettext("not known"))
    return BoxLine(
        box, _replaced() if box.is_replaced and not box.is_shut_out else attention_words()[box.attention(now_ms)], heard(box, now_ms), ago(box.told_ms, now_ms), unknown if told is None else backlog(told),
        unknown if told is None else disk(told, is_full=box.disk_full_ms is not None), unknown if told is None else rate(told),
        unknown if told is None else week(told), None if told is None else update(told),
    )  # fmt: skip


def _replaced() -> State:
    return State(str(gettext("another box has its place")), "no")


def heard(box: Seen, now_ms: int) -> State:
    """When it called last: amber after a day, red after three."""
    if box.is_replaced and not box.is_shut_out:
        return _replaced()
    if box.is_shut_out:
        return attention_words()[SHUT_OUT]
    if box.last_ms is None:
        return State(str(gettext("has not called yet")), "wait", "slow")
    return State(ago(box.last_ms, now_ms), *_LOOKS[box.silence(now_ms)])


def ago(at_ms: int | None, now_ms: int) -> str:
    """`2 hours ago`; '' for never."""
    return "" if at_ms is None else str(gettext("%(time)s ago", time=shown.since(max(0, now_ms - at_ms))))


def backlog(told: Told) -> str:
    """What waits at the box to go home."""
    if told.backlog is None:
        return str(gettext("not known"))
    if not told.backlog:
        return str(gettext("nothing waits"))
    waits = ngettext("%(num)s message waits", "%(num)s messages wait", told.backlog)
    if told.oldest_s is None or told.oldest_s < 3600:
        return str(waits)
    return str(gettext("%(waits)s, the oldest for %(time)s", waits=waits, time=shown.since(told.oldest_s * 1000)))


def disk(told: Told, *, is_full: bool) -> str:
    """The room on its disk."""
    if told.disk_free is None or told.disk_total is None:
        return str(gettext("full, as the box said") if is_full else gettext("not known"))
    text = gettext("%(free)s of %(total)s are free", free=shown.megabytes(told.disk_free), total=shown.megabytes(told.disk_total))
    return str(gettext("%(room)s; it said that it is full", room=text) if is_full else text)


def rate(told: Told) -> str:
    """How fast lessons come there."""
    return str(gettext("not measured yet")) if told.rate is None else f"{shown.megabytes(told.rate * 3600)}/h"


def week(told: Told) -> str:
    """Its coming days in a few words."""
    here, planned = told.lessons
    if not planned:
        return str(gettext("nothing planned"))
    return str(gettext("%(here)s of %(all)s lessons here", here=here, all=planned))


def days_of(told: Told, today: str) -> Sequence[DayTold]:
    """The coming days as the box counted them. What it said days ago of days that are over is left out."""
    rows = []
    for day, counts in sorted(told.days.items(), key=lambda row: (row[0] == NEXT, row[0])):
        if day == NEXT or day >= today:
            name = shown.near_day(day, today) if day != NEXT else str(gettext("next"))
            rows.append(DayTold(name, *readiness.tally(counts), box_shown.lamp_state(_lamp(counts), counts)))
    return rows


def _lamp(counts: Sequence[int]) -> str:
    here, planned = readiness.tally(counts)
    if not planned:
        return readiness.NOTHING
    return readiness.AMBER if here < planned else readiness.GREEN


@dataclass(frozen=True)
class LinkPlot:
    """Its link in the last hours: the path, the bytes of the hour with the most, and the hours with some: how long before, bytes."""

    path: str
    top: int
    rows: Sequence[tuple[int, int]]


def plot(told: Told) -> LinkPlot | None:
    """What its link carried; None where it said of no hour with some."""
    hours = told.hours or []
    top = max(hours, default=0)
    rows = [(len(hours) - 1 - at, count * 1000) for at, count in enumerate(hours) if count]
    return LinkPlot(plots.bars(hours, top), top * 1000, rows[::-1]) if top else None


def update(told: Told) -> State | None:
    """How far it is with another version of the program, with the version."""
    said = state_word.read(told.release)
    if said.stage is None or said.version is None:
        return None
    state = release_words.of(said)
    return replace(state, word=f"{said.version}: {state.word}")


def rules(told: Told) -> Sequence[str]:
    """The rules that it goes by, in words."""
    words: dict[str, Callable[[str], str]] = {
        rules_word.RATE: lambda value: gettext("at most %(rate)s kbit/s", rate=value),
        rules_word.CLASS: lambda value: gettext("at most %(rate)s kbit/s in class hours", rate=value) if int(value) else gettext("nothing in class hours"),
        rules_word.DAY: lambda value: gettext("at most %(size)s a day", size=_size(value)),
        rules_word.MONTH: lambda value: gettext("at most %(size)s a month", size=_size(value)),
        rules_word.DISK: lambda value: gettext("at most %(size)s of the disk", size=_size(value)),
        rules_word.HEIGHT: lambda value: gettext("video up to %(lines)s lines", lines=value) if int(value) else gettext("no moving pictures"),
        rules_word.LANGUAGES: lambda value: gettext("languages: %(tags)s", tags=value.replace(",", ", ")),
        rules_word.CODECS: lambda _value: gettext("newer kinds of video and sound, too"),
        rules_word.COURSES: lambda value: ngettext("%(num)s course has rules of its own", "%(num)s courses have rules of their own", int(value)),
        rules_word.HOURS: lambda value: gettext("from %(hours)s", hours=value.replace(",", ", ")),
        rules_word.MORE: lambda _value: gettext("and more"),
    }  # fmt: skip
    return [str(words[name](value)) for name, value in rules_word.read(told.policy)]


def _size(megabytes: str) -> str:
    return shown.megabytes(int(megabytes) * MB)
