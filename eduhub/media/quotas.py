"""How much room a school has for recordings, and how much the disk has for anybody.

What counts: the bytes of a school's sources, and the announced lengths of files on their way. Room is
promised at the creation of an upload, before a byte of it is sent.

This module must not know HTTP or who asks.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub.delivery import room
from eduhub.errors import DiskFull, QuotaFull
from eduhub.installation import Installation
from eduhub.media import incoming
from eduhub.media.models import SchoolQuota, Source


@dataclass(frozen=True)
class Quota:
    """A school's room, all in bytes."""

    bytes: int
    used: int  # by files that have arrived
    arriving: int  # by files on their way, as long as announced
    free: int


def of(session: Session, installation: Installation, org_uid: str, *, without: str | None = None) -> Quota:
    """A school's room now; `without`: as if the file of this source uid were not on its way."""
    given = session.get(SchoolQuota, org_uid)
    most = given.bytes if given is not None else installation.settings.school_quota_mb << 20
    used = int(session.scalar(select(func.sum(Source.bytes)).where(Source.org_uid == org_uid)) or 0)
    arriving = sum(
        max(record.length or 0, offset)
        for record, offset in incoming.live(installation.settings.data_dir / "incoming")
        if record.intent.org_uid == org_uid and record.intent.source_uid != without
    )
    return Quota(most, used, arriving, max(0, most - used - arriving))


def give(session: Session, org_uid: str, size: int) -> None:
    """Let a school have `size` bytes, whatever the setting says."""
    row = session.get(SchoolQuota, org_uid)
    if row is None:
        session.add(SchoolQuota(org_uid=org_uid, bytes=size))
    else:
        row.bytes = size
    session.flush()


def check(installation: Installation, org_uid: str, size: int, *, source_uid: str, held: int = 0) -> None:
    """Raise QuotaFull or DiskFull when a file of `size` bytes, of which `held` are here, would not find room."""
    with installation.database.read() as session:
        free = of(session, installation, org_uid, without=source_uid).free
    if size > free:
        raise QuotaFull(f"{size} bytes, {free} are left", free_mb=free >> 20)
    promised = sum(
        max(0, (record.length or 0) - offset)
        for record, offset in incoming.live(installation.settings.data_dir / "incoming")
        if record.intent.source_uid != source_uid
    )
    reserved = room.reserved(installation.settings.data_dir)  # by encodings
    check_disk(installation, coming=size - held + promised + reserved)


def check_disk(installation: Installation, *, coming: int = 0) -> None:
    """Raise DiskFull when less than the setting disk_spare_mb would stay free behind `coming` bytes."""
    free = disk_free(installation.settings.data_dir)
    if free - coming < installation.settings.disk_spare_mb << 20:
        raise DiskFull(f"{free} bytes are free, {coming} are coming")


def disk_free(folder: Path) -> int:
    """Bytes that we may still write to the disk of `folder`."""
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize
