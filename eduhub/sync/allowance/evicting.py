"""Node: what goes when what is wanted does not fit on the disk. The choice is pure (`decide`); letting go is rows first.

Only what is needed later than what is wanted may go for it, so no two lessons push each other out by turns: first parts
that the school's rules do not want any more, then better parts, then whole lessons; of each the ones that were taught the
longest ago or are in no plan, and were watched the longest ago. What is planned from today to a week on, what is next,
what somebody wished for and what a child was at within the life of a pass never goes; without a known day nothing does.

A part that goes is not shown from then on; its link stays until every pass that was made before has ended, so whoever
watches goes on. Then the link goes, and the blob by the sweep. See docs/decisions/0019.
This module must not know how anything is fetched.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.orm import Session

from eduhub.delivery import holding, room
from eduhub.delivery.blobs import BlobStore
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.learning.models import Progress
from eduhub.sync.allowance import traffic
from eduhub.sync.fetching.finding import Found
from eduhub.sync.fetching.wanted import NEXT, NOW, TAUGHT, Want, When
from eduhub.sync.homeward import reporting
from eduhub.sync.models import Dropped, NoRoom, OutboxRow

NO_ROOM = "no_room"  # why a part went
_UNWANTED = 2  # the tier of what no rule wants any more: behind floors (0) and better parts (1)


@dataclass(frozen=True)
class Victim:
    """Parts that go together: one better part, or a whole lesson. `bytes`: what the disk gets back."""

    package_id: str
    lesson_uid: str
    parts: tuple[str, ...]
    bytes: int
    tier: int
    when: When
    watched: int = 0  # the greater the later

    @property
    def order(self) -> tuple[object, ...]:
        """The smallest goes first."""
        days = tuple(map(ord, self.when.day))  # of what was taught the oldest first, of what is to come the farthest
        return -self.tier, -self.when.rank, days if self.when.rank == TAUGHT else tuple(-code for code in days), self.watched, -self.bytes


@dataclass
class Decision:
    """What goes, what is fetched now, and of which lessons how many bytes have no room, whatever goes."""

    drop: list[Victim] = field(default_factory=list)
    fetch: list[Want] = field(default_factory=list)
    no_room: dict[str, int] = field(default_factory=dict)  # by package
    spare: int = 0  # what stays free when all is here


def decide(wants: Sequence[Want], sizes: Sequence[int], victims: Iterable[Victim], free: int, leaving: int) -> Decision:
    """`sizes`: of each want, what the disk must still take; `free`: bytes that lessons may take now, `leaving`: those that
    are on their way out and are free later.
    """
    done, soon = Decision(), free + leaving
    left = sorted(victims, key=lambda victim: victim.order)
    for want, size in zip(wants, sizes, strict=True):
        if size > soon:
            chosen = _enough(left, want, size - soon)
            if chosen is None:
                done.no_room[want.package_id] = done.no_room.get(want.package_id, 0) + size
                continue
            done.drop += chosen
            gone = {sha256 for victim in chosen for sha256 in victim.parts}
            left = [victim for victim in left if victim not in chosen and not gone.intersection(victim.parts)]
            soon += sum(victim.bytes for victim in chosen)
        soon -= size
        if size <= free:
            free -= size
            done.fetch.append(want)
    done.spare = soon
    return done


def _enough(left: Sequence[Victim], want: Want, missing: int) -> list[Victim] | None:
    """The first victims that may go for a want and make room for it; None where all of them do not."""
    needed = (-1, 0) if want.when.rank == NOW else (want.tier, want.when.rank)
    chosen: list[Victim] = []
    for victim in left:
        if missing <= 0:
            break
        if (victim.tier, victim.when.rank) > needed:
            covered = [other for other in chosen if set(other.parts) <= set(victim.parts)]  # a lesson takes its better parts along
            chosen = [other for other in chosen if other not in covered]
            chosen.append(victim)
            missing -= victim.bytes - sum(other.bytes for other in covered)
    return chosen if missing <= 0 else None


# --- looked up ----------------------------------------------------------------------


def free_bytes(session: Session, installation: Installation, disk_bytes: int | None) -> int:
    """What lessons may still take: of the disk beside what stays spare, and of the school's own limit."""
    settings = installation.settings
    free = room.free(settings.data_dir) - settings.disk_spare_mb * 1_000_000
    if disk_bytes is None:
        return max(0, free)
    once = select(PartRow.sha256, PartRow.bytes).where(PartRow.held.is_(True)).distinct().subquery()
    held = int(session.scalar(select(func.coalesce(func.sum(once.c.bytes), 0))) or 0)
    return max(0, min(free, disk_bytes - held - leaving_bytes(session, installation.blobs)))


