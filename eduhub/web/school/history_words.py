"""What an act of the history means, in words. Names come from the roster only: whoever was erased has none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import flask_babel
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.accounts.models import Person
from eduhub.courses.models import Course, Lesson
from eduhub.rosters.history import Act
from eduhub.schools import calendars, organisations
from eduhub.schools.models import Group
from eduhub.web import languages, shown
from eduhub.web.school import roster

gettext: Callable[..., str] = flask_babel.gettext


@dataclass(frozen=True)
class Detail:
    """One changed value; `lost` when another change that was made at the same time holds instead."""

    what: str
    before: str
    after: str
    lost: bool
    holding: str


@dataclass(frozen=True)
class Line:
    """An act as a page shows it. `why_not` is why it cannot be undone, '' when it can."""

    key: str
    text: str
    by: str
    when: str
    elsewhere: str  # where it was made, when that is not here
    details: Sequence[Detail]
    lost: bool
    why_not: str


def kind_words() -> dict[str, str]:
    """The kinds of acts that a page offers to choose from."""
    return {
        "people": gettext("People"), "cards": gettext("Cards"), "classes": gettext("Classes"),
        "courses": gettext("Courses"), "plan": gettext("Plan"), "calendar": gettext("Calendar"),
    }  # fmt: skip


def role_words() -> dict[str, str]:
    """What somebody does at a school, by role."""
    return {
        "teacher": gettext("Teacher"), "school_admin": gettext("School admin"), "operator": gettext("Operator"),
        "region_operator": gettext("Region operator"), "assistant": gettext("Assistant"),
        "reviewer": gettext("Reviewer"),
    }  # fmt: skip


def reason_words() -> dict[str, str]:
    """Why a child left a class."""
    return {
        "withdrawn": gettext("left the school"), "moved_group": gettext("goes to another class"),
        "transferred": gettext("goes to another school"), "graduated": gettext("finished school"),
        "mistake": gettext("was put in by mistake"),
    }  # fmt: skip


class Names:
    """The words for one page: every name is looked up once."""

    def __init__(self, session: Session, org_uid: str) -> None:
        self._session, self._path = session, set(organisations.path(session, org_uid))
        self._zone = calendars.zone_of(session, org_uid)
        self._known: dict[tuple[str, str], str] = {}

    def line(self, act: Act, why_not: str) -> Line:
        """An act in words."""
        away = gettext("at the county") if guard.here().settings.role == "node" else gettext("at the school's box")
        return Line(
            act.key, _SENTENCES[act.table](self, act), self.person(act.by_uid) if act.by_uid else gettext("the system"),
            shown.when_there(act.made_ms, self._zone), "" if act.made_here else away, self._details(act), act.lost, why_not,
        )

    def person(self, uid: Any) -> str:
        """A person's name. Whoever belongs neither to the school nor above it is not named."""
        return self._name("person", uid, self._person)

    def group(self, uid: Any) -> str:
        """A class's name."""
        return self._name("group", uid, self._group)

    def lesson(self, uid: Any) -> str:
        """A lesson's title."""
        return self._name("lesson", uid, self._lesson)

    def course(self, uid: Any) -> str:
        """A course's title."""
        return self._name("course", uid, self._course)

    def _name(self, kind: str, uid: Any, find: Any) -> str:
        key = kind, str(uid)
        if key not in self._known:
            self._known[key] = find(str(uid))
        return self._known[key]

    def _person(self, uid: str) -> str:
        found = self._session.get(Person, uid)
        if found is None:
            return gettext("somebody who is not here any more")
        return found.name if found.org_uid in self._path else gettext("somebody of another school")

    def _group(self, uid: str) -> str:
        found = self._session.get(Group, uid)
        return roster.group_name(self._session, found) if found else gettext("a class that is not here any more")

    def _lesson(self, uid: str) -> str:
        found = self._session.get(Lesson, uid)
        return shown.plain(found.titles, found.language) if found else gettext("A lesson that is not here yet")

    def _course(self, uid: str) -> str:
        found = self._session.get(Course, uid)
        return shown.plain(found.titles) if found else gettext("a course that is not here")

    def _details(self, act: Act) -> list[Detail]:
        write = _DETAILS.get(act.table)
        if write is None or (act.is_new and not act.lost):
            return []
        labels = write()
        return [
            Detail(labels[name], _value(name, field.before), _value(name, field.after), field.lost, _value(name, act.row.get(name)))
            for name, field in act.fields.items()
            if name in labels and (field.lost or act.table == "person")
        ]


def _value(name: str, value: Any) -> str:
    if value is None or value == "":
        return gettext("(none)")
    if name in ("day", "ended_on", "starts_on", "closed_on", "dropped_on"):
        return shown.day(str(value))
    if name == "language":
        return languages.NAMES.get(str(value), str(value))
    return str(value)


