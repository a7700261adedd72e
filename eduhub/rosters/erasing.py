"""A child is erased: every row that is about this child, and what was learned, is removed for good.

Tombstones of the rows travel to the school's boxes, which then do the same (`sync/school_stream/applying.py`). What
stays is the uid where somebody else's act names it (who changed what), and that it was erased.

This module must not know who may ask for it.
"""

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.accounts.models import Credential, Person, PictureSecret, RoleGrant, SignIn
from eduhub.errors import NotFound
from eduhub.learning import forgetting
from eduhub.schools.models import Enrolment, LearnerRecord


def erase_child(session: Session, person_uid: str) -> None:
    """Remove it all. Raises NotFound."""
    person = session.get(Person, person_uid)
    if person is None:
        raise NotFound("no such person")
    forget(session, person_uid)
    models: tuple[Any, ...] = (Enrolment, RoleGrant, Credential)
    for model in models:
        for row in list(session.scalars(select(model).where(model.person_uid == person_uid))):
            changes.erase(session, row)
    # The record too where there is none here: one may be on its way from a box.
    changes.bury(session, LearnerRecord.__tablename__, person_uid, person.org_uid)
    changes.erase(session, session.get_one(Person, person_uid))


def forget(session: Session, person_uid: str) -> None:
    """Remove what this machine alone holds of a person: sign-ins, chosen pictures, what was learned. Safe to repeat."""
    session.execute(delete(SignIn).where(SignIn.person_uid == person_uid))
    session.execute(delete(PictureSecret).where(PictureSecret.person_uid == person_uid))
    forgetting.forget(session, person_uid)
