"""Everything that is kept of a child on this machine, as plain values: what a guardian may ask for.

Never in it: what a card or a password is checked against, and whatever is another person's.
See docs/formats/export.md.
"""

from typing import Any

from sqlalchemy import String, cast, or_, select
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.accounts.models import AuditEntry, Credential, Person, RoleGrant, SignIn
from eduhub.courses.models import Lesson
from eduhub.errors import NotFound
from eduhub.learning.models import Event, Progress
from eduhub.schools.models import Enrolment, Group, LearnerRecord, Organisation

FORMAT = "eduhub-person/1"
_SECRET = frozenset({"verifier", "pupil_number_hash"})


def of_child(session: Session, person_uid: str) -> dict[str, Any]:
    """All of it. Raises NotFound."""
    person = session.get(Person, person_uid)
    if person is None:
        raise NotFound("no such person")
    school = session.get(Organisation, person.org_uid)
    record = session.get(LearnerRecord, person_uid)
    spans = _rows(session, Enrolment, person_uid)
    grants, cards = _rows(session, RoleGrant, person_uid), _rows(session, Credential, person_uid)
    return {
        "format": FORMAT, "made": clock.now().isoformat(timespec="seconds"),
        "person": _values(person), "school": school.names if school else None,
        "record": _values(record) if record else None,
        "classes": [_values(span) | {"class": _group(session, span.group_uid)} for span in spans],
        "roles": [_values(grant) for grant in grants], "cards": [_values(card) for card in cards],
        "sign_ins": [
            {"started_ms": row.started_ms, "ended_ms": row.ended_ms}
            for row in session.scalars(select(SignIn).where(SignIn.person_uid == person_uid).order_by(SignIn.uid))
        ],
        "progress": [_progress(session, row) for row in session.scalars(
            select(Progress).where(Progress.person_uid == person_uid).order_by(Progress.lesson_uid, Progress.timeline_uid)
        )],
        "events": [_event(row, person_uid) for row in session.scalars(
            select(Event)
            .where(or_(Event.actor_uid == person_uid, cast(Event.subject_uids, String).contains(person_uid)))
            .order_by(Event.uid)
        )],
        "changes": [
            _change(change)
            for row in (person, *([record] if record else []), *spans, *grants, *cards)
            for change in changes.history(session, row.__tablename__, row.uid)
        ],
        "notes": [
            {"at_ms": row.at_ms, "action": row.action}
            for row in session.scalars(select(AuditEntry).where(AuditEntry.subject_uid == person_uid).order_by(AuditEntry.uid))
        ],
    }  # fmt: skip


def _rows(session: Session, model: Any, person_uid: str) -> list[Any]:
    return list(session.scalars(select(model).where(model.person_uid == person_uid).order_by(model.uid)))


def _values(row: Any) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__mapper__.columns if column.key not in _SECRET}


def _group(session: Session, uid: str) -> dict[str, Any] | None:
    group = session.get(Group, uid)
    return None if group is None else {
        "stage": group.stage, "intake_year": group.intake_year, "class_number": group.class_number, "names": group.names
    }


def _progress(session: Session, row: Progress) -> dict[str, Any]:
    lesson = session.get(Lesson, row.lesson_uid)
    return {
        "lesson": row.lesson_uid, "titles": lesson.titles if lesson else None, "timeline": row.timeline_uid,
        "spans": row.spans, "days": row.days, "watched_ms": row.watched_ms, "position_ms": row.position_ms,
    }  # fmt: skip


def _event(row: Event, person_uid: str) -> dict[str, Any]:
    """As it arrived, without the others who are named in it."""
    others = {"actor": row.actor_uid if row.actor_uid == person_uid else None}
    return row.body | others | {"subjects": [uid for uid in row.subject_uids if uid == person_uid]}


def _change(change: changes.FieldChange) -> dict[str, Any]:
    value = None if change.field in _SECRET else change.value
    return {"table": change.table_name, "row": change.row_uid, "field": change.field, "value": value, "made_ms": change.made_ms}
