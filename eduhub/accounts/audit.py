"""Who did what to which thing: uids only, so that the list may be read by those who may not read names."""

import re
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts.models import AuditEntry
from eduhub.uids import new_uid

_ACTION = re.compile(r"[a-z]+(\.[a-z_]+)+")


def note(
    session: Session, action: str, *, by_uid: str | None, org_uid: str | None = None, subject_uid: str | None = None
) -> None:
    """Write down an action, as 'schools.enrol'. It stands or falls with the transaction that did it."""
    if not _ACTION.fullmatch(action) or len(action) > 60:
        raise ValueError(f"an action is named like schools.enrol, not {action!r}")
    session.add(
        AuditEntry(
            uid=new_uid(), at_ms=clock.now_ms(), by_uid=by_uid, org_uid=org_uid, action=action, subject_uid=subject_uid
        )
    )
    session.flush()


def newest(session: Session, *, org_uids: Sequence[str] | None = None, limit: int = 100) -> list[AuditEntry]:
    """The newest entries, of some organisations or of all."""
    wanted = select(AuditEntry).order_by(AuditEntry.at_ms.desc(), AuditEntry.uid.desc()).limit(limit)
    if org_uids is not None:
        wanted = wanted.where(AuditEntry.org_uid.in_(org_uids))
    return list(session.scalars(wanted))