def leaving_bytes(session: Session, store: BlobStore) -> int:
    """What was let go of and still lies on the disk."""
    needed = select(PartRow.sha256).where(PartRow.held.is_(True))
    rows = session.execute(select(Dropped.sha256, Dropped.bytes).where(Dropped.sha256.not_in(needed)).distinct())
    return sum(size for sha256, size in rows if store.has(sha256))


def size_left(work: Path, want: Want) -> int:
    """What the disk must still take for a want."""
    try:
        return max(0, want.bytes - 512 * (work / f"{want.sha256}.part").stat().st_blocks)
    except FileNotFoundError:
        return want.bytes


def victims(session: Session, installation: Installation, found: Found, today: str | None) -> list[Victim]:
    """All that may go at all; nothing while the day is unknown."""
    if today is None:
        return []
    safe = _at_work(session, installation)
    whens = {found.lessons[package_id]: when for package_id, when in found.whens.items()}
    seen = dict(session.execute(select(Progress.lesson_uid, func.max(Progress.change_seq)).group_by(Progress.lesson_uid)).all())
    uses = select(PartRow.sha256).where(PartRow.held | PartRow.wanted).group_by(PartRow.sha256).having(func.count() > 1)
    shared = set(session.scalars(uses))
    rows = session.execute(
        select(PackageRow.id, PackageRow.lesson_uid, PartRow.sha256, PartRow.bytes, PartRow.is_floor, PartRow.wanted)
        .join(PartRow, PartRow.package_id == PackageRow.id)
        .where(PartRow.held.is_(True), PackageRow.withdrawn.is_(False), PackageRow.superseded_by.is_(None))
        .order_by(PackageRow.id, PartRow.sha256)
    ).all()
    lessons: dict[tuple[str, str], list[tuple[str, int]]] = {}
    result = []
    for package_id, lesson_uid, sha256, size, is_floor, is_wanted in rows:
        when = whens.get(lesson_uid, When(TAUGHT))
        if when.rank <= NEXT or lesson_uid in safe:
            continue
        freed = 0 if sha256 in shared else size
        lessons.setdefault((package_id, lesson_uid), []).append((sha256, freed))
        if not is_floor and freed:
            tier = 1 if is_wanted else _UNWANTED
            result.append(Victim(package_id, lesson_uid, (sha256,), freed, tier, when, seen.get(lesson_uid) or 0))
    for (package_id, lesson_uid), parts in lessons.items():
        names, size = tuple(sha256 for sha256, _ in parts), sum(freed for _, freed in parts)
        when = whens.get(lesson_uid, When(TAUGHT))
        result.append(Victim(package_id, lesson_uid, names, size, 0, when, seen.get(lesson_uid) or 0))
    return result


def _at_work(session: Session, installation: Installation) -> set[str]:
    """Lessons that somebody was at within the life of a pass, by the steady clock: devices' clocks are anybody's."""
    since_s = int(installation.steady.now_s()) - installation.settings.pass_hours * 3600
    lesson = OutboxRow.body["lesson"].as_string()
    rows = session.execute(
        select(lesson, OutboxRow.body["context"].as_string())
        .where(OutboxRow.kind == "event", OutboxRow.made_steady_s > since_s).distinct()
    )  # fmt: skip
    return {uid for uid, context in rows if uid and context != "system"}


@dataclass(frozen=True)
class Dropping:
    """What was let go of for one reason (NO_ROOM; a later release may know others). `whole`: of so many of these lessons what is
    needed to watch them.
    """

    why: str
    lessons: int
    whole: int
    bytes: int


def dropped_by_reason(session: Session) -> list[Dropping]:
    """What was dropped here."""
    whole = func.count(func.distinct(case((Dropped.is_floor.is_(True), Dropped.lesson_uid))))
    rows = session.execute(
        select(Dropped.why, func.count(func.distinct(Dropped.lesson_uid)), whole, func.sum(Dropped.bytes))
        .group_by(Dropped.why).order_by(Dropped.why)
    )  # fmt: skip
    return [Dropping(why, int(lessons), int(of_floor), int(size)) for why, lessons, of_floor, size in rows]


