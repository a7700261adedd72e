"""Hub: a box is shut out, and what has to be made anew when it was lost or stolen.

What a stolen box holds is written in docs/when-a-box-is-lost.md. This module must not know pages.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.accounts import credentials
from eduhub.accounts.models import Credential
from eduhub.installation import Installation
from eduhub.schools import organisations
from eduhub.sync.boxes import nodes
from eduhub.sync.models import Node, StreamRow


def shut_out(session: Session, installation: Installation, node: Node) -> None:
    """Nothing of this box is taken any more, and nothing is given to it, from now on and for good."""
    nodes.revoke(session, installation, node.uid, organisations.today(session, node.org_uid))


def lose(session: Session, installation: Installation, node: Node) -> int:
    """The same, and every card whose hash this box may hold opens nothing any more, here or at another box; how many those are.

    Those are the cards that the school's stream ever told of: also of children who have left since, because nobody knows
    whether the box has read that. Tokens for the hub that children hold at home never were in a stream, and stay good.
    """
    shut_out(session, installation, node)
    told = select(StreamRow.row_uid).where(
        StreamRow.org_uid == node.org_uid, StreamRow.table_name == Credential.__tablename__
    )
    cards = session.scalars(
        select(Credential.uid)
        .where(Credential.uid.in_(told), Credential.kind == "card", Credential.revoked_on.is_(None))
        .order_by(Credential.uid)
    ).all()
    for uid in cards:
        credentials.revoke(session, uid)
    return len(cards)
