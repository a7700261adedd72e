"""Roles: which scopes they may have, and the days on which they hold."""

import pytest

from eduhub.accounts import audit, people, roles
from eduhub.db import Database
from eduhub.errors import BadInput, NotFound
from eduhub.uids import make_uid, new_uid

ORG, COURSE = make_uid(1, 1), make_uid(1, 2)


def _pema(database: Database) -> str:
    with database.write() as session:
        return people.add(session, org_uid=ORG, name="Pema").uid


def test_a_role_holds_from_its_first_day_until_the_day_before_its_end(database: Database) -> None:
    uid = _pema(database)
    with database.write() as session:
        grant = roles.grant(
            session, person_uid=uid, role="school_admin", scope_kind="organisation", scope_uid=ORG, org_uid=ORG,
            starts_on="2026-09-01",
        )  # fmt: skip
        roles.end(session, grant.uid, "2026-12-01")
        days = ["2026-08-31", "2026-09-01", "2026-11-30", "2026-12-01", "2027-01-01"]
        assert [bool(roles.of(session, uid, day)) for day in days] == [False, True, True, False, False]


def test_a_box_that_does_not_know_the_day_lets_begin_and_lets_end(database: Database) -> None:
    uid = _pema(database)
    with database.write() as session:
        for role, ends in (("teacher", None), ("assistant", "2099-01-01")):
            grant = roles.grant(
                session, person_uid=uid, role=role, scope_kind="course", scope_uid=COURSE, org_uid=ORG,
                starts_on="2098-01-01",
            )  # fmt: skip
            if ends:
                roles.end(session, grant.uid, ends)
        assert [grant.role for grant in roles.of(session, uid, None)] == ["teacher"]


@pytest.mark.parametrize(
    ("role", "scope_kind", "scope_uid"),
    [("operator", "organisation", ORG), ("operator", "all", ORG), ("student", "all", None), ("teacher", "all", None),
     ("school_admin", "course", COURSE), ("school_admin", "organisation", None), ("headmaster", "all", None),
     ("teacher", "planet", ORG)],
)  # fmt: skip
def test_a_scope_that_a_role_cannot_have_is_refused(
    database: Database, role: str, scope_kind: str, scope_uid: str | None
) -> None:
    uid = _pema(database)
    with pytest.raises(BadInput), database.write() as session:
        roles.grant(
            session, person_uid=uid, role=role, scope_kind=scope_kind, scope_uid=scope_uid, org_uid=ORG,
            starts_on="2026-09-01",
        )  # fmt: skip


def test_a_grant_given_twice_is_one(database: Database) -> None:
    uid = _pema(database)
    with database.write() as session:
        given = [
            roles.grant(
                session, person_uid=uid, role="operator", scope_kind="all", scope_uid=None, org_uid=ORG, starts_on=day
            ).uid
            for day in ("2026-09-01", "2026-10-01")
        ]
        assert given[0] == given[1]
        roles.end(session, given[0], "2026-11-01")
        again = roles.grant(
            session, person_uid=uid, role="operator", scope_kind="all", scope_uid=None, org_uid=ORG,
            starts_on="2026-12-01",
        )  # fmt: skip
        assert again.uid != given[0]
        assert [grant.uid for grant in roles.holders(session, scope_kind="all", scope_uid=None, on="2026-12-24")] == [
            again.uid
        ]


@pytest.mark.parametrize("day", ["", "2026-9-1", "20260901", "2026-02-30", "tomorrow"])
def test_a_day_has_one_written_form(database: Database, day: str) -> None:
    uid = _pema(database)
    with pytest.raises(BadInput), database.write() as session:
        roles.grant(
            session, person_uid=uid, role="operator", scope_kind="all", scope_uid=None, org_uid=ORG, starts_on=day
        )


def test_nobody_and_nothing_is_not_found(database: Database) -> None:
    with database.write() as session:
        with pytest.raises(NotFound):
            roles.end(session, new_uid(), "2026-12-01")
        with pytest.raises(NotFound):
            roles.grant(
                session, person_uid=new_uid(), role="operator", scope_kind="all", scope_uid=None, org_uid=ORG,
                starts_on="2026-12-01",
            )  # fmt: skip


def test_the_audit_list_shows_the_newest_first_and_only_what_was_asked_for(database: Database) -> None:
    uid, other = _pema(database), new_uid()
    with database.write() as session:
        audit.note(session, "schools.enrol", by_uid=uid, org_uid=ORG, subject_uid=other)
        audit.note(session, "lesson.publish", by_uid=uid, org_uid=other)
        assert [entry.action for entry in audit.newest(session)] == ["lesson.publish", "schools.enrol"]
        assert [entry.subject_uid for entry in audit.newest(session, org_uids=[ORG])] == [other]
        with pytest.raises(ValueError, match="no action"):
            audit.note(session, "Dolma was enrolled", by_uid=uid)


def test_an_action_that_failed_is_not_in_the_audit_list(database: Database) -> None:
    def act_and_fail(session: object) -> None:
        audit.note(session, "schools.enrol", by_uid=None)  # type: ignore[arg-type]
        raise BadInput

    with pytest.raises(BadInput), database.write() as session:
        act_and_fail(session)
    with database.read() as session:
        assert audit.newest(session) == []
