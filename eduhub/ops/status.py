"""The few numbers that `eduhub status` shows. Counts only, nobody's name."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub.delivery.models import BlobRow, CatalogState, PackageRow
from eduhub.installation import Installation
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import any_alive
from eduhub.ops import serve
from eduhub.sync.homeward import outbox
from eduhub.sync.models import Node, NodeContact, Upstream


def of(installation: Installation) -> dict[str, Any]:
    """What this machine holds and what waits, in the order in which it is shown."""
    with installation.database.read() as session:
        state = session.get(CatalogState, 1)
        facts: dict[str, Any] = {
            "role": installation.settings.role,
            "pages": "answer" if serve.answers(installation.settings) else "do not answer",
            "worker": "runs" if any_alive(installation.settings.data_dir / "run") else "does not run",
            "lessons_complete": _count(session, PackageRow, PackageRow.floor_held, PackageRow.superseded_by.is_(None)),
            "lessons_incomplete": _count(session, PackageRow, ~PackageRow.floor_held, PackageRow.superseded_by.is_(None)),
            "stored_mb": round((session.execute(select(func.sum(BlobRow.bytes))).scalar() or 0) / 1e6, 1),
            "catalog": f"epoch {state.epoch}, {state.sequence} entries" if state else "empty",
            "jobs_waiting": _count(session, JobRow, JobRow.state == "waiting"),
            "jobs_running": _count(session, JobRow, JobRow.state == "running"),
            "jobs_failed": _count(session, JobRow, JobRow.state == "failed"),
        }
        return facts | (_hub(session) if installation.settings.role == "hub" else _node(session))


def _count(session: Session, model: Any, *conditions: Any) -> int:
    return session.execute(select(func.count()).select_from(model).where(*conditions)).scalar_one()


def _hub(session: Session) -> dict[str, Any]:
    contacts = session.execute(select(func.max(NodeContact.last_ms))).scalar()
    return {
        "boxes": _count(session, Node, Node.revoked_on.is_(None), Node.ended_on.is_(None)),
        "last_heard_of_a_box": _moment(contacts),
    }


def _node(session: Session) -> dict[str, Any]:
    upstream = session.execute(select(Upstream).order_by(Upstream.priority)).scalars().first()
    if upstream is None:
        return {"hub": "not joined: eduhub node join HUB"}
    return {
        "hub": upstream.url,
        "last_reached": _moment(upstream.last_contact_ms),
        "last_error": upstream.last_error or "none",
        "waits_to_go_home": outbox.waiting(session),
    }


def _moment(unix_ms: int | None) -> str:
    if unix_ms is None:
        return "never"
    return f"{datetime.fromtimestamp(unix_ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"
