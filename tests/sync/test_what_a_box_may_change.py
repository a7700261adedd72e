"""A box that was taken over changes nothing but its own school's roster, and gains no right by it."""

from typing import Any

import pytest
from sqlalchemy import select

from eduhub import changes
from eduhub.accounts import credentials
from eduhub.accounts.models import AuditEntry, Credential, Person, RoleGrant
from eduhub.changes import Change, FieldChange, Tombstone
from eduhub.changes.merging import travelling_tables
from eduhub.installation import Installation
from eduhub.rosters import erasing
from eduhub.schools.models import Enrolment, Group, Organisation
from eduhub.sync.homeward import inbox, rights
from eduhub.sync.models import Node
from eduhub.uids import new_uid
from tests.sync.world import Hub, School


class Thief:
    """Has a joined box's keys, and sends whatever it likes."""

    def __init__(self, hub: Hub, box: Installation) -> None:
        self.hub = hub
        self.school = hub.school("Shuanghu", children=2)
        self.other = hub.school("Nyima", children=1)
        self.node_uid = hub.join(box, self.school)
        self.incarnation = new_uid()
        self._sequence = 0

    def write(
        self, table: str, row_uid: str, *, org: str | None = None, machine: str | None = None, counter: int = 1000,
        **fields: Any,
    ) -> inbox.Received:  # fmt: skip
        """Send one row; what became of it."""
        org = org or self.school.org
        found = [
            FieldChange(table, row_uid, name, counter, machine or self.incarnation, org, value, 0).as_json()
            for name, value in ({"org_uid": org} | fields).items()
        ]
        return self.send({"changes": found})

    def send(self, body: dict[str, Any]) -> inbox.Received:
        self._sequence += 1
        row = {"sequence": self._sequence, "kind": "change", "version": 1, "body": body}
        with self.hub.here.database.write() as session:
            node = session.get_one(Node, self.node_uid)
            return inbox.receive(session, node, {"incarnation": self.incarnation, "oldest": 1, "rows": [row]})


@pytest.fixture
def thief(hub: Hub, box: Installation) -> Thief:
    return Thief(hub, box)


def snapshot(thief: Thief) -> list[Any]:
    with thief.hub.here.database.read() as session:
        return [tuple(row) for row in session.execute(select(Change.table_name, Change.row_uid, Change.field, Change.counter))]


def refused(thief: Thief, received: inbox.Received, before: list[Any]) -> None:
    """It was acknowledged, noted and put aside, and changed nothing."""
    assert (received.applied, received.put_aside) == (0, 1)
    assert snapshot(thief) == before
    with thief.hub.here.database.read() as session:
        assert [row for row in session.scalars(select(AuditEntry.action)) if row.startswith("sync.put_aside.")]


def test_a_box_cannot_push_the_hubs_counter_to_its_end(thief: Thief) -> None:
    child = thief.school.children[0]
    with thief.hub.here.database.read() as session:
        own = session.scalars(select(changes.Machine.counter)).one()
    before = snapshot(thief)
    refused(thief, thief.write("person", child, counter=own + rights.MOST_LEAD + 1, name="Far ahead"), before)
    assert thief.write("person", child, counter=own + rights.MOST_LEAD, name="Weeks ahead").applied == 1
    assert changes.MAX_COUNTER // rights.MOST_LEAD > 100_000_000  # rows, each judged and written by the hub, one after the other


def grant(person: str, role: str, scope_kind: str, scope_uid: str | None) -> dict[str, Any]:
    return {"person_uid": person, "role": role, "scope_kind": scope_kind, "scope_uid": scope_uid,
            "starts_on": "2026-11-25", "ended_on": None}  # fmt: skip


@pytest.mark.parametrize("role", ["operator", "region_operator", "school_admin", "teacher", "reviewer", "wizard"])
def test_no_box_makes_anybody_more_than_an_assistant(thief: Thief, role: str) -> None:
    before = snapshot(thief)
    fields = grant(thief.school.children[0], role, "organisation", thief.school.org)
    refused(thief, thief.write("role_grant", new_uid(), **fields), before)


