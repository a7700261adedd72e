"""How many questions a database is asked: what must not grow with the rows is counted, not timed."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from eduhub.db import Database


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that are executed within, but for those that begin and end transactions."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE", "ROLLBACK", "SET")):
            asked.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
