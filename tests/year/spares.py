"""A spare box takes the place of another: of one that is tired, which brings home later what it has, or of one that was stolen.

An operator who does this makes a backup of the hub afterwards: what only the hub knows of its boxes is in no box.
"""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.accounts import credentials
from eduhub.accounts.models import Credential
from eduhub.schools.models import Enrolment
from eduhub.sync.boxes import joining, losing, nodes, replacing
from eduhub.sync.homeward import outbox
from eduhub.sync.models import Node
from tests.year.drawing import Act
from tests.year.machine import Machine
from tests.year.promised import Held, held

if TYPE_CHECKING:
    from tests.year.county import County


def replace(county: "County", act: Act, old: Machine) -> None:
    """Box `act["box"]` is from now on another machine; with `stolen` the old one is gone, shut out, and its cards are dead."""
    number = act["box"] % len(county.boxes)
    if number in county.copies:
        return  # two machines under one name are trouble enough
    code = _code(county, old, stolen=act["stolen"], careless=act.get("careless", False))
    county.spares += 1
    spare = Machine(f"box{number}-{county.spares}", "node", county.folder, county.time)
    with spare.at_work():
        joining.join(spare.here, "http://hub.test", code, transport=county.line())
    county.boxes[number] = spare
    if act["stolen"]:
        county.promised.of_the_stolen.add(spare.name)
        gone = held(old)
        old.stop()
        shutil.rmtree(old.disk)
        elsewhere = Held()
        for one in county.everything:
            elsewhere.add(held(one))
        county.promised.excuse(gone, elsewhere)
    else:
        county.former.append(old)
    for one in (spare, county.hub):
        county.back_up(one)


def _code(county: "County", old: Machine, *, stolen: bool, careless: bool) -> str:
    """`careless`: what the tests of the tests need; the cards live on."""
    hub = county.hub
    with hub.at_work(), changes.writing(hub.here.database) as session:
        node = session.get_one(Node, county.node_uid(old))
        before = changes.latest_seq(session)
        if stolen:
            living = _living_cards(session)
            (losing.shut_out if careless else losing.lose)(session, hub.here, node)
            session.flush()
            county.promised.dead_cards |= living - (set() if careless else _living_cards(session))
            learning = select(Enrolment.person_uid).where(Enrolment.org_uid == node.org_uid, Enrolment.ended_on.is_(None))
            for child in sorted(set(session.scalars(learning))) if not careless else ():
                credentials.issue_card(session, child)
        session.flush()
        made = changes.made_here(session, after_seq=before, limit=5000)
        fact = {"changes": [[one.table_name, one.row_uid, one.field, one.counter, one.machine_uid] for one in made]}
        code = nodes.replacing_code(session, hub.here, node)
    county.promised.take(fact)
    return code


def _living_cards(session: Session) -> set[str]:
    return set(session.scalars(select(Credential.uid).where(Credential.kind == "card", Credential.revoked_on.is_(None))))


def wrong(county: "County") -> Iterator[str]:
    """What is not as it should be with those that were replaced, at the end."""
    for machine in county.former:
        with machine.here.database.read() as session:
            if outbox.waiting(session):
                yield f"{machine.name} was replaced and still has {outbox.waiting(session)} rows to bring home"
    for machine in county.all_boxes:
        with machine.here.database.read() as session:
            told, living = replacing.held(session), _living_cards(session)
        if told is not None and machine.name in county.promised.of_the_stolen and told["complete"]:
            yield f"{machine.name} says that nothing is missing of a box that never called again"
        for uid in living & county.promised.dead_cards:
            yield f"card {uid} was in a stolen box and still opens {machine.name}"
