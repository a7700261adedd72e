"""How values look on a page: texts with their language, megabytes, lengths, days.

Template filters and globals only; must not know any table.
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from flask import Flask, request, url_for
from flask_babel import format_date, format_datetime, format_decimal, gettext
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup

from eduhub import guard
from eduhub.web import doors, languages

STATIC = Path(__file__).parent / "static"


def in_language(names: dict[str, str] | None, content_language: str | None = None) -> Markup:
    """A text kept by language, as a span that says which language it is in."""
    tag, text = languages.best(names or {}, content_language)
    return Markup('<span lang="{}">{}</span>').format(tag, text or gettext("(no title yet)"))


def plain(names: dict[str, str] | None, content_language: str | None = None) -> str:
    """The same text without markup, for titles and options."""
    return languages.best(names or {}, content_language)[1] or gettext("(no title yet)")


def named(text: str) -> Markup:
    """A person's name or a typed text, with the language that its letters point to."""
    tag = languages.of_text(text)
    return Markup('<bdi lang="{}">{}</bdi>').format(tag, text) if tag else Markup("<bdi>{}</bdi>").format(text)


def megabytes(size: int | None) -> str:
    """`6 MB`; one decimal below ten, so that small things do not all read 0."""
    found = (size or 0) / 1_000_000
    rounded = round(found) if found >= 10 else max(0.1, round(found, 1))
    return str(gettext("%(number)s MB", number=format_decimal(rounded)))


def length(milliseconds: int) -> str:
    """`40 min`, `1 h 5 min`, `50 s`."""
    seconds = milliseconds // 1000
    if seconds < 60:
        return str(gettext("%(seconds)s s", seconds=seconds))
    minutes = round(seconds / 60)
    if minutes < 60:
        return str(gettext("%(minutes)s min", minutes=minutes))
    return str(gettext("%(hours)s h %(minutes)s min", hours=minutes // 60, minutes=minutes % 60))


def day(iso: str | None) -> str:
    """A day that is kept as ISO text, as the page's language writes it."""
    try:
        return format_date(date.fromisoformat(iso), "medium") if iso else ""
    except ValueError:
        return iso or ""  # from another machine, which may have let anything through


def when(unix_ms: int | None) -> str:
    """An instant, to the minute; the wall clock's word, for showing only."""
    return format_datetime(datetime.fromtimestamp(unix_ms / 1000, tz=UTC), "short") if unix_ms else ""


@lru_cache(maxsize=64)
def _version(name: str, _size: int, _changed_ns: int) -> str:
    return sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def asset(name: str) -> str:
    """The address of a static file, with its hash, so that it may be kept for ever."""
    found = (STATIC / name).stat()
    return url_for("static", filename=name, v=_version(name, found.st_size, found.st_mtime_ns))


def csrf() -> Markup:
    """The hidden field that every form of ours carries."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf())


def here_path() -> str:
    """Where the language switch comes back to: this page, if it can be opened again."""
    return request.full_path.rstrip("?") if request.method == "GET" else "/"


def register(app: Flask) -> None:
    """Make all this known to the templates."""
    for shown in (in_language, plain, named, megabytes, length, day, when):
        app.add_template_filter(shown)
    app.add_template_global(asset)
    app.add_template_global(csrf)

    @app.context_processor
    def _of_the_request() -> dict[str, object]:
        return {
            "viewer": guard.viewer(), "page_language": languages.of_page(), "language_names": languages.NAMES,
            "here_path": here_path(), "role": guard.here().settings.role, "doors": doors.of_viewer(),
        }
