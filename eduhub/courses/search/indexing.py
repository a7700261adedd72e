"""Keep the index of words in step with the lessons of this machine: titles, texts, and what is said in the package that is shown.

`refresh` compares a hash of what each lesson's words are made of with the one they were made of, and makes anew what differs. So it
does not matter how a lesson came here, whether somebody else wrote it, or whether the power failed in the middle.

This module must not know who may read.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session

from eduhub import changes, logs
from eduhub.changes import Change
from eduhub.courses.models import Lesson
from eduhub.courses.search import spoken, tables
from eduhub.courses.search.tokens import RECIPE, Token, tokens_of
from eduhub.delivery import movements
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.installation import Installation, JobContext

log = logs.logger(__name__)

TITLE, WORDS, SPOKEN = 0, 1, 2  # where a word stands, best first
MOST_TOKENS = 200  # in one text of the index; PostgreSQL keeps 256 places of a word
_AT_ONCE = 20  # lessons in one transaction
_ON_EVERY_PAGE = frozenset({"learner", "open"})  # what is for teachers alone is not found


def refresh(context: JobContext) -> int:
    """The job `search.refresh`: bring the index up to date; returns how many lessons were made anew. Safe to repeat."""
    here = context.installation
    with here.database.write() as session:
        _require_tables(session.connection())
    with here.database.read() as session:
        state = _state(session)
        wanted = _wanted(session)
        known = {row.lesson_uid: row.made_of for row in session.connection().execute(select(tables.LESSON))}
    differing = [uid for uid in {**wanted, **known} if wanted.get(uid) != known.get(uid)]
    for start in range(0, len(differing), _AT_ONCE):
        with here.database.write() as session:
            tables.lock(session.connection())
            for uid in differing[start : start + _AT_ONCE]:
                _make_anew(session, here, uid, wanted.get(uid))
        context.progress(min(1.0, (start + _AT_ONCE) / len(differing)))
    with here.database.write() as session:
        session.connection().execute(tables.STATE.update().values(seen=json.dumps(state)))
    if differing:
        log.info("lessons can be found", lessons=len(differing))
    return len(differing)


def rebuild(context: JobContext) -> int:
    """Throw the index away and make it anew; returns how many lessons are in it."""
    with context.installation.database.write() as session:
        tables.lock(session.connection())
        _make_tables(session.connection())
    return refresh(context)


def is_stale(session: Session) -> bool:
    """Whether `refresh` may have something to do: cheap, to be asked often."""
    connection = session.connection()
    if not tables.are_there(connection):
        return True
    row = connection.execute(select(tables.STATE.c.recipe, tables.STATE.c.seen)).first()
    if row is None or row.recipe != RECIPE or not row.seen:
        return True
    seen, now = json.loads(row.seen), _state(session)
    if any(seen.get(key) != now[key] for key in ("machine", "moves", "lessons")):
        return True
    later = select(Change.seq).where(Change.seq > seen["seq"], Change.table_name == Lesson.__tablename__)
    return session.execute(later.limit(1)).first() is not None


# --- inside -------------------------------------------------------------------------


def _require_tables(connection: Connection) -> None:
    tables.lock(connection)
    if not tables.are_there(connection) or connection.execute(select(tables.STATE.c.recipe)).scalar() != RECIPE:
        _make_tables(connection)


def _make_tables(connection: Connection) -> None:
    tables.make(connection)
    connection.execute(tables.STATE.insert().values(id=1, recipe=RECIPE, seen=""))


def _state(session: Session) -> dict[str, Any]:
    """What moves when lessons, packages or their parts were written; a restored machine has another name."""
    return {
        "machine": changes.machine_uid(session), "seq": changes.latest_seq(session), "moves": movements.count(session),
        "lessons": session.scalar(select(func.count()).select_from(Lesson)),
    }  # fmt: skip


def _wanted(session: Session) -> dict[str, str]:
    """A hash of what the words of each lesson here are made of."""
    shown = _shown(session)
    parts: dict[str, list[str]] = {}
    for package_id, blob in session.execute(
        select(PartRow.package_id, PartRow.sha256).where(PartRow.kind == spoken.KIND, PartRow.held)
    ):
        parts.setdefault(package_id, []).append(blob)
    found = session.execute(select(Lesson.uid, Lesson.titles, Lesson.texts))
    return {
        uid: _hash(titles, texts, shown.get(uid), parts.get(shown.get(uid, ""), [])) for uid, titles, texts in found
    }


def _shown(session: Session) -> Mapping[str, str]:
    """The package of each lesson that can be shown here."""
    rows = session.execute(
        select(PackageRow.lesson_uid, PackageRow.id)
        .where(PackageRow.floor_held, ~PackageRow.withdrawn)
        .order_by(PackageRow.revision, PackageRow.id.desc())
    )
    return {row.lesson_uid: row.id for row in rows}  # the last of each: the newest


def _hash(titles: Mapping[str, str], texts: Mapping[str, str], package_id: str | None, parts: list[str]) -> str:
    made_of = json.dumps([titles, texts, package_id, sorted(parts)], sort_keys=True, ensure_ascii=False)
    return sha256(made_of.encode("utf-8", "surrogatepass")).hexdigest()


def _make_anew(session: Session, here: Installation, lesson_uid: str, made_of: str | None) -> None:
    connection = session.connection()
    tables.remove(connection, lesson_uid)
    lesson = session.get(Lesson, lesson_uid)
    if lesson is None or made_of is None:
        return
    for place, texts in ((TITLE, lesson.titles), (WORDS, lesson.texts)):
        for language, written in sorted(texts.items()):
            _put(connection, lesson_uid, place, language, [[None, line] for line in str(written).splitlines()])
    for language, lines in _spoken(session, here, lesson_uid):
        _put(connection, lesson_uid, SPOKEN, language, lines)
    connection.execute(tables.LESSON.insert().values(lesson_uid=lesson_uid, made_of=made_of))


def _spoken(session: Session, here: Installation, lesson_uid: str) -> Iterator[tuple[str, list[list[Any]]]]:
    """(language, lines) of what is said in the lesson, as far as it is here and for everybody."""
    package = session.scalars(
        select(PackageRow)
        .where(PackageRow.lesson_uid == lesson_uid, PackageRow.floor_held, ~PackageRow.withdrawn)
        .order_by(PackageRow.revision.desc(), PackageRow.id)
        .limit(1)
    ).first()
    if package is None:
        return
    held = set(session.scalars(select(PartRow.sha256).where(PartRow.package_id == package.id, PartRow.held)))
    yield from spoken.lines_of(package.manifest, held, _ON_EVERY_PAGE, here.blobs)


def _put(connection: Connection, lesson_uid: str, place: int, language: str, lines: list[list[Any]]) -> None:
    """Add lines in parts that are neither too long for the index nor longer than somebody wants to look through."""
    waiting: list[list[Any]] = []
    words: list[Token] = []
    for at_ms, line in lines:
        for piece, found in _pieces(line):
            if waiting and len(words) + len(found) > MOST_TOKENS:
                tables.put(connection, lesson_uid, place, language, waiting)
                waiting, words = [], []
            waiting.append([at_ms, piece])
            words += found
    if words:
        tables.put(connection, lesson_uid, place, language, waiting)


def _pieces(line: str) -> Iterator[tuple[str, list[Token]]]:
    """A line, cut between words where it is very long."""
    words = tokens_of(line)
    starts = [words[at].start for at in range(MOST_TOKENS, len(words), MOST_TOKENS)]
    for start, end in zip([0, *starts], [*starts, len(line)], strict=True):
        yield line[start:end], tokens_of(line[start:end]) if starts else words
