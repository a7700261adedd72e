"""Node: what has to be brought home, in order, until the hub says that it holds it.

Rows are (incarnation, sequence). The incarnation is this machine's name in versions: a cloned or
restored box takes a new one and so can never number two different things alike; one that was
copied without anybody's noticing finds out by the digests that the hub tells (`part_ways`). An
acknowledged row is kept 35 days of running time, so that a hub that lost its last days can have
them back. See docs/formats/outbox.md.

This module must not know the network, nor what the hub makes of a row.
"""

import gzip
import hashlib
import json
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.accounts import credentials
from eduhub.accounts.models import Credential
from eduhub.changes import Change, FieldChange
from eduhub.clock import SteadyClock
from eduhub.errors import BadFormat
from eduhub.sync.homeward import stretches
from eduhub.sync.models import OutboxRow, Upstream

FORMAT = "eduhub-outbox/1"
MAX_BATCH_BYTES = 64 * 1024  # compressed, as it goes over the link
MAX_UNPACKED_BYTES = 2 << 20  # the hub unpacks no more than twice that
MAX_BATCH_ROWS = 500
KEPT_S = 35 * 86_400
# A stretch is looked for among so many of the newest rows, and begun no longer ago: nobody watches longer without a gap.
LOOKS_BACK, GROWS_S = 300, 3 * 3600


@dataclass(frozen=True)
class Batch:
    """Some rows of one incarnation, as they are posted."""

    incarnation: str
    body: bytes  # gzip
    last: int
    first: int = 0


def add_events(
    session: Session, steady: SteadyClock, events: list[dict[str, Any]], *, counting: Collection[str] = ()
) -> None:
    """Queue events that were just appended here; in the same transaction, so that neither is without the other.

    Behind the changes that were made before: a child of today's must be at the hub before what a teacher reports of it.
    Those in `counting` (uids: what was not put aside) may become one with what the same child watched just before.
    """
    queue_changes(session, steady)
    if not events:
        return
    incarnation, now_s, boot = changes.hold_machine(session), int(steady.now_s()), steady.boot()
    made: list[tuple[dict[str, Any], str | None]] = []
    newest: dict[Any, int] = {}  # of each child, its last in `made`
    rows: dict[Any, OutboxRow | None] = {}  # of each child, the one that is queued already and may go on
    for event in events:
        actor, grows = event.get("actor"), boot if event.get("uid") in counting else None
        if grows is not None:
            if actor not in newest and actor not in rows:
                rows[actor] = _growing(session, incarnation, boot, now_s, actor)
            row, at = rows.get(actor), newest.get(actor)
            if row is not None and (longer := stretches.joined(row.body, event)) is not None:
                row.body = longer
                continue
            if at is not None and made[at][1] == grows and (longer := stretches.joined(made[at][0], event)) is not None:
                made[at] = (longer, grows)
                continue
        if event.get("subjects"):  # what an adult reports of others stands between two of theirs
            rows, newest = dict.fromkeys([*rows, *newest, *(one.get("actor") for one in events)]), {}
        rows[actor], newest[actor] = None, len(made)
        made.append((event, grows))
    _add(session, "event", [body for body, _ in made], now_s, None, grows=[grows for _, grows in made])


def _growing(session: Session, incarnation: str, boot: str, now_s: int, actor: Any) -> OutboxRow | None:
    """The newest row of this child, if what follows it without a gap may make it longer."""
    newest = session.scalar(select(func.max(OutboxRow.sequence)).where(OutboxRow.incarnation == incarnation)) or 0
    named = OutboxRow.body["subjects"].as_string() != "[]"
    row = session.scalars(
        select(OutboxRow)
        .where(
            OutboxRow.incarnation == incarnation, OutboxRow.sequence > newest - LOOKS_BACK, OutboxRow.kind == "event",
            or_(OutboxRow.body["actor"].as_string() == actor, named),
        )
        .order_by(OutboxRow.sequence.desc()).limit(1)
    ).first()  # fmt: skip
    if row is None or row.grows != boot or row.acknowledged_steady_s is not None or row.made_steady_s < now_s - GROWS_S:
        return None
    return row


