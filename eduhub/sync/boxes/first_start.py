"""Node: joining from a page. The page asks, a job does it, and the job's row says how far it is.

The code is the credential, so it is in no row and on no page: it lies in a file of this machine's user until it has served.
This module must not know HTTP. See `joining.py`.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.delivery.models import PinnedRoot
from eduhub.errors import AlreadyJoined, EduHubError, JoinRefused, error_table
from eduhub.installation import Installation, JobContext
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.schools.models import Organisation
from eduhub.sync.boxes import joining, nodes, typed_hub
from eduhub.sync.models import Upstream

KIND = "sync.join"
_CODE_FILE = "join-code"


@dataclass(frozen=True)
class Asked:
    """The last wish to join: of which hub, whether it is under way, and what became of it."""

    hub: str
    is_under_way: bool
    error: type[EduHubError] | None = None
    reason: str = ""  # of a refusal, see JoinRefused
    may_repeat: bool = False  # the code has not been refused: it need not be typed again


def is_new(session: Session) -> bool:
    """Whether this box belongs to nobody yet."""
    return not any(session.scalars(select(column).limit(1)).first() for column in (Upstream.url, PinnedRoot.id, Organisation.uid))


def address_of(typed: str) -> str:
    """The hub's address as somebody typed it; TLS where nothing else is said. Raises BadInput."""
    plain = re.sub(r"\s", "", typed).rstrip("/")
    url = plain if re.match(r"https?://", plain, re.IGNORECASE) else f"https://{plain}"
    typed_hub.check(url)
    return url


def ask(session: Session, installation: Installation, hub: str, code: str | None, *, at_the_machine: bool = False) -> None:
    """Have the box join; `code` None: the one of the last try. `at_the_machine`: it is asked from there, and the hub may be there too.

    Raises BadInput, JoinRefused (no code), AlreadyJoined.
    """
    url = address_of(hub)
    if not is_new(session):
        raise AlreadyJoined()
    if code is None and _kept(installation) is None:
        raise JoinRefused("no code is kept", reason="not_a_code")
    if code is not None:
        nodes.read_code(code)
        _keep(installation, code)
    queue.enqueue(session, KIND, {"hub": url, "also_here": at_the_machine}, dedupe=KIND, priority=0, max_attempts=1)


def asked(session: Session, installation: Installation) -> Asked | None:
    """What became of the last wish; None before the first."""
    row = session.scalars(select(JobRow).where(JobRow.kind == KIND).order_by(JobRow.uid.desc()).limit(1)).first()
    if row is None:
        return None
    hub = str(row.args.get("hub", ""))
    if row.state in {"waiting", "running"}:
        return Asked(hub, is_under_way=True)
    errors = {found.code: found for found in error_table()}
    error = errors.get(row.error_code or "", EduHubError)
    reason = str((row.error_facts or {}).get("reason", ""))
    may_repeat = error is not JoinRefused and _kept(installation) is not None
    return Asked(hub, is_under_way=False, error=error, reason=reason, may_repeat=may_repeat)


def run(context: JobContext, hub: str, also_here: bool = False) -> None:
    """The job. `also_here`: the hub may be on this machine. Joining twice with the same code is safe: a box that was switched off in between asks again."""
    code = _kept(context.installation)
    if code is None:
        raise JoinRefused("no code is kept", reason="not_a_code")
    try:
        joining.join(context.installation, hub, code, transport=typed_hub.Outward(hub, also_here=also_here))
    except JoinRefused:
        _file(context.installation).unlink(missing_ok=True)
        raise
    _file(context.installation).unlink(missing_ok=True)


def _file(installation: Installation) -> Path:
    return installation.settings.data_dir / "run" / _CODE_FILE


def _kept(installation: Installation) -> str | None:
    try:
        return _file(installation).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _keep(installation: Installation, code: str) -> None:
    """Whole or not at all; it need not outlive a power cut, after which somebody types it again."""
    new = _file(installation).with_suffix(f".{os.getpid()}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(code)
    new.replace(_file(installation))
