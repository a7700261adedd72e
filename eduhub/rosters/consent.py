"""That a guardian agreed, and who took it down: a day in the child's record."""

from sqlalchemy.orm import Session

from eduhub.accounts.models import Person
from eduhub.schools.models import LearnerRecord


def of(session: Session, person_uid: str) -> str | None:
    """The day on which it was noted; None when it was not."""
    record = session.get(LearnerRecord, person_uid)
    return record.consent_on if record is not None else None


def note(session: Session, person: Person, *, on: str | None, by_uid: str | None) -> None:
    """Note a consent, or with None that there is none any more."""
    record = session.get(LearnerRecord, person.uid)
    if record is None:
        record = LearnerRecord(uid=person.uid, org_uid=person.org_uid, grade=None, pupil_number_hash=None)
        session.add(record)
    record.consent_on, record.consent_by_uid = on, by_uid
    session.flush()
