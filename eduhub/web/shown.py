"""How values look on a page: texts with their language, megabytes, lengths, days.

Template filters and globals only; must not know any table.
"""

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from babel.dates import format_skeleton
from flask import Flask, request, url_for
from flask_babel import format_date, format_decimal, format_percent, format_time, get_locale, gettext, ngettext
from markupsafe import Markup

from eduhub import guard
from eduhub.errors import BadInput
from eduhub.uids import parse_uid
from eduhub.web import csrf as csrf_tokens
from eduhub.web import doors, formatted, languages, moments, order

STATIC = Path(__file__).parent / "static"
# A figure and its unit stay on one line.
_TOGETHER = {ord(" "): "\u00a0"}
# Babel writes the months of Tibetan in Tibetan digits and the days in ours; our pages write all numbers in ours.
_DIGITS = {0x0F20 + digit: str(digit) for digit in range(10)}


def in_language(names: dict[str, str] | None, content_language: str | None = None) -> Markup:
    """A text kept by language, as a span that says which language it is in."""
    tag, text = languages.best(names or {}, content_language)
    return Markup('<span lang="{}">{}</span>').format(tag, text or gettext("(no title yet)"))


def plain(names: dict[str, str] | None, content_language: str | None = None) -> str:
    """The same text without markup, for titles and options."""
    return languages.best(names or {}, content_language)[1] or gettext("(no title yet)")


def tag_of(names: dict[str, str] | None, content_language: str | None = None) -> str:
    """The language of that text, for an element that can hold no other."""
    return languages.best(names or {}, content_language)[0]


def named(text: str) -> Markup:
    """A person's name or a typed text, with the language that its letters point to."""
    tag = languages.of_text(text)
    return Markup('<bdi lang="{}">{}</bdi>').format(tag, text) if tag else Markup("<bdi>{}</bdi>").format(text)


def megabytes(size: int | None) -> str:
    """`6 MB`, on one line; one decimal below ten, so that small things do not all read 0. `1.2 GB` from a thousand on."""
    found = (size or 0) / 1_000_000
    if found >= 999.5:
        return str(gettext("%(size)s GB", size=format_decimal(round(found / 1000, 1)))).translate(_TOGETHER)
    rounded = round(found) if found >= 10 else max(0.1, round(found, 1))
    return str(gettext("%(number)s MB", number=format_decimal(rounded))).translate(_TOGETHER)


def length(milliseconds: int) -> str:
    """`40 min`, `1 h 5 min`, `50 s`, on one line."""
    return _length(milliseconds).translate(_TOGETHER)


