"""How often what is held here has changed: one number that grows with every such transaction.

Packages and parts do not travel, so the change log says nothing of them; pages that were made from them ask this
number whether they still hold. Whoever writes a package or a part through a session moves it, without knowing.

The row is written last in the transaction: it makes writers wait for each other's commit, and whoever holds it asks for
no other lock, so no two can block each other.
"""

from typing import Any

from sqlalchemy import event, text
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from eduhub.delivery.models import HoldingMoves, PackageRow, PartRow

_WATCHED = (PackageRow, PartRow)
_MOVED = "holding_moved"
_COUNT = text(
    "INSERT INTO holding_moves (id, moves) VALUES (1, 1)"
    " ON CONFLICT (id) DO UPDATE SET moves = holding_moves.moves + 1"
)


def count(session: Session) -> int:
    """The number; 0 before anything was ever held."""
    row = session.get(HoldingMoves, 1)
    return row.moves if row is not None else 0


@event.listens_for(Session, "after_flush")
def _after_flush(session: Session, _context: UOWTransaction) -> None:
    if any(isinstance(row, _WATCHED) for row in (*session.new, *session.dirty, *session.deleted)):
        session.info[_MOVED] = True


@event.listens_for(Session, "do_orm_execute")
def _on_bulk_write(state: ORMExecuteState) -> None:
    mapper: Any = state.bind_mapper
    if (state.is_update or state.is_delete or state.is_insert) and mapper and issubclass(mapper.class_, _WATCHED):
        state.session.info[_MOVED] = True


@event.listens_for(Session, "before_commit")
def _before_commit(session: Session) -> None:
    if session.in_nested_transaction():
        return  # a savepoint: the transaction goes on
    session.flush()
    if session.info.pop(_MOVED, False):
        session.connection().execute(_COUNT)