@pytest.mark.parametrize("scope", ["all", "region", "other school", "other class", "nothing"])
def test_no_box_gives_a_right_beyond_its_school(thief: Thief, scope: str) -> None:
    kind, uid = {
        "all": ("all", None), "region": ("organisation", thief.hub.region), "nothing": ("organisation", None),
        "other school": ("organisation", thief.other.org), "other class": ("group", thief.other.group),
    }[scope]  # fmt: skip
    before = snapshot(thief)
    refused(thief, thief.write("role_grant", new_uid(), **grant(thief.school.children[0], "assistant", kind, uid)), before)


def test_an_assistant_for_its_own_class_is_a_boxs_to_make_and_to_end_but_not_to_raise(thief: Thief) -> None:
    uid = new_uid()
    fields = grant(thief.school.children[0], "assistant", "group", thief.school.group)
    assert thief.write("role_grant", uid, **fields).applied == 1
    before = snapshot(thief)
    refused(thief, thief.write("role_grant", uid, counter=2000, role="school_admin"), before)
    refused(thief, thief.write("role_grant", uid, counter=2000, scope_kind="all"), before)
    refused(thief, thief.write("role_grant", uid, counter=2000, scope_uid=thief.other.group), before)
    refused(thief, thief.write("role_grant", uid, counter=2000, person_uid=thief.school.children[1]), before)
    assert thief.write("role_grant", uid, counter=2001, ended_on="2026-12-01").applied == 1
    with thief.hub.here.database.read() as session:
        assert session.get_one(RoleGrant, uid).role == "assistant"


def test_a_grant_cannot_be_put_together_from_harmless_halves(thief: Thief) -> None:
    before = snapshot(thief)
    uid = new_uid()
    refused(thief, thief.write("role_grant", uid, person_uid=thief.school.children[0], starts_on="2026-11-25"), before)
    refused(thief, thief.write("role_grant", uid, scope_kind="organisation", role="assistant"), before)


def test_an_admins_role_is_not_a_boxs_to_end(thief: Thief) -> None:
    pema = thief.hub.adult(thief.school.org, "Pema", "school_admin")
    with thief.hub.here.database.read() as session:
        uid = session.scalars(select(RoleGrant.uid).where(RoleGrant.person_uid == pema)).one()
    before = snapshot(thief)
    refused(thief, thief.write("role_grant", uid, ended_on="2026-11-25"), before)


@pytest.mark.parametrize("table", ["person", "enrolment", "learner_group"])
def test_another_schools_rows_are_out_of_reach_under_any_name(thief: Thief, table: str) -> None:
    with thief.hub.here.database.read() as session:
        enrolment = session.scalars(select(Enrolment.uid).where(Enrolment.org_uid == thief.other.org)).one()
    uid = {"person": thief.other.children[0], "enrolment": enrolment, "learner_group": thief.other.group}[table]
    fields: dict[str, Any] = {
        "person": {"name": "Mine"}, "enrolment": {"ended_on": "2026-11-25"}, "learner_group": {"class_number": 9},
    }[table]  # fmt: skip
    before = snapshot(thief)
    refused(thief, thief.write(table, uid, org=thief.other.org, **fields), before)
    refused(thief, thief.write(table, uid, **fields), before)  # moving it here by its org_uid


def test_a_row_of_its_own_cannot_be_given_to_another_school(thief: Thief) -> None:
    before = snapshot(thief)
    child = thief.school.children[0]
    body = {"changes": [
        FieldChange("person", child, "org_uid", 1000, thief.incarnation, thief.school.org, thief.other.org, 0).as_json()
    ]}  # fmt: skip
    refused(thief, thief.send(body), before)


def test_enrolling_another_schools_child_does_not_bring_the_name(thief: Thief, box: Installation) -> None:
    before = snapshot(thief)
    received = thief.write(
        "enrolment", new_uid(), person_uid=thief.other.children[0], group_uid=thief.school.group, starts_on="2026-11-25",
        ended_on=None, end_reason=None,
    )  # fmt: skip
    refused(thief, received, before)
    thief.hub.sync(box)
    with box.database.read() as session:
        assert "Nyima child 0" not in session.scalars(select(Person.name)).all()