def queue_changes(session: Session, steady: SteadyClock) -> int:
    """Queue the changes made here since the last call; returns how many rows the outbox grew by."""
    upstream = session.scalars(select(Upstream).order_by(Upstream.priority)).first()
    if upstream is None:
        return 0
    session.flush()
    # The log of a restored box ends where its last row is, and counts on from there.
    upstream.change_seq_sent = min(upstream.change_seq_sent, changes.latest_seq(session))
    grown = 0
    while made := changes.made_here(session, after_seq=upstream.change_seq_sent, limit=2000):
        last_counter = made[-1].counter
        rest = changes.made_here(session, after_seq=made[-1].seq, limit=2000) if len(made) == 2000 else []
        # One flush has one counter; its fields stay together, so that the hub judges a row as a whole.
        whole = [*made, *(change for change in rest if change.counter == last_counter)]
        by_row = ((incarnation, list(fields)) for (incarnation, *_row), fields in groupby(sorted(whole, key=_row_of), key=_row_of))
        rows = [
            (incarnation, {"changes": [_as_json(change) for change in fields]})
            for incarnation, fields in by_row if not _stays(session, fields)
        ]
        for incarnation, of_one in groupby(rows, key=lambda row: row[0]):
            _add(session, "change", [body for _incarnation, body in of_one], int(steady.now_s()), incarnation)
        grown += len(rows)
        upstream.change_seq_sent = whole[-1].seq
        session.flush()
    # What came from the hub since lies behind it too, and need not be looked through again.
    upstream.change_seq_sent = changes.latest_seq(session)
    return grown


def has_any(session: Session) -> bool:
    """Whether anything waits to go home, queued or not; a look that costs nothing where nothing does."""
    sent = session.scalars(select(Upstream.change_seq_sent).order_by(Upstream.priority)).first()
    if sent is None:
        return False
    made = changes.made_here(session, after_seq=min(sent, changes.latest_seq(session)), limit=1)
    if made:
        return True
    waits = select(OutboxRow.sequence).where(OutboxRow.acknowledged_steady_s.is_(None)).limit(1)
    return session.execute(waits).first() is not None


def _row_of(change: Change) -> tuple[str, int, str, str]:
    return change.machine_uid, change.counter, change.table_name, change.row_uid


def _stays(session: Session, fields: list[Change]) -> bool:
    """Whether these changes of one row are of a password or the like, which never leaves the machine it was made at."""
    if fields[0].table_name != Credential.__tablename__:
        return False
    row = session.get(Credential, fields[0].row_uid)
    kind = next((change.value for change in fields if change.field == "kind"), row.kind if row is not None else None)
    return kind is not None and kind not in credentials.TRAVELS


def _as_json(change: Change) -> list[Any]:
    return FieldChange(
        change.table_name, change.row_uid, change.field, change.counter, change.machine_uid,
        change.org_uid, change.value, change.made_ms, change.by_uid,
    ).as_json()  # fmt: skip


def _add(
    session: Session, kind: str, bodies: list[dict[str, Any]], steady_s: int, of: str | None, *,
    grows: Sequence[str | None] = (),
) -> None:  # fmt: skip
    """`of`: the incarnation, None for the present one. `grows`: of each body, where any may grow."""
    if not bodies:
        return
    # Two writers at once would take the same number: the machine row is the queue they stand in.
    here = changes.hold_machine(session)
    incarnation = of or here
    highest = select(func.max(OutboxRow.sequence)).where(OutboxRow.incarnation == incarnation)
    sequence = session.scalar(highest) or 0
    session.add_all(
        OutboxRow(
            incarnation=incarnation, sequence=sequence + 1 + number, kind=kind, version=1, body=body, made_steady_s=steady_s,
            acknowledged_steady_s=None, grows=grows[number] if grows else None,
        )
        for number, body in enumerate(bodies)
    )  # fmt: skip
    session.flush()