def dropped_in_all(session: Session) -> tuple[int, int] | None:
    """How many lessons lost parts, and how many bytes; None where none did."""
    lessons, size = session.execute(select(func.count(func.distinct(Dropped.lesson_uid)), func.sum(Dropped.bytes))).one()
    return (int(lessons), int(size or 0)) if lessons else None


# --- written down -------------------------------------------------------------------


def let_go(session: Session, installation: Installation, chosen: Sequence[Victim]) -> None:
    """Show these parts no more, want them no more, and write down what they were; report each lesson that can be watched no
    more. Their files go later (`clear_away`).
    """
    at_ms, steady_s = traffic.now_ms(session, installation.steady), int(installation.steady.now_s())
    for victim in chosen:
        parts = session.scalars(select(PartRow).where(PartRow.package_id == victim.package_id, PartRow.sha256.in_(victim.parts))).all()
        for part in parts:
            session.merge(Dropped(
                package_id=victim.package_id, sha256=part.sha256, lesson_uid=victim.lesson_uid, bytes=part.bytes,
                is_floor=part.is_floor, why=NO_ROOM, at_ms=at_ms, steady_s=steady_s, is_unlinked=False,
            ))  # fmt: skip
        was_shown = session.get_one(PackageRow, victim.package_id).floor_held
        holding.let_go(session, victim.package_id, victim.parts)
        if was_shown and not session.get_one(PackageRow, victim.package_id).floor_held:
            reporting.note(session, installation, "dropped", package_id=victim.package_id)


def note_no_room(session: Session, installation: Installation, lessons: dict[str, int]) -> None:
    """Write down which lessons do not fit, and take out the others."""
    session.execute(delete(NoRoom).where(NoRoom.lesson_uid.not_in(lessons)))
    at_ms = traffic.now_ms(session, installation.steady)
    for lesson_uid, size in lessons.items():
        session.merge(NoRoom(lesson_uid=lesson_uid, bytes=size, noted_ms=at_ms))


def returning(session: Session, found: Found, spare: int | None) -> set[str]:
    """The packages of which dropped parts are wanted again: needed soon, or there is room (`spare` bytes) for all of them."""
    sizes = dict(session.execute(select(Dropped.package_id, func.sum(Dropped.bytes)).group_by(Dropped.package_id)).all())
    again = {package_id for package_id in sizes if package_id in found.whens and found.whens[package_id].rank <= NEXT}
    for package_id in found.whens if spare is not None else ():
        size = int(sizes.get(package_id) or 0)
        # A tenth stays free: what comes back for a byte of room would go again for the next.
        if size and package_id not in again and size <= (spare or 0) * 9 // 10:
            again.add(package_id)
            spare = (spare or 0) - size
    return again


def take_back(session: Session, package_ids: Collection[str]) -> None:
    """Forget that parts of these were dropped; `marking.mark` then wants them again."""
    session.execute(delete(Dropped).where(Dropped.package_id.in_(package_ids)))


def clear_away(installation: Installation) -> int:
    """Unlink what was dropped before every pass of that time ended; returns how many parts. A kill costs a repetition."""
    limit_s = int(installation.steady.now_s()) - installation.settings.pass_hours * 3600
    due = select(Dropped.package_id, Dropped.sha256).where(Dropped.is_unlinked.is_(False), Dropped.steady_s <= limit_s)
    with installation.database.read() as session:
        gone = [(row.package_id, row.sha256) for row in session.execute(due) if not _is_held(session, row.package_id, row.sha256)]
    for package_id, sha256 in gone:
        installation.blobs.unlink(package_id, sha256)
    if gone:
        with installation.database.write() as session:
            for package_id, sha256 in gone:
                session.execute(
                    update(Dropped).where(Dropped.package_id == package_id, Dropped.sha256 == sha256).values(is_unlinked=True)
                )
    return len(gone)


def _is_held(session: Session, package_id: str, sha256: str) -> bool:
    part = session.get(PartRow, (package_id, sha256))
    return part is not None and part.held
