"""Roles: person x role x scope x dates. `ROLES` says which scopes each may have.

What a role may do on a page is decided in `guard.py`; which lessons it reveals, in
`courses/audience.py`. A grant holds from `starts_on` until the day before `ended_on`.

This module must not know organisations: a scope is a uid to it.
"""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts.models import Person, RoleGrant
from eduhub.errors import BadInput, NotFound

ROLES: dict[str, frozenset[str]] = {
    "operator": frozenset({"all"}),
    "region_operator": frozenset({"organisation"}),
    "school_admin": frozenset({"organisation"}),
    "teacher": frozenset({"organisation", "course", "group"}),
    "assistant": frozenset({"course", "group"}),
    "reviewer": frozenset({"organisation", "course"}),
    "student": frozenset({"organisation", "group"}),
}
STAFF = frozenset(ROLES) - {"student"}  # whoever holds one of these is an adult at work


def grant(
    session: Session, *, person_uid: str, role: str, scope_kind: str, scope_uid: str | None, org_uid: str, starts_on: str
) -> RoleGrant:
    """Give a person a role. `org_uid`: who gives it. Raises NotFound, BadInput.

    A grant that holds already, or is to hold, is returned as it is: giving twice is giving once.
    """
    if session.get(Person, person_uid) is None:
        raise NotFound("no such person")
    if scope_kind not in ROLES.get(role, frozenset()) or (scope_uid is None) != (scope_kind == "all"):
        raise BadInput(f"the role {role:.20} cannot have the scope {scope_kind:.20}")
    wanted = {
        "person_uid": person_uid, "role": role, "scope_kind": scope_kind, "scope_uid": scope_uid, "org_uid": org_uid,
    }  # fmt: skip
    open_one = session.scalars(
        select(RoleGrant).filter_by(**wanted).where(RoleGrant.ended_on.is_(None), RoleGrant.starts_on <= starts_on)
    ).first()
    if open_one is not None:
        return open_one
    made = RoleGrant(**wanted, starts_on=clock.check_day(starts_on))
    session.add(made)
    session.flush()
    return made


def end(session: Session, grant_uid: str, on: str) -> None:
    """End a grant: `on` is the first day on which it no longer holds. Raises NotFound, BadInput."""
    found = session.get(RoleGrant, grant_uid)
    if found is None:
        raise NotFound("no such grant")
    found.ended_on = clock.check_day(on)
    session.flush()


def of(session: Session, person_uid: str, on: str | None) -> list[RoleGrant]:
    """The grants of a person that hold on a day.

    None: nobody knows what day it is. Then a grant has begun, and one with an end has ended.
    """
    found = session.scalars(select(RoleGrant).where(RoleGrant.person_uid == person_uid).order_by(RoleGrant.uid))
    return [grant for grant in found if holds(grant, on)]


def holds(grant: RoleGrant, on: str | None) -> bool:
    """Whether a grant holds on a day."""
    if on is None:
        return grant.ended_on is None
    return grant.starts_on <= on and (grant.ended_on is None or grant.ended_on > on)


def holders(session: Session, *, scope_kind: str, scope_uid: str | None, on: str) -> list[RoleGrant]:
    """The grants for one scope that hold on a day."""
    same_scope = RoleGrant.scope_uid.is_(None) if scope_uid is None else RoleGrant.scope_uid == scope_uid
    return list(
        session.scalars(
            select(RoleGrant)
            .where(RoleGrant.scope_kind == scope_kind, same_scope, RoleGrant.starts_on <= on)
            .where(or_(RoleGrant.ended_on.is_(None), RoleGrant.ended_on > on))
            .order_by(RoleGrant.uid)
        )
    )