def _place(day: Any, period: Any) -> str:
    if not day:
        return gettext("next, without a day")
    if not period:
        return shown.day(str(day))
    return gettext("%(day)s, period %(number)s", day=shown.day(str(day)), number=period)


# --- one sentence a table -----------------------------------------------------------


def _of_person(names: Names, act: Act) -> str:
    name = names.person(act.row_uid)
    return gettext("%(name)s was added.", name=name) if act.is_new else gettext("%(name)s was changed.", name=name)


def _of_enrolment(names: Names, act: Act) -> str:
    told = {"name": names.person(act.row.get("person_uid")), "group": names.group(act.row.get("group_uid"))}
    if act.is_new:
        return gettext("%(name)s: into %(group)s from %(day)s.", day=_value("day", act.row.get("starts_on")), **told)
    reason = reason_words().get(str(act.row.get("end_reason")), "")
    day = _value("day", act.row.get("ended_on"))
    return gettext("%(name)s: out of %(group)s from %(day)s (%(reason)s).", day=day, reason=reason, **told)


def _of_group(names: Names, act: Act) -> str:
    name = names.group(act.row_uid)
    if act.is_new:
        return gettext("The class %(group)s was made.", group=name)
    closed = act.fields.get("closed_on")
    if closed is None:
        return gettext("The class %(group)s was changed.", group=name)
    if closed.after is None:
        return gettext("The class %(group)s was opened again.", group=name)
    return gettext("The class %(group)s was closed.", group=name)


def _of_group_course(names: Names, act: Act) -> str:
    told = {"group": names.group(act.row.get("group_uid")), "course": names.course(act.row.get("course_uid"))}
    if act.is_new:
        return gettext("%(group)s takes the course %(course)s.", **told)
    return gettext("%(group)s takes the course %(course)s no more.", **told)


def _of_plan_row(names: Names, act: Act) -> str:
    told = {"group": names.group(act.row.get("group_uid")), "lesson": names.lesson(act.row.get("lesson_uid"))}

    def side(name: str) -> str:
        day, period = (
            getattr(act.fields[field], name) if field in act.fields else act.row.get(field) for field in ("day", "period")
        )
        return _place(day, period)

    if act.is_new:
        return gettext("%(group)s: %(lesson)s is planned for %(place)s.", place=side("after"), **told)
    if "dropped_on" in act.fields:
        place = _place(act.row.get("day"), act.row.get("period"))
        return gettext("%(group)s: %(lesson)s is taken out of the plan (%(place)s).", place=place, **told)
    return gettext(
        "%(group)s: %(lesson)s is moved from %(before)s to %(place)s.", before=side("before"), place=side("after"), **told
    )


def _of_credential(names: Names, act: Act) -> str:
    name = names.person(act.row.get("person_uid"))
    is_card = act.row.get("kind") == "card"
    if act.row.get("kind") == "box_word":
        if act.is_new:
            return gettext("%(name)s has a word for the school's box.", name=name)
        return gettext("The word of %(name)s for the school's box is used, or was ended.", name=name)
    if act.is_new:
        return gettext("%(name)s has a new card.", name=name) if is_card else gettext("%(name)s has a new password.", name=name)
    return gettext("The old card of %(name)s is useless.", name=name) if is_card else gettext(
        "The old password of %(name)s is useless.", name=name
    )


def _of_role_grant(names: Names, act: Act) -> str:
    role = str(act.row.get("role"))
    told = {"name": names.person(act.row.get("person_uid")), "role": role_words().get(role, role)}
    return gettext("%(name)s: %(role)s.", **told) if act.is_new else gettext("%(name)s: %(role)s no more.", **told)


def _of_record(names: Names, act: Act) -> str:
    return gettext("What is noted about %(name)s was changed.", name=names.person(act.row_uid))


def _of_calendar(_names: Names, _act: Act) -> str:
    return gettext("The school's calendar was changed.")


_SENTENCES = {
    "person": _of_person, "enrolment": _of_enrolment, "learner_group": _of_group, "group_course": _of_group_course,
    "plan_row": _of_plan_row, "credential": _of_credential, "role_grant": _of_role_grant, "learner_record": _of_record,
    "school_calendar": _of_calendar,
}  # fmt: skip
# Which values are shown: never a verifier, a hash or a uid.
_DETAILS = {
    "person": lambda: {"name": gettext("Name"), "language": gettext("Language"), "picture": gettext("Picture")},
    "plan_row": lambda: {"day": gettext("Day"), "period": gettext("Period")},
    "enrolment": lambda: {"ended_on": gettext("Day")},
    "learner_group": lambda: {"closed_on": gettext("Day")},
    "group_course": lambda: {"ended_on": gettext("Day")},
    "role_grant": lambda: {"ended_on": gettext("Day")},
}
