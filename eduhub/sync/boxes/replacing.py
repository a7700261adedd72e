"""A spare box takes the place of another: its name, its school, and what the hub can say of what is missing.

The new box has keys and a uid of its own. From the moment it joined, the old one may only bring things home. What the
hub holds of the old one is told to the new one when it joins, and again until it is proved that nothing is missing.

Hub: `old_of`, `take_over`, `report`. Node: `read`, `keep`, `ask_again`, `held`, `in_words`. The codes are `nodes.py`'s.
See docs/formats/nodes.md.
This module must not know HTTP or pages.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import logs
from eduhub.clock import SteadyClock
from eduhub.delivery.trust import keyring
from eduhub.errors import N_, BadFormat, EduHubError, JoinRefused, NotFound
from eduhub.installation import Installation
from eduhub.schools import organisations
from eduhub.signing import Signature, canonical
from eduhub.sync.link import PREFIX, Link
from eduhub.sync.mirrors import shutting_out
from eduhub.sync.models import InboxState, JoinCode, Node, NodeContact, ReplacedBox

log = logs.logger(__name__)

FORMAT = "eduhub-replaced/1"
ASKED_FOR_S, ASKED_EVERY_S = 35 * 86_400, 86_400  # as long as boxes keep what they brought home
# A stolen box counts under as many names as it likes, and up to any number: it must not keep its successor from joining.
MOST_NAMES, MOST_WAITING = 50, 2**53 - 1


# --- hub ----------------------------------------------------------------------------


def find(session: Session, name: str) -> Node:
    """The box that bears a name now, or bore it last. Raises NotFound."""
    nodes = session.scalars(select(Node).where(Node.name == name).order_by(Node.uid)).all()
    if not nodes:
        raise NotFound(f"no box {name}")
    return next((node for node in nodes if node.ended_on is None), nodes[-1])


def old_of(session: Session, code: JoinCode) -> Node | None:
    """The box whose place is taken with this code; None for a code of a new name. Raises JoinRefused when it is taken already."""
    if code.replaces_uid is None:
        return None
    old = session.get(Node, code.replaces_uid, with_for_update=True)
    if old is None or old.ended_on is not None:
        raise JoinRefused("another box has taken that place", reason="taken")
    return old


def take_over(session: Session, installation: Installation, old: Node, new: Node) -> None:
    """From now on `new` is the box of that name; `old` may only bring home what it has, and mirrors give it nothing."""
    new.replaces_uid = old.uid
    old.ended_on = organisations.today(session, old.org_uid)
    if old.revoked_on is None:
        shutting_out.tell(session, installation, old.uid)
    session.flush()


def report(session: Session, node: Node) -> dict[str, Any]:
    """What this hub holds of the box whose place `node` took. Raises NotFound when it took nobody's.

    `complete` is said only when it is proved: the old box itself has told, after it was replaced, how far it had counted
    under every name it counts under, and all of that is here.
    """
    old = session.get(Node, node.replaces_uid) if node.replaces_uid is not None else None
    if old is None:
        raise NotFound("took nobody's place")
    contact = session.get(NodeContact, old.uid)
    states = session.scalars(
        select(InboxState).where(InboxState.node_uid == old.uid).order_by(InboxState.incarnation)
    ).all()
    most = sorted(states, key=lambda state: state.contiguous, reverse=True)[:MOST_NAMES]
    used_ms = session.scalar(select(JoinCode.used_ms).where(JoinCode.used_by_node_uid == node.uid))
    told = [state.newest - state.contiguous for state in states if state.newest is not None]
    heard = [state.told_ms for state in states if state.told_ms is not None] + ([contact.last_ms] if contact else [])
    return {
        "format": FORMAT, "node": old.uid, "by": node.uid, "name": old.name, "shut_out": old.revoked_on is not None,
        "last_ms": max(heard, default=None), "waiting": min(MOST_WAITING, sum(max(0, left) for left in told)) if told else None,
        "complete": bool(states) and used_ms is not None and all(_is_whole(state, used_ms) for state in states),
        "received": [{"incarnation": state.incarnation, "contiguous": state.contiguous} for state in most],
    }  # fmt: skip


def _is_whole(state: InboxState, since_ms: int) -> bool:
    has_told = state.newest is not None and state.told_ms is not None and state.told_ms >= since_ms
    return has_told and state.newest is not None and state.newest <= state.contiguous


# --- node ---------------------------------------------------------------------------


def read(found: Any, *, by: str) -> dict[str, Any]:
    """A report as it came, of the box `by`. Raises BadFormat."""
    told = found if isinstance(found, dict) else {}
    fits = told.get("format") == FORMAT and told.get("by") == by and isinstance(told.get("node"), str)
    fits = fits and isinstance(told.get("name"), str) and type(told.get("complete")) is bool
    fits = fits and all(told.get(name) is None or type(told[name]) is int for name in ("last_ms", "waiting"))
    if not fits:
        raise BadFormat(f"not an {FORMAT}")
    return dict(told)


def keep(session: Session, steady: SteadyClock, told: dict[str, Any]) -> None:
    """Keep what the hub told of the box whose place this one took."""
    now_s = int(steady.now_s())
    row = session.get(ReplacedBox, told["node"])
    if row is None:
        session.add(ReplacedBox(node_uid=told["node"], told=told, joined_steady_s=now_s, asked_steady_s=now_s))
    else:
        row.told, row.asked_steady_s = told, now_s
    session.flush()


def held(session: Session) -> dict[str, Any] | None:
    """What is known of the box whose place this one took; None when it took nobody's."""
    row = session.scalars(select(ReplacedBox).limit(1)).first()
    return None if row is None else dict(row.told)


