"""What Alembic runs for each command; it works on the connection that eduhub/ops/migrate.py hands in."""

from typing import Any

from alembic import context

from eduhub.db import BigInt, Json
from eduhub.ops import migrate


def short_type(kind: str, item: Any, _context: Any) -> str | bool:
    """The two types that script.py.mako spells out at the top of each migration, by name."""
    if kind == "type" and isinstance(item, type(Json)):
        return "Json"
    if kind == "type" and isinstance(item, type(BigInt)):
        return "BigInt"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=migrate.METADATA,
    render_as_batch=True,  # SQLite alters a table by copying it
    transactional_ddl=True,  # SQLite can, in the transaction that migrate.py has begun
    compare_server_default=True,
    render_item=short_type,
)
with context.begin_transaction():
    context.run_migrations()