def test_its_own_child_cannot_be_enrolled_into_another_school(thief: Thief) -> None:
    before = snapshot(thief)
    received = thief.write(
        "enrolment", new_uid(), person_uid=thief.school.children[0], group_uid=thief.other.group,
        starts_on="2026-11-25", ended_on=None, end_reason=None,
    )  # fmt: skip
    refused(thief, received, before)


def of_the_child(thief: Thief, table: str, child: str) -> dict[str, Any]:
    return {
        "enrolment": {"person_uid": child, "group_uid": thief.school.group, "starts_on": "2026-11-25", "ended_on": None},
        "role_grant": grant(child, "student", "group", thief.school.group),
        "credential": card(child, thief.incarnation),
        "learner_record": {"grade": 3},
    }[table]


@pytest.mark.parametrize("table", ["enrolment", "role_grant", "credential", "learner_record"])
def test_nothing_is_written_of_a_child_who_was_erased(thief: Thief, table: str) -> None:
    child = thief.school.children[0]
    with thief.hub.here.database.write() as session:
        erasing.erase_child(session, child)
    before = snapshot(thief)
    row = child if table == "learner_record" else new_uid()
    refused(thief, thief.write(table, row, **of_the_child(thief, table, child)), before)


@pytest.mark.parametrize(("table", "end"), [("enrolment", "ended_on"), ("role_grant", "ended_on"), ("credential", "revoked_on")])
def test_the_end_of_what_a_box_made_for_a_child_who_was_erased_meanwhile_is_no_wrong(thief: Thief, table: str, end: str) -> None:
    child, row = thief.school.children[0], new_uid()
    with thief.hub.here.database.write() as session:
        erasing.erase_child(session, child)
    before = snapshot(thief)
    refused(thief, thief.write(table, row, **of_the_child(thief, table, child)), before)
    refused(thief, thief.write(table, row, counter=1001, **{end: "2026-12-01"}), before)  # names no child any more
    with thief.hub.here.database.read() as session:
        reasons = session.scalars(select(AuditEntry.action).where(AuditEntry.action.startswith("sync.put_aside."))).all()
        tombstone = session.get(Tombstone, (table, row))
    assert reasons == ["sync.put_aside.erased"] * 2
    assert tombstone is None  # a box's word has nothing erased for others: it may have named a row that a restored hub has lost


@pytest.mark.parametrize("table", ["enrolment", "role_grant", "credential"])
def test_no_box_has_a_row_of_the_hub_erased_by_saying_that_it_is_an_erased_childs(thief: Thief, table: str) -> None:
    erased, child, row = *thief.school.children[:2], new_uid()
    assert thief.write(table, row, **of_the_child(thief, table, child)).applied == 1
    with thief.hub.here.database.write() as session:
        erasing.erase_child(session, erased)
    before = snapshot(thief)
    refused(thief, thief.write(table, row, counter=1001, person_uid=erased), before)


def card(person: str, machine: str, kind: str = "card") -> dict[str, Any]:
    return {"person_uid": person, "kind": kind, "verifier": "ab" * 32, "machine_uid": machine, "revoked_on": None}


@pytest.mark.parametrize("kind", ["password", "totp", "home_token", "skeleton_key"])
def test_no_box_makes_a_credential_but_a_card(thief: Thief, kind: str) -> None:
    before = snapshot(thief)
    fields = card(thief.school.children[0], thief.incarnation, kind)
    refused(thief, thief.write("credential", new_uid(), **fields), before)


def test_cards_are_for_the_schools_own_children_and_for_nobody_with_rights(thief: Thief) -> None:
    pema = thief.hub.adult(thief.school.org, "Pema", "school_admin")
    tenzin = thief.hub.adult(thief.school.org, "Tenzin", "operator", scope_kind="all")
    before = snapshot(thief)
    for person in (pema, tenzin, thief.other.children[0], new_uid()):
        refused(thief, thief.write("credential", new_uid(), **card(person, thief.incarnation)), before)
    uid = new_uid()
    assert thief.write("credential", uid, **card(thief.school.children[0], thief.incarnation)).applied == 1
    before = snapshot(thief)
    for change in ({"kind": "password"}, {"person_uid": pema}, {"verifier": "cd" * 32}):
        refused(thief, thief.write("credential", uid, counter=3000, **change), before)