def incarnations(session: Session) -> list[str]:
    """Every incarnation with rows, oldest first."""
    return sorted(set(session.scalars(select(OutboxRow.incarnation).distinct())))


def newest(session: Session, incarnation: str) -> int:
    """The highest number that this box has given out under a name; 0 where it has none."""
    return _ends(session, incarnation)[1]


def next_batch(session: Session, incarnation: str, *, after: int = 0) -> Batch | None:
    """The oldest rows that wait behind `after`, at most 64 KiB compressed; None when nothing does.

    From here on they do not grow: a transaction that writes, committed before anybody is shown the batch.
    """
    rows = session.scalars(
        select(OutboxRow)
        .where(
            OutboxRow.incarnation == incarnation, OutboxRow.acknowledged_steady_s.is_(None), OutboxRow.sequence > after
        )
        .order_by(OutboxRow.sequence)
        .limit(MAX_BATCH_ROWS)
    ).all()
    if not rows:
        return None
    oldest, newest = _ends(session, incarnation)
    before = session.get(OutboxRow, (incarnation, rows[0].sequence - 1))
    found = [_row_as_json(row) for row in rows]
    sizes = list(accumulate(len(json.dumps(row, ensure_ascii=False).encode()) for row in found))
    count = max(1, bisect_right(sizes, MAX_UNPACKED_BYTES))
    while True:
        body = pack(incarnation, oldest, found[:count], newest=newest, before=digest(_row_as_json(before)) if before else None)
        if len(body) <= MAX_BATCH_BYTES or count == 1:
            for row in rows[:count]:
                row.grows = None
            session.flush()
            return Batch(incarnation, body, rows[count - 1].sequence, rows[0].sequence)
        count //= 2


def question(session: Session, incarnation: str) -> Batch:
    """A batch without rows: it only asks how far the hub has come."""
    oldest, newest = _ends(session, incarnation)
    return Batch(incarnation, pack(incarnation, oldest, [], newest=newest), 0)


def _ends(session: Session, incarnation: str) -> tuple[int, int]:
    ends = select(func.min(OutboxRow.sequence), func.max(OutboxRow.sequence)).where(OutboxRow.incarnation == incarnation)
    oldest, newest = session.execute(ends).one()
    return oldest or 1, newest or 0


def pack(
    incarnation: str, oldest: int, rows: list[dict[str, Any]], *, newest: int | None = None, before: str | None = None
) -> bytes:
    """The posted form of some rows. `oldest` and `newest` are the sequences between which this box has rows; `before` is the
    digest of the row before the first of these.
    """
    document: dict[str, Any] = {"format": FORMAT, "incarnation": incarnation, "oldest": oldest}
    document |= {"newest": newest} if newest is not None else {}
    document |= {"before": before} if before is not None else {}
    document["rows"] = rows
    return gzip.compress(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(), 9, mtime=0)


def _row_as_json(row: OutboxRow) -> dict[str, Any]:
    return {"sequence": row.sequence, "kind": row.kind, "version": row.version, "body": row.body}


def digest(row: dict[str, Any]) -> str:
    """What a row is known again by: two machines that count alike have made different rows of one number. Raises BadFormat."""
    told = {name: row.get(name) for name in ("sequence", "kind", "version", "body")}
    try:
        written = json.dumps(told, sort_keys=True, separators=(",", ":"))
    except RecursionError as error:
        raise BadFormat("a row without end") from error
    return hashlib.sha256(written.encode("ascii")).hexdigest()


def is_of_another(session: Session, incarnation: str, contiguous: int, found: str | None) -> bool:
    """Whether the hub holds, under this incarnation, rows that this box did not make: `contiguous` and the digest of that
    row are what it acknowledged. An older hub tells no digest.
    """
    _oldest, newest = _ends(session, incarnation)
    if contiguous > newest:
        return newest > 0  # else it is a name that only the other one bears
    own = session.get(OutboxRow, (incarnation, contiguous))
    return own is not None and found is not None and digest(_row_as_json(own)) != found


