"""GET /health: whether this machine works, for supervisors, proxies and people. Nothing secret, no names."""

import shutil

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

import eduhub
from eduhub import guard, logs
from eduhub.http import caches
from eduhub.installation import Installation
from eduhub.jobs import running

log = logs.logger(__name__)

# Below this the next lecture or the next hundred events may find the disk full.
LEAST_FREE_MB = 256

bp = Blueprint("api_health", __name__)


@bp.get("/health")
@guard.allow(guard.anyone)
@caches("no-store")
def health() -> ResponseReturnValue:
    """200 when database, disk and worker are well, else 503 with what is not."""
    here = guard.here()
    free_mb = shutil.disk_usage(here.settings.data_dir).free >> 20
    checks = {
        "database": _database_answers(here),
        "disk": free_mb >= LEAST_FREE_MB,
        "worker": running.any_alive(here.settings.data_dir / "run"),
    }
    is_well = all(checks.values())
    answer = jsonify(
        status="well" if is_well else "not well", role=here.settings.role, version=eduhub.__version__,
        disk_free_mb=free_mb, checks={name: "well" if holds else "not well" for name, holds in checks.items()},
    )  # fmt: skip
    answer.status_code = 200 if is_well else 503
    return answer


def _database_answers(here: Installation) -> bool:
    try:
        with here.database.read() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        log.exception("database does not answer")
        return False
    return True