def ask_again(installation: Installation, link: Link) -> None:
    """Once a day, as long as something may be missing and may still come. What goes wrong here stops nothing else."""
    now_s = int(installation.steady.now_s())
    with installation.database.read() as session:
        row = session.scalars(select(ReplacedBox).limit(1)).first()
        if row is None or row.told.get("complete") or now_s - row.joined_steady_s > ASKED_FOR_S:
            return
        if 0 <= now_s - row.asked_steady_s < ASKED_EVERY_S:
            return
        by = row.told["by"]
    try:
        answer = link.get_json(f"{PREFIX}/replaced")
        told = read(answer.get("replaced"), by=by)
        with installation.database.write() as session:
            signature = Signature.from_json(answer.get("signature"))
            keyring(session).verify(FORMAT, canonical(answer["replaced"]), signature, scope="stream")
            keep(session, installation.steady, told)
    except EduHubError as error:  # an older hub does not know the question
        log.info("nothing new of the box whose place this one took", error_code=error.code)


@dataclass(frozen=True)
class Sentence:
    """A marked text and what fills it; `time_ms` is filled in by whoever shows it, as `time`."""

    text: str
    facts: dict[str, str | int]
    time_ms: int | None = None


def in_words(told: dict[str, Any]) -> list[Sentence]:
    """What a person is told of a report: what is safe, what is not here, and what to do."""
    said = [Sentence(N_("This box has taken the place of another one, and bears its name: %(name)s."), {"name": told["name"]})]
    last_ms, waiting = told["last_ms"], told["waiting"]
    if told["complete"]:
        said.append(Sentence(
            N_("Nothing is missing: the old box has called since, on %(time)s, and everything that was done there until then is here."),
            {}, last_ms,
        ))  # fmt: skip
    elif last_ms is None:
        said.append(Sentence(N_("The old box has never reported anything. What was done there is not here."), {}))
    else:
        said.append(Sentence(
            N_("Everything that the old box had reported until %(time)s is safe. What was done there after that is not here."),
            {}, last_ms,
        ))  # fmt: skip
    if not told["complete"]:
        said += _missing(waiting, is_shut_out=told.get("shut_out") is True)
    said.append(Sentence(
        N_("Children's cards work here as before. Pictures that children sign in with, and passwords of adults, "
           "were kept in the old box only: they are made anew here."), {},
    ))  # fmt: skip
    return said


def _missing(waiting: int | None, *, is_shut_out: bool) -> list[Sentence]:
    said = []
    if waiting:
        said.append(Sentence(N_("Waiting there to be sent when it last called: %(waiting)s."), {"waiting": waiting}))
    elif waiting is None:
        said.append(Sentence(N_("How much was waiting there is not known."), {}))
    if is_shut_out:
        said.append(Sentence(N_("The old box is shut out: nothing more will come from it."), {}))
    else:
        said.append(Sentence(
            N_("If the old box still starts, let it reach the county once more: what waits there then comes home, and this page says so."), {},
        ))  # fmt: skip
    return said