def _length(milliseconds: int) -> str:
    seconds = milliseconds // 1000
    if seconds < 60:
        return str(gettext("%(seconds)s s", seconds=seconds))
    minutes = round(seconds / 60)
    if minutes < 60:
        return str(gettext("%(minutes)s min", minutes=minutes))
    return str(gettext("%(hours)s h %(minutes)s min", hours=minutes // 60, minutes=minutes % 60))


def moment(milliseconds: int) -> str:
    """`3:20`: a moment of a recording, to the second."""
    return moments.written(milliseconds // 1000 * 1000)


def percent(found: int) -> str:
    """`63%`."""
    return str(format_percent(found / 100))


def since(milliseconds: int) -> str:
    """`5 minutes`, `2 hours`, `3 days`: how long something is ago. Babel has no such words in Tibetan."""
    minutes = max(0, milliseconds) // 60_000
    if minutes < 60:
        return str(ngettext("%(num)s minute", "%(num)s minutes", max(1, minutes)))
    if minutes < 48 * 60:
        return str(ngettext("%(num)s hour", "%(num)s hours", minutes // 60))
    return str(ngettext("%(num)s day", "%(num)s days", minutes // (24 * 60)))


def day(iso: str | None) -> str:
    """A day that is kept as ISO text, as the page's language writes it."""
    try:
        return format_date(date.fromisoformat(iso), "medium").translate(_DIGITS) if iso else ""
    except ValueError:
        return iso or ""  # from another machine, which may have let anything through


def week_day(iso: str) -> str:
    """A day of a week with its name: `Wed, Nov 25`. Raises ValueError for what is no ISO day."""
    return str(format_skeleton("MMMEd", date.fromisoformat(iso), locale=get_locale())).translate(_DIGITS)


def near_day(iso: str, today: str) -> str:
    """A day not far from `today`, both ISO text, as one says it: `today`, `tomorrow`, `Wed, Nov 25`."""
    try:
        away = (date.fromisoformat(iso) - date.fromisoformat(today)).days
    except ValueError:
        return iso
    words = {-1: gettext("yesterday"), 0: gettext("today"), 1: gettext("tomorrow")}
    return str(words.get(away) or week_day(iso))


def when(unix_ms: int | None) -> str:
    """An instant, to the minute, as the clock at the reader's school had it; the wall clock's word, for showing only."""
    return _day_and_time(datetime.fromtimestamp(unix_ms / 1000, tz=UTC), rebase=True) if unix_ms else ""


def when_there(unix_ms: int, zone: str) -> str:
    """The same by the clocks of a time zone, for readers who all live in it."""
    return _day_and_time(datetime.fromtimestamp(unix_ms / 1000, tz=ZoneInfo(zone)), rebase=False)


def _day_and_time(at: datetime, *, rebase: bool) -> str:
    """`Nov 27, 2026 11:07 AM`: the month as a word, because 11/12 is read in two ways."""
    written = f"{format_date(at, 'medium', rebase=rebase)} {format_time(at, 'short', rebase=rebase)}"
    return written.translate(_DIGITS)


@lru_cache(maxsize=64)
def _address(name: str, _root: str, _size: int, _changed_ns: int) -> str:
    return url_for("static", filename=name, v=sha256((STATIC / name).read_bytes()).hexdigest()[:12])


def asset(name: str) -> str:
    """The address of a static file, with its hash, so that it may be kept for ever."""
    found = os.stat(f"{STATIC}/{name}")
    return _address(name, request.root_path, found.st_size, found.st_mtime_ns)


def csrf() -> Markup:
    """The hidden field that every form of ours carries."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(csrf_tokens.token())


def here_path() -> str:
    """Where the language switch comes back to: this page, if it can be opened again.

    Of what stands behind the question mark only numbers and uids come back. A compressed page must
    not repeat a stranger's guess beside what is secret on it.
    """
    if request.method != "GET":
        return "/"
    kept = [f"{name}={value}" for name, value in request.args.items() if name.isalpha() and _is_plain(value)]
    return request.path + ("?" + "&".join(kept) if kept else "")


def _is_plain(value: str) -> bool:
    try:
        return (value.isdecimal() and len(value) < 7) or parse_uid(value) == value
    except BadInput:
        return False


def also(asked: Mapping[str, str]) -> str:
    """What else stands in the address of a page of a list, before its number; what is empty is left out."""
    return "".join(f"{urlencode({name: value})}&" for name, value in asked.items() if value)


def register(app: Flask) -> None:
    """Make all this known to the templates."""
    for shown in (in_language, formatted.formatted, formatted.without_marks, plain, tag_of, named, megabytes, length, day, near_day, when, moment, percent):
        app.add_template_filter(shown)
    app.add_template_filter(languages.of_text, "tag_of_name")
    app.add_template_filter(order.in_order)
    app.add_template_global(asset)
    app.add_template_global(csrf)

    @app.context_processor
    def _of_the_request() -> dict[str, object]:
        return {
            "viewer": guard.viewer(), "page_language": languages.of_page(), "language_names": languages.NAMES,
            "here_path": here_path(), "gap": languages.gap(), "role": guard.here().settings.role, "doors": doors.of_viewer(),
        }
