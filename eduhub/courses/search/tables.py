"""Where the words of lessons are kept: a row for each text, and the database's own full-text index beside it.

All of this is made of other tables and of blobs. So it does not travel, is in no backup and in no migration: it is made where
it is missing, and thrown away when the recipe is another. The index gets our tokens, one beside the other, and no
engine cuts a text itself: SQLite's FTS5 splits at spaces and keeps no text of its own, PostgreSQL is handed a finished tsvector.

This module must not know lessons.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, SmallInteger, String, Table, Text, inspect, text

from eduhub.courses.search.tokens import Term, Token, tokens_of
from eduhub.db import BigInt, Json

_METADATA = MetaData()
# Which state of the machine the index is of: see indexing.py. One row.
STATE = Table(
    "search_state", _METADATA, Column("id", Integer, primary_key=True, autoincrement=False), Column("recipe", Integer, nullable=False),
    Column("seen", Text, nullable=False),
)  # fmt: skip
# A lesson that is in the index, and a hash of what it was made of.
LESSON = Table(
    "search_lesson",
    _METADATA,
    Column("lesson_uid", String(36), primary_key=True),
    Column("made_of", String(64), nullable=False),
)
# A title, a part of a text, or a minute or so of what is said. `lines`: [[at_ms or null, text], ...]
TEXT = Table(
    "search_text", _METADATA, Column("id", BigInt, primary_key=True), Column("lesson_uid", String(36), nullable=False, index=True),
    Column("place", SmallInteger, nullable=False), Column("language", String(35), nullable=False),
    Column("lines", Json, nullable=False), sqlite_autoincrement=True,
)  # fmt: skip
_FTS5 = "CREATE VIRTUAL TABLE search_index USING fts5(tokens, content='', columnsize=0, tokenize='ascii')"
_TSVECTOR = (
    "CREATE TABLE search_index (id BIGINT PRIMARY KEY, tokens TSVECTOR NOT NULL)",
    "CREATE INDEX ix_search_index_tokens ON search_index USING gin (tokens) WITH (fastupdate = off)",
)
_LOCK = 0x6564_7561  # among PostgreSQL's advisory locks


def are_there(connection: Connection) -> bool:
    """Whether the tables were made."""
    return inspect(connection).has_table(STATE.name)


def lock(connection: Connection) -> None:
    """Be the only one that writes the index, until the commit. SQLite has one writer anyway."""
    if not is_sqlite(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def make(connection: Connection) -> None:
    """Make the tables anew, empty."""
    connection.execute(text("DROP TABLE IF EXISTS search_index"))
    _METADATA.drop_all(connection)
    _METADATA.create_all(connection)
    for statement in (_FTS5,) if is_sqlite(connection) else _TSVECTOR:
        connection.execute(text(statement))


def put(connection: Connection, lesson_uid: str, place: int, language: str, lines: list[list[Any]]) -> None:
    """Add a text to the index."""
    row = {"lesson_uid": lesson_uid, "place": place, "language": language, "lines": lines}
    row_id = connection.execute(TEXT.insert().values(**row)).inserted_primary_key[0]  # type: ignore[index]
    connection.execute(text(_put(connection)), {"id": row_id, "tokens": _written(connection, lines)})


def remove(connection: Connection, lesson_uid: str) -> None:
    """Take every text of a lesson out of the index."""
    rows = connection.execute(TEXT.select().where(TEXT.c.lesson_uid == lesson_uid)).all()
    for row in rows:
        if is_sqlite(connection):  # FTS5 keeps no text, so it is told which words the row had
            gone = "INSERT INTO search_index (search_index, rowid, tokens) VALUES ('delete', :id, :tokens)"
            connection.execute(text(gone), {"id": row.id, "tokens": _written(connection, row.lines)})
        else:
            connection.execute(text("DELETE FROM search_index WHERE id = :id"), {"id": row.id})
    connection.execute(TEXT.delete().where(TEXT.c.lesson_uid == lesson_uid))
    connection.execute(LESSON.delete().where(LESSON.c.lesson_uid == lesson_uid))


def is_sqlite(connection: Connection) -> bool:
    """Whether this is the embedded engine."""
    return connection.dialect.name == "sqlite"


def matching(connection: Connection, term: Term) -> tuple[str, dict[str, Any]]:
    """SQL for the ids of the texts in which a term stands, and its parameters."""
    if is_sqlite(connection):
        asked = f'"{" ".join(term.words)}"{" *" if term.is_prefix else ""}'
        return "SELECT rowid FROM search_index WHERE search_index MATCH :asked", {"asked": asked}
    words = [_quoted(word) for word in term.words]
    asked = " <-> ".join(words) + (":*" if term.is_prefix else "")
    return "SELECT id FROM search_index WHERE tokens @@ CAST(:asked AS tsquery)", {"asked": asked}


def tokens_of_lines(lines: Iterable[Sequence[Any]]) -> list[Token]:
    """The words of some lines, one after the other."""
    return [token for _at_ms, line in lines for token in tokens_of(line)]


def _put(connection: Connection) -> str:
    if is_sqlite(connection):
        return "INSERT INTO search_index (rowid, tokens) VALUES (:id, :tokens)"
    return "INSERT INTO search_index (id, tokens) VALUES (:id, CAST(:tokens AS tsvector))"


def _written(connection: Connection, lines: Iterable[Sequence[Any]]) -> str:
    words = [token.text for token in tokens_of_lines(lines)]
    if is_sqlite(connection):
        return " ".join(words)
    return " ".join(f"{_quoted(word)}:{place}" for place, word in enumerate(words, start=1))


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"