def part_ways(session: Session, steady: SteadyClock, incarnation: str) -> int:
    """Another machine counts under this name too (a copied disk), or did before this one was put back to an earlier state:
    take a new name, and number anew under it what waits. Returns how many rows that are.

    What was acknowledged before the two went apart is held by the hub; events are known again by their uid, and changes by
    their version, so that what both of them bring counts once.
    """
    queue_changes(session, steady)
    if changes.hold_machine(session) == incarnation:
        changes.renew_machine(session)
    mine = (OutboxRow.incarnation == incarnation, OutboxRow.acknowledged_steady_s.is_(None))
    waits = session.scalars(select(OutboxRow).where(*mine).order_by(OutboxRow.sequence)).all()
    again = [(row.kind, row.body) for row in waits]
    session.execute(delete(OutboxRow).where(*mine))
    session.expire_all()
    for kind, rows in groupby(again, key=lambda row: row[0]):
        _add(session, kind, [body for _kind, body in rows], int(steady.now_s()), None)
    return len(again)


def acknowledged(session: Session, steady: SteadyClock, incarnation: str, contiguous: int) -> int:
    """Take the hub's word that it holds everything up to `contiguous`; returns how many rows wait again.

    A lower number than before means that the hub was restored: what lies above it is sent again.
    """
    own = OutboxRow.incarnation == incarnation
    session.execute(
        update(OutboxRow)
        .where(own, OutboxRow.sequence <= contiguous, OutboxRow.acknowledged_steady_s.is_(None))
        .values(acknowledged_steady_s=int(steady.now_s()))
    )
    again = session.execute(
        update(OutboxRow)
        .where(own, OutboxRow.sequence > contiguous, OutboxRow.acknowledged_steady_s.is_not(None))
        .values(acknowledged_steady_s=None)
    )
    return int(again.rowcount)  # type: ignore[attr-defined]


def acknowledged_by_stick(session: Session, steady: SteadyClock, incarnation: str, contiguous: int) -> int:
    """Take the hub's word that came on a stick; returns how many rows it was news of.

    A stick may be older than what the link said since: nothing waits again because of it.
    """
    found = session.execute(
        update(OutboxRow)
        .where(
            OutboxRow.incarnation == incarnation, OutboxRow.sequence <= contiguous, OutboxRow.acknowledged_steady_s.is_(None)
        )
        .values(acknowledged_steady_s=int(steady.now_s()))
    )
    return int(found.rowcount)  # type: ignore[attr-defined]


def send_all_again(session: Session) -> None:
    """After the hub was restored: every row that is kept waits again; the hub passes over what it has."""
    session.execute(update(OutboxRow).values(acknowledged_steady_s=None))


def prune(session: Session, steady: SteadyClock) -> None:
    """Drop what the hub has held for 35 days; the newest row stays, because it carries the count on."""
    for incarnation in incarnations(session):
        highest = session.scalar(
            select(func.max(OutboxRow.sequence)).where(OutboxRow.incarnation == incarnation)
        )
        session.execute(
            delete(OutboxRow).where(
                OutboxRow.incarnation == incarnation,
                OutboxRow.acknowledged_steady_s < int(steady.now_s()) - KEPT_S,
                OutboxRow.sequence < highest,
            )
        )


def people_of_waiting_events(session: Session) -> set[str]:
    """Of whom something was learned here that the hub does not hold yet."""
    bodies = select(OutboxRow.body).where(OutboxRow.kind == "event", OutboxRow.acknowledged_steady_s.is_(None))
    found: set[str] = set()
    for body in session.scalars(bodies):
        named = body.get("subjects")
        found.update(uid for uid in (body.get("actor"), *(named if isinstance(named, list) else ())) if isinstance(uid, str))
    return found


def waiting(session: Session) -> int:
    """How many rows the hub does not hold yet."""
    return session.scalar(
        select(func.count()).select_from(OutboxRow).where(OutboxRow.acknowledged_steady_s.is_(None))
    ) or 0