def test_somebody_elses_password_is_not_a_boxs_to_replace_or_revoke(thief: Thief) -> None:
    pema = thief.hub.adult(thief.school.org, "Pema", "school_admin")
    with thief.hub.here.database.read() as session:
        uid = session.scalars(select(Credential.uid).where(Credential.person_uid == pema)).one()
    before = snapshot(thief)
    for change in ({"verifier": "$argon2id$mine"}, {"revoked_on": "2026-11-25"}, {"kind": "card"}):
        refused(thief, thief.write("credential", uid, **change), before)


@pytest.mark.parametrize("table", ["node", "organisation", "site", "course", "unit", "lesson", "lesson_source", "hologram"])
def test_tables_that_are_the_hubs_are_out_of_reach(thief: Thief, table: str) -> None:
    before = snapshot(thief)
    refused(thief, thief.write(table, new_uid(), name="Mine"), before)


def test_its_own_node_row_is_not_a_boxs_to_change(thief: Thief) -> None:
    before = snapshot(thief)
    refused(thief, thief.write("node", thief.node_uid, site_uid=thief.other.site), before)


def test_changes_under_another_machines_name_are_refused(thief: Thief) -> None:
    before = snapshot(thief)
    with thief.hub.here.database.read() as session:
        machine = changes.machine_uid(session)
    refused(thief, thief.write("person", new_uid(), machine=machine, name="Dolma"), before)


@pytest.mark.parametrize("fields", [
    {"name": "a\0b"}, {"name": "\ud800"}, {"name": 7}, {"name": "x" * 5000}, {"is_admin": True}, {"uid": "other"},
])  # fmt: skip
def test_values_that_no_column_holds_and_fields_nobody_knows_are_put_aside(thief: Thief, fields: dict[str, Any]) -> None:
    before = snapshot(thief)
    refused(thief, thief.write("person", new_uid(), **fields), before)


def test_a_counter_from_the_far_future_is_refused(thief: Thief) -> None:
    before = snapshot(thief)
    refused(thief, thief.write("person", new_uid(), counter=2**53 - 1, name="Dolma", sign_in_name=None), before)


def test_one_row_cannot_carry_another_rows_change(thief: Thief) -> None:
    before = snapshot(thief)
    org, machine = thief.school.org, thief.incarnation
    body = {"changes": [
        FieldChange("person", thief.school.children[0], "name", 1000, machine, org, "Dolma", 0).as_json(),
        FieldChange("role_grant", new_uid(), "role", 1000, machine, org, "operator", 0).as_json(),
    ]}  # fmt: skip
    refused(thief, thief.send(body), before)


def test_an_operator_whose_home_is_the_school_is_not_a_boxs_to_rename(thief: Thief) -> None:
    tenzin = thief.hub.adult(thief.school.org, "Tenzin", "operator", scope_kind="all")
    before = snapshot(thief)
    refused(thief, thief.write("person", tenzin, name="Thief", sign_in_name="thief"), before)


