"""What a school's box fetches and may use: rows that travel, set by the school's admins at the hub and at the box.

`site_policy` bears the site's uid; a `course_policy` overrides it for one course. Null, or no row: the default, all that
old phones play, in every language, without a limit. Rows may come from another release: what cannot be used of one counts
as not set. See docs/formats/policies.md.

This module must not know how anything is fetched or counted.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.errors import BadInput
from eduhub.schools.models import Site
from eduhub.sync.allowance import budgets
from eduhub.sync.allowance.budgets import Limits
from eduhub.sync.models import CoursePolicy, SitePolicy

# Beyond what every phone plays (H.264 and AAC-LC), by the beginning of the names that manifests have.
CODECS: Mapping[str, tuple[str, ...]] = {
    "av1": ("av01.",), "hevc": ("hvc1.", "hev1."), "vp9": ("vp09.",), "opus": ("opus",), "he-aac": ("mp4a.40.5", "mp4a.40.29"),
}  # fmt: skip
NOTHING, PLANNED, ALL = "none", "planned", "all"  # of a course; not set: what classes take or have in their plan
MB = 1_000_000
_LANGUAGE = re.compile(r"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8}){0,3}")


@dataclass(frozen=True)
class Choice:
    """Which parts of a lesson are wanted, beyond its floor. `max_height`: of pictures that move; 0: none of them, None: any."""

    max_height: int | None = None
    codecs: frozenset[str] = frozenset()  # names of CODECS
    languages: frozenset[str] = frozenset()  # of sound and captions; none: all


@dataclass(frozen=True)
class Rules:
    """What holds for one site. `disk_bytes`: what lessons may take; None: what the disk has."""

    choice: Choice = Choice()
    limits: Limits = field(default_factory=Limits)
    disk_bytes: int | None = None
    courses: Mapping[str, Choice] = field(default_factory=dict)
    wanted: Mapping[str, str] = field(default_factory=dict)  # NOTHING, PLANNED or ALL, by course

    def of(self, course_uid: str | None) -> Choice:
        """Which parts are wanted of a course's lessons."""
        return self.courses.get(course_uid or "", self.choice)


def of_site(session: Session, site_uid: str | None, sync_window: str = "") -> Rules:
    """The rules of a site. `sync_window` is the setting of that name: it holds where the school has not said another."""
    row = session.get(SitePolicy, site_uid) if site_uid else None
    own = _usable(row, SITE_FIELDS) if row is not None else {}
    windows = budgets.parse_windows(own.get("windows") or "")
    if not windows and sync_window and sync_window != "00:00-24:00":
        windows = _setting(sync_window)
    limits = Limits(
        windows, own.get("ceiling_kbit_s"), own.get("class_ceiling_kbit_s"), _bytes(own.get("day_mb")), _bytes(own.get("month_mb"))
    )
    choice = _choice(own, Choice())
    rows = session.scalars(select(CoursePolicy).where(CoursePolicy.site_uid == site_uid).order_by(CoursePolicy.uid)).all()
    courses: dict[str, dict[str, Any]] = {}
    for found in rows:  # two admins may each have made one: the older is the one that pages change
        courses.setdefault(found.course_uid, _usable(found, COURSE_FIELDS))
    return Rules(
        choice, limits, _bytes(own.get("disk_mb")),
        {uid: _choice(values, choice) for uid, values in courses.items()},
        {uid: values["wanted"] for uid, values in courses.items() if values.get("wanted")},
    )  # fmt: skip


def words_for(session: Session, course_uid: str) -> dict[str, str]:
    """What sites have said to be wanted of a course (NOTHING, PLANNED, ALL), by site: one question for all of them."""
    rows = session.scalars(select(CoursePolicy).where(CoursePolicy.course_uid == course_uid).order_by(CoursePolicy.uid))
    oldest: dict[str, CoursePolicy] = {}
    for row in rows:
        oldest.setdefault(row.site_uid, row)
    words = {site_uid: _usable(row, COURSE_FIELDS).get("wanted") for site_uid, row in oldest.items()}
    return {site_uid: word for site_uid, word in words.items() if word}


def set_site(session: Session, site: Site, **values: Any) -> SitePolicy:
    """Set some fields of a site's policy; None takes one back. Raises BadInput, which says what is wrong."""
    check(values, SITE_FIELDS)
    row = session.get(SitePolicy, site.uid)
    if row is None:
        row = SitePolicy(uid=site.uid, org_uid=site.org_uid, **dict.fromkeys(SITE_FIELDS))
        session.add(row)
    for name, value in values.items():
        setattr(row, name, value)
    session.flush()
    return row


