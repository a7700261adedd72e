"""Putting a child into a class: the one way of the three pages that offer it."""

from collections.abc import Callable

from flask_babel import gettext
from sqlalchemy.orm import Session

from eduhub.accounts.models import Person
from eduhub.schools.models import Group
from eduhub.web.edge import note, row_of, today
from eduhub.web.school import history, roster


def put(into: Callable[[Session, Person, str, str], None], person_uid: str, group_uid: str, action: str) -> None:
    """From today on, and both of one school. `into` is a way of `rosters.moving`, `action` what is noted. Raises NotFound, BadInput."""
    with history.undoable() as (session, say):
        person = row_of(session, Person, person_uid)
        group = row_of(session, Group, group_uid, org_uid=person.org_uid)
        into(session, person, group.uid, today(session, person.org_uid))
        note(session, action, person.org_uid, person.uid)
        say(person.org_uid, gettext("%(name)s is in %(group)s now.", name=person.name, group=roster.group_name(session, group)))
