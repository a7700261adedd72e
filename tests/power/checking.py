"""Open what a power cut or a kill left, as a start does, and say what is wrong with it: nothing, it should be."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select, text, update

from eduhub import clock
from eduhub.courses.models import Lesson
from eduhub.db import Database
from eduhub.delivery import catalog, holding
from eduhub.delivery.models import BlobRow, PackageRow, PartRow
from eduhub.installation import Installation, open_installation
from eduhub.jobs import queue, running
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker
from eduhub.media import uploads
from eduhub.media.models import LadderStep, Rendition, Source
from eduhub.ops.handlers import HANDLERS
from eduhub.ops.opening import make_ready

from . import flow

ALL_ENTRIES = 100_000  # a hundred killed lessons write more entries than one page of the catalog holds
# One for all states that lie at the same place, one after the other: compiled statements are kept, connections are not.
_databases: dict[str, Database] = {}


@contextmanager
def started(data_dir: Path) -> Iterator[Installation]:
    """A start of the program on these files; a first one where the tables are not there yet."""
    data_dir.mkdir(exist_ok=True)
    here = open_installation(flow.settings_of(data_dir))
    here = replace(here, database=_databases.setdefault(here.database.url, here.database))
    try:
        with here.database.engine.connect() as connection:
            is_new = not connection.dialect.has_table(connection, "package")
        if is_new:
            here.database.close()
            make_ready(flow.settings_of(data_dir)).database.close()
        yield here
    finally:
        here.database.close()


def problems(data_dir: Path, promises: list[dict[str, Any]], *, known: dict[bytes, str] | None = None) -> list[str]:
    """What is broken or missing in `data_dir`, which was promised `promises`. `known`: hashes of earlier calls."""
    with started(data_dir) as here:
        found = damage(here, known)
        uploads.sweep(here)
        found += broken_promises(here, promises)
        return found + list(_stuck(here))


def goes_on(data_dir: Path) -> list[str]:
    """What is wrong after the program has done all that was waiting."""
    with started(data_dir) as here:
        with here.database.read() as session:
            wanted = session.scalars(select(Lesson.uid).where(Lesson.state.in_(["submitted", "published"]))).all()
            arrived = session.scalars(select(Source.uid)).all()
        if not wanted or not arrived:
            return []
        stop = threading.Event()
        working = threading.Thread(target=flow.worker.run, args=(here, HANDLERS, stop), kwargs={"timers": ()})
        working.start()
        try:
            with here.database.read() as session:
                before = session.get_one(Lesson, wanted[0]).revision
            flow.follow(here, wanted[0], arrived[0], before)
        except (TimeoutError, AssertionError) as error:
            return [f"it does not go on: {error}"]
        finally:
            stop.set()
            working.join()
    return []


def damage(here: Installation, known: dict[bytes, str] | None = None) -> list[str]:
    """What is broken; changes nothing, and may be asked while the program runs."""
    return list(_damage(here, here.settings.data_dir, {} if known is None else known))


def any_worker(here: Installation) -> bool:
    """Whether a worker lives."""
    return running.any_alive(here.settings.data_dir / "run")


def _damage(here: Installation, data_dir: Path, known: dict[bytes, str]) -> Iterator[str]:
    """Files whose bytes are not those of their name, rows without files."""
    with here.database.read() as session:
        if session.get_bind().dialect.name == "sqlite":
            told = session.execute(text("PRAGMA integrity_check")).scalar_one()
            if told != "ok":
                yield f"the database is damaged: {told}"
        rows = {row.sha256: row.bytes for row in session.scalars(select(BlobRow))}
        parts = session.scalars(select(PartRow).where(PartRow.held.is_(True))).all()
        packages = session.scalars(select(PackageRow).where(PackageRow.floor_held.is_(True))).all()
        for name in session.scalars(select(Rendition.sha256)):
            if name not in rows:
                yield f"a rendition without a blob's row: {name}"
    files = [*(data_dir / "blobs").glob("[0-9a-f][0-9a-f]/*"), *(data_dir / "packages").glob("*/*")]
    for file in files:
        content = file.read_bytes()
        if content not in known:
            known[content] = hashlib.sha256(content).hexdigest()
        if known[content] != file.name:
            yield f"{file.relative_to(data_dir)} has other bytes"
        if file.parent.parent.name == "blobs" and len(content) != rows.get(file.name, len(content)):
            yield f"{file.name} has another size than its row says"
    names = {file.name for file in files if file.parent.parent.name == "blobs"}
    yield from (f"a row without a blob: {name}" for name in rows if name not in names)
    for part in parts:
        if not (data_dir / "packages" / part.package_id / part.sha256).is_file():
            yield f"a held part that nobody can read: {part.kind} of {part.package_id[:8]}"
    yield from _halves(here, packages, {(part.package_id, part.sha256) for part in parts})


def _halves(here: Installation, packages: Sequence[PackageRow], held: set[tuple[str, str]]) -> Iterator[str]:
    with here.database.read() as session:
        for package in packages:
            floor = select(PartRow.sha256).where(PartRow.package_id == package.id, PartRow.is_floor.is_(True))
            if any((package.id, name) not in held for name in session.scalars(floor)):
                yield f"half a package is shown: {package.id[:8]}"


def broken_promises(here: Installation, promises: list[dict[str, Any]]) -> list[str]:
    """Which of the promises are not kept."""
    found = []
    for fact in promises:
        kept = (
            _upload_is_here(here, fact) if "upload" in fact
            else _is_published(here, fact) if "published" in fact
            else _step_is_done(here, fact) if "step" in fact
            else _lesson_is_here(here, fact) if "lesson" in fact
            else True
        )  # fmt: skip
        if not kept:
            found.append(f"promised and lost: {fact}")
    return found


def _upload_is_here(here: Installation, fact: dict[str, Any]) -> bool:
    on_its_way = uploads.find(here, fact["upload"])
    part = here.settings.data_dir / "incoming" / f"{fact['upload']}.part"
    if on_its_way is not None and part.exists():
        prefix = part.read_bytes()[: fact["offset"]]
        return len(prefix) == fact["offset"] and hashlib.sha256(prefix).hexdigest() == fact["sha256"]
    with here.database.read() as session:
        source = session.get(Source, fact["upload"])
    if source is None or source.sha256 is None or not here.blobs.has(source.sha256):
        return False
    prefix = here.blobs.path(source.sha256).read_bytes()[: fact["offset"]]
    return hashlib.sha256(prefix).hexdigest() == fact["sha256"]


def _is_published(here: Installation, fact: dict[str, Any]) -> bool:
    with here.database.read() as session:
        row = holding.current(session, fact["lesson"])
        entries = catalog.entries_after(session, 0, limit=ALL_ENTRIES)
        state = catalog.state(session)
        if row is None or row.revision < fact["published"] or state is None or state.sequence != len(entries):
            return False
        listed = {entry.body.get("package") for entry in entries if isinstance(entry.body, dict)}
    return row.id in listed and (here.packages_dir / row.id / row.id).is_file()


def _step_is_done(here: Installation, fact: dict[str, Any]) -> bool:
    with here.database.read() as session:
        step = session.scalars(
            select(LadderStep).where(LadderStep.source_uid == fact["source"], LadderStep.name == fact["step"])
        ).first()
        made = session.scalars(select(Rendition.name).where(Rendition.step == fact["step"])).all()
    return step is not None and step.state == "done" and bool(made)


def _lesson_is_here(here: Installation, fact: dict[str, Any]) -> bool:
    with here.database.read() as session:
        return session.get(Lesson, fact["lesson"]) is not None


def _stuck(here: Installation) -> Iterator[str]:
    """Work that nobody would ever take up."""
    with here.database.read() as session:
        alive = session.scalars(select(JobRow.uid).where(JobRow.state.in_(["waiting", "running"]))).all()
        waiting = session.scalars(select(LadderStep).where(LadderStep.state == "waiting")).all()
        for step in waiting:
            if step.job_uid not in alive:
                yield f"step {step.name} waits, and has no job"
        lesson = session.scalars(select(Lesson)).first()
        steps = session.scalars(select(LadderStep)).all()
        unpublished = any(step.state == "done" for step in steps) and lesson is not None and lesson.package_id is None
        if unpublished and not alive:
            yield "a floor is ready, and nobody publishes it"
    if here.database.is_sqlite:
        with here.database.write() as session:  # leases are counted from the boot, and this one was a moment ago
            far_ms = round(clock.monotonic_s() * 1000) + 3_600_000
            session.execute(update(JobRow).where(JobRow.state == "running").values(lease_until_ms=far_ms))
    claimed = []
    with Worker(here.settings.data_dir / "run") as worker:
        while (held := queue.claim(here.database, worker, HANDLERS, 60.0)) is not None:
            claimed.append(held.uid)
    if set(claimed) != set(alive):
        yield f"{len(alive)} jobs are under way, {len(claimed)} can be taken up"
