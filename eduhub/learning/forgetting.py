"""What was learned by somebody who is erased: events and progress go, also out of what others reported.

This module must not know how the person itself is erased, nor who may ask for it.
"""

from sqlalchemy import String, cast, delete, select
from sqlalchemy.orm import Session

from eduhub.learning import progress
from eduhub.learning.models import Event


def forget(session: Session, person_uid: str) -> None:
    """Remove the events and the progress of a person here. Safe to repeat."""
    progress.remove(session, person_uid)
    session.execute(delete(Event).where(Event.actor_uid == person_uid))
    # What an adult reported of a whole class stays the others'; this one is taken out of it.
    named = select(Event).where(cast(Event.subject_uids, String).contains(person_uid))
    for event in session.scalars(named):
        event.take_out(person_uid)
    session.flush()
    session.expire_all()