def set_course(session: Session, site: Site, course_uid: str, **values: Any) -> CoursePolicy:
    """Set some fields of what holds for one course. Raises BadInput."""
    check(values, COURSE_FIELDS)
    row = find_course(session, site.uid, course_uid)
    if row is None:
        row = CoursePolicy(org_uid=site.org_uid, site_uid=site.uid, course_uid=course_uid, **dict.fromkeys(COURSE_FIELDS))
        session.add(row)
    for name, value in values.items():
        setattr(row, name, value)
    session.flush()
    return row


def find_course(session: Session, site_uid: str, course_uid: str) -> CoursePolicy | None:
    """What a site has said of a course."""
    asked = select(CoursePolicy).where(CoursePolicy.site_uid == site_uid, CoursePolicy.course_uid == course_uid)
    return session.scalars(asked.order_by(CoursePolicy.uid).limit(1)).first()


def check(values: Mapping[str, Any], known: Mapping[str, Callable[[Any], None]]) -> None:
    """Return when every value may stand in its field; raises BadInput."""
    for name, value in values.items():
        if name not in known:
            raise BadInput(f"there is no {name!r:.40} in a policy")
        if value is not None:
            known[name](value)


def _usable(row: SitePolicy | CoursePolicy, known: Mapping[str, Callable[[Any], None]]) -> dict[str, Any]:
    found = {}
    for name, must in known.items():
        value = getattr(row, name)
        try:
            if value is not None:
                must(value)
                found[name] = value
        except BadInput:
            continue  # of a later release, or of a machine that lets anything through: not set
    return found


def _choice(values: Mapping[str, Any], otherwise: Choice) -> Choice:
    height, codecs, languages = values.get("max_height"), values.get("codecs"), values.get("languages")
    return Choice(
        otherwise.max_height if height is None else height,
        otherwise.codecs if codecs is None else frozenset(codecs),
        otherwise.languages if languages is None else frozenset(languages),
    )


def _setting(window: str) -> tuple[budgets.Window, ...]:
    begins, ends = (int(text[:2]) * 60 + int(text[3:]) for text in window.split("-"))
    return () if begins == ends else (budgets.Window(begins % budgets.MINUTES_OF_A_DAY, ends),)


def _bytes(megabytes: int | None) -> int | None:
    return None if megabytes is None else megabytes * MB


# --- what may stand in a field ------------------------------------------------------


def _whole(low: int, high: int, *others: int) -> Callable[[Any], None]:
    def must(value: Any) -> None:
        if type(value) is not int or not (low <= value <= high or value in others):
            raise BadInput(f"a whole number from {low} to {high} is wanted here, not {value!r:.20}")

    return must


def _codecs(value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(name, str) and name in CODECS for name in value):
        raise BadInput(f"codecs are some of {', '.join(CODECS)}")


def _languages(value: Any) -> None:
    is_list = isinstance(value, list) and len(value) <= 20
    if not is_list or not all(isinstance(tag, str) and _LANGUAGE.fullmatch(tag) for tag in value):
        raise BadInput("languages are at most 20 tags such as bo, zh or en")


def _windows(value: Any) -> None:
    if not isinstance(value, str) or len(value) > 120:
        raise BadInput("hours are a text such as 22:00-06:00,12:00-14:00")
    budgets.parse_windows(value)


def _wanted(value: Any) -> None:
    if value not in (NOTHING, PLANNED, ALL):
        raise BadInput(f"of a course is wanted {NOTHING}, {PLANNED} or {ALL}")


_CHOICE: dict[str, Callable[[Any], None]] = {"max_height": _whole(0, 4320), "codecs": _codecs, "languages": _languages}
SITE_FIELDS: Mapping[str, Callable[[Any], None]] = _CHOICE | {
    "ceiling_kbit_s": _whole(8, 1_000_000), "class_ceiling_kbit_s": _whole(8, 1_000_000, 0), "windows": _windows,
    "day_mb": _whole(1, 10_000_000), "month_mb": _whole(1, 100_000_000), "disk_mb": _whole(50, 1_000_000_000),
}  # fmt: skip
COURSE_FIELDS: Mapping[str, Callable[[Any], None]] = _CHOICE | {"wanted": _wanted}