def test_what_a_school_does_every_day_is_allowed(thief: Thief) -> None:
    school: School = thief.school
    child, group = new_uid(), new_uid()
    steps = [
        ("person", child, {"name": "Dolma", "sign_in_name": None, "language": "bo", "picture": None}),
        ("learner_group", group, {
            "kind": "cohort", "site_uid": school.site, "stage": "primary", "intake_year": 2026, "class_number": 2,
            "names": None, "member_group_uids": None, "closed_on": None,
        }),
        ("enrolment", new_uid(), {
            "person_uid": child, "group_uid": group, "starts_on": "2026-11-25", "ended_on": None, "end_reason": None,
        }),
        ("credential", new_uid(), card(child, thief.incarnation)),
        ("role_grant", new_uid(), grant(child, "student", "group", group)),
        ("learner_record", child, {
            "grade": 3, "consent_on": None, "consent_by_uid": None, "pupil_number_hash": None,
        }),
        ("group_course", new_uid(), {
            "group_uid": group, "course_uid": new_uid(), "starts_on": "2026-11-25", "ended_on": None,
        }),
        ("plan_row", new_uid(), {
            "group_uid": group, "lesson_uid": new_uid(), "day": "2026-11-26", "period": 2, "dropped_on": None,
        }),
        ("school_calendar", school.org, {"current_school_year": 2027}),
        ("children_sign_in", school.org, {"by_pictures": True, "turns_without_card": False}),
        ("site_policy", school.site, {
            "max_height": 0, "codecs": ["av1"], "languages": ["bo"], "ceiling_kbit_s": 64, "class_ceiling_kbit_s": 0,
            "windows": "22:00-06:00", "day_mb": 40, "month_mb": None, "disk_mb": 9000,
        }),
        ("course_policy", new_uid(), {
            "site_uid": school.site, "course_uid": new_uid(), "max_height": 240, "codecs": None, "languages": None, "wanted": "planned",
        }),
    ]  # fmt: skip
    for table, uid, fields in steps:
        assert thief.write(table, uid, **fields).applied == 1, table
    with thief.hub.here.database.read() as session:
        assert session.get_one(Person, child).name == "Dolma"
        assert session.get_one(Group, group).class_number == 2
        assert session.get(Organisation, thief.other.org) is not None


@pytest.mark.parametrize(("table", "values"), [
    ("site_policy", {"windows": "always"}), ("site_policy", {"day_mb": -1}), ("course_policy", {"wanted": "perhaps"}),
])  # fmt: skip
def test_a_policy_that_no_page_could_have_written_is_put_aside(thief: Thief, table: str, values: dict[str, Any]) -> None:
    assert thief.write(table, thief.school.site, **values).applied == 0


def test_a_box_sets_no_policy_of_another_schools_site(thief: Thief) -> None:
    assert thief.write("site_policy", thief.other.site, day_mb=1).applied == 0
    assert thief.write("site_policy", new_uid(), day_mb=1).applied == 0
    assert thief.write("course_policy", new_uid(), site_uid=thief.other.site, course_uid=new_uid(), wanted="none").applied == 0


def test_every_field_that_a_box_may_change_is_a_column() -> None:
    tables = travelling_tables()
    unknown = {
        (table, field)
        for table, (fields, _rule) in rights._RULES.items()
        for field in fields - set(tables[table].__mapper__.columns.keys())
    }
    assert unknown == set()


def test_of_a_word_for_boxes_a_box_may_say_only_that_it_was_used(thief: Thief) -> None:
    pema = thief.hub.adult(thief.school.org, "Pema", "school_admin")
    made: dict[str, str] = {}
    with thief.hub.here.database.write() as session:
        for org in (thief.school.org, thief.other.org):
            assert credentials.give_box_word_after(session, pema, org, credentials.new_box_word(), "", "2026-11-25")
            held = credentials.box_word_of(session, pema, org, "2026-11-25")
            assert held is not None
            made[org] = held.uid
    uid = made[thief.school.org]
    before = snapshot(thief)
    longer = f"until=2099-01-01 {credentials.new_box_word().verifier}"
    for fields in (
        {"verifier": longer}, {"verifier": longer, "revoked_on": "2026-11-25"}, {"person_uid": thief.school.children[0]}, {"kind": "password"},
        {"kind": "card"}, {"machine_uid": new_uid()}, {"revoked_on": None}, {},
    ):  # fmt: skip
        refused(thief, thief.write("credential", uid, **fields), before)
    refused(thief, thief.write("credential", made[thief.other.org], revoked_on="2026-11-25"), before)
    new = {"person_uid": pema, "kind": "box_word", "verifier": longer, "machine_uid": thief.incarnation, "revoked_on": None}
    refused(thief, thief.write("credential", new_uid(), **new), before)
    assert thief.write("credential", uid, revoked_on="2026-11-25").applied == 1
    with thief.hub.here.database.read() as session:
        assert credentials.box_word_of(session, pema, thief.school.org, "2026-11-25") is None
