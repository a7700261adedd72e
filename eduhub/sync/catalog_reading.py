"""Node: read the catalog from an upstream and act on what it says.

Closed pages are kept in work/ until the head they lead to is verified, so that a cut does not begin
the reading anew. Nothing of them is believed before `catalog.accept` has checked the chain.

This module must not know the chain's rules (`delivery.catalog`).
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.delivery import catalog, holding
from eduhub.delivery.catalog import Entry, SignedHead
from eduhub.delivery.chain import HEAD_FORMAT
from eduhub.delivery.models import PackageRow
from eduhub.delivery.trust import Keyring, keyring
from eduhub.errors import BadFormat, EduHubError, LinkDown
from eduhub.installation import Installation
from eduhub.signing import verify
from eduhub.sync.link import PREFIX, Answerer
from eduhub.sync.mirrors import shutting_out

# So many bytes of entries are read before any of them can be judged: real ones have some hundred each.
MOST_BYTES, MOST_BYTES_A_PAGE, MOST_UNPROVED_PAGES = 16 << 20, 256 << 10, 64


def begin_epoch(session: Session, ring: Keyring, greeting: dict[str, Any]) -> bool:
    """Take in the epoch that the hub says it is in, if that is newer and the root signed it. Raises BadSignature."""
    statement, epoch = greeting.get("epoch_statement"), greeting.get("epoch")
    if statement is None or type(epoch) is not int or epoch <= catalog.state(session).epoch:
        return False
    catalog.start_epoch(session, ring, statement)
    return True


def read(installation: Installation, link: Answerer, head: SignedHead, *, keeps_pages: bool = True) -> int:
    """Bring the catalog here up to `head` and act on it; returns how many entries were new.

    Pages of an upstream that may lie are not kept on the way: what came of them would spoil the next reading. Raises BadFormat
    for entries without end, and what `catalog.accept` raises.
    """
    with installation.database.read() as session:
        state, ring = catalog.state(session), keyring(session)
        held = state.sequence
        if state.head == head.as_json() and state.applied_sequence == held:
            return 0
    entries = _entries(installation, link, head, held, keeps_pages, is_proved=_is_proved(ring, head))
    try:
        with installation.database.write() as session:
            added = catalog.accept(session, keyring(session), head, entries)
    except LinkDown:
        raise
    except EduHubError:
        if keeps_pages:
            _forget_pages(installation)
        raise
    _forget_pages(installation)
    _act(installation)
    return added


def _is_proved(ring: Keyring, head: SignedHead) -> bool:
    """Whether a key that is known here signed it; else an entry on the way has to introduce the key. Raises BadSignature."""
    if head.signature.key not in ring.keys:
        return False
    verify(ring.keys[head.signature.key].public, HEAD_FORMAT, head.payload, head.signature)
    return True


def _entries(
    installation: Installation, link: Answerer, head: SignedHead, held: int, keeps_pages: bool, *, is_proved: bool
) -> list[Entry]:  # fmt: skip
    pages = range(catalog.page_of(held + 1), catalog.page_of(max(1, head.sequence)) + 1)
    most = MOST_BYTES + MOST_BYTES_A_PAGE * (len(pages) if is_proved else min(len(pages), MOST_UNPROVED_PAGES))
    entries: list[Entry] = []
    for number in pages:
        found = _page(installation, link, head, number, keeps_pages)
        most -= sum(len(entry.raw) for entry in found)
        if most < 0:
            raise BadFormat("a catalog with more in it than a hub writes")
        entries += found
    return entries


def _page(installation: Installation, link: Answerer, head: SignedHead, number: int, keeps: bool) -> list[Entry]:
    kept = installation.settings.data_dir / "work" / f"catalog-{head.epoch}-{number}.page"
    is_closed = head.sequence >= (number + 1) * catalog.PAGE_ENTRIES
    if keeps and kept.exists():
        with suppress(BadFormat):  # a power cut tore it: it is asked for again
            return catalog.read_page(kept.read_bytes(), number)
    payload = link.get(f"{PREFIX}/catalog/pages/{number}?epoch={head.epoch}", signed=False)
    entries = catalog.read_page(payload, number)
    if keeps and is_closed:
        new = kept.with_suffix(".new")
        new.write_bytes(payload)
        new.replace(kept)
    return entries


def _forget_pages(installation: Installation) -> None:
    for path in (installation.settings.data_dir / "work").glob("catalog-*"):
        path.unlink(missing_ok=True)


def _act(installation: Installation) -> None:
    """Do what new entries say; a kill in between costs a repetition and nothing else."""
    with installation.database.write() as session:
        applied = catalog.state(session).applied_sequence
        for entry in _entries_after(session, applied):
            if entry.kind == "withdraw" and isinstance(entry.body, dict):
                _withdraw(session, entry.body)
            elif entry.kind == shutting_out.KIND:
                shutting_out.note(session, entry.body, entry.sequence)
            applied = entry.sequence
        catalog.note_applied(session, applied)


def _withdraw(session: Session, body: dict[str, Any]) -> None:
    """A lesson is taken back: every revision up to the one named, whichever are here."""
    lesson_uid, revision = body.get("lesson"), body.get("revision")
    if not isinstance(lesson_uid, str) or type(revision) is not int:
        return
    held = select(PackageRow.id).where(PackageRow.lesson_uid == lesson_uid, PackageRow.revision <= revision)
    for package_id in session.scalars(held).all():
        holding.withdraw(session, package_id)


def _entries_after(session: Session, after: int) -> Iterator[Entry]:
    while found := catalog.entries_after(session, after):
        yield from found
        after = found[-1].sequence
