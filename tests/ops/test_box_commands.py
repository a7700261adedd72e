"""`eduhub node replace` and `node revoke` at the hub."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from eduhub.accounts import credentials
from eduhub.accounts.models import AuditEntry, Person
from eduhub.config import Settings
from eduhub.installation import Installation
from eduhub.sync.models import JoinCode, Node
from tests.ops.commanding import eduhub
from tests.sync.world import Hub

pytestmark = [pytest.mark.processes, pytest.mark.any_engine]


@pytest.fixture
def hub(make_installation: Callable[..., Installation]) -> Hub:
    return Hub(make_installation(role="hub"))


@pytest.fixture
def joined(hub: Hub, make_installation: Callable[..., Installation]) -> Hub:
    """A hub with a school, a child with a card, and a box that has called."""
    school = hub.school("Shuanghu", children=1)
    with hub.here.database.write() as session:
        credentials.issue_card(session, school.children[0])
    box = make_installation(role="node")
    hub.join(box, school)
    hub.sync(box)
    return hub


def test_a_code_for_a_spare_names_the_box_whose_place_it_takes(joined: Hub) -> None:
    done = eduhub(joined.here.settings, "node", "replace", "shuanghu-3")
    assert re.fullmatch(r"(?:[0-9A-Z]{5}-){3}[0-9A-Z]{5}\n", done.stdout), done.stderr
    with joined.here.database.read() as session:
        old = session.scalars(select(Node.uid)).one()
        assert session.scalars(select(JoinCode.replaces_uid).where(JoinCode.used_ms.is_(None))).all() == [old]


def test_a_box_that_is_lost_is_shut_out_and_its_cards_are_counted(joined: Hub) -> None:
    done = eduhub(joined.here.settings, "node", "revoke", "shuanghu-3", "--lost")
    assert "The box shuanghu-3 is shut out." in done.stdout, done.stderr
    assert "Cards that open nothing any more: 1." in done.stdout
    with joined.here.database.read() as session:
        child = session.scalars(select(Person.uid)).one()
        assert credentials.card_of(session, child) == ""
        assert session.scalars(select(Node.revoked_on)).one() is not None
        assert "sync.lose_box" in session.scalars(select(AuditEntry.action)).all()


def test_a_box_that_is_not_there_is_not_found(make_settings: Callable[..., Settings]) -> None:
    done = eduhub(make_settings(), "node", "revoke", "nowhere-1")
    assert done.returncode == 1
    assert "nowhere-1" in done.stderr
    assert "Traceback" not in done.stderr
