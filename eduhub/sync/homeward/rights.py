"""What a school's box may change at the hub. Everything that is not allowed here is refused.

A box stands in a village and can be stolen or taken over: what it sends is judged by what a school's
own staff may do to their own school, never by what the box says it is. Fields that this release
does not know are refused too: a later release would read them as if somebody had judged them.

This module must not know transport, sequences or events.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.changes import FieldChange
from eduhub.courses.models import Course
from eduhub.db import portions
from eduhub.errors import BadInput
from eduhub.schools.models import Enrolment, Group, Site
from eduhub.sync.allowance import policies
from eduhub.sync.homeward.seen import Seen
from eduhub.sync.models import InboxState, Node

_JUDGED_TOGETHER = frozenset({"person", "learner_record", "enrolment", "group_course", "plan_row"})
ROLES_A_BOX_GIVES = frozenset({"student", "assistant"})
# How far a box may be ahead of its hub's counter: weeks of the whole county's writes, should the hub have lost those. Each row that is
# taken in moves the hub's counter on; by what `changes` allows, two million rows of one box would end it, and with it all writing.
MOST_LEAD = 2**26
_NAME_A_CHILD = frozenset({"enrolment", "role_grant", "credential"})  # when they are made, and not when they end
ERASED = "erased"  # the refusal of what is of somebody who was erased


class Refusal(Exception):
    """Why a change of a box is not applied. Never leaves this package."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class _Judge:
    """One box's case: who it is, and what is asked of one row."""

    session: Session
    seen: Seen
    node: Node
    table: str
    row_uid: str
    fields: dict[str, object]


def judge(session: Session, node: Node, incarnation: str, rows: Collection[list[FieldChange]]) -> list[str | None]:
    """Of each row: None when `node` may make these changes of it, else why not. Each is judged as if it came first: see `is_judged_alone`."""
    seen, reasons = Seen(session, node.org_uid, rows), list[str | None]()
    for asked in rows:
        try:
            _check(session, seen, node, incarnation, asked)
        except Refusal as refusal:
            reasons.append(refusal.reason)
        else:
            reasons.append(None)
    return reasons


def _check(session: Session, seen: Seen, node: Node, incarnation: str, asked: list[FieldChange]) -> None:
    if not asked:
        raise Refusal("empty")
    first = asked[0]
    if any((change.table_name, change.row_uid) != (first.table_name, first.row_uid) for change in asked):
        raise Refusal("several_rows")
    if first.table_name not in _RULES:
        raise Refusal("table")
    allowed_fields, rule = _RULES[first.table_name]
    if max(change.counter for change in asked) > seen.counter + MOST_LEAD:
        raise Refusal("counter")
    for change in asked:
        if change.field != "org_uid" and change.field not in allowed_fields:
            raise Refusal("field")
        # Where two machines numbered alike, one takes another name and brings what it wrote before under that.
        if change.machine_uid != incarnation and session.get(InboxState, (node.uid, change.machine_uid)) is None:
            raise Refusal("machine")
        if change.org_uid != node.org_uid or (change.field == "org_uid" and change.value != node.org_uid):
            raise Refusal("organisation")
    # A row that any other organisation ever held, complete here or not, is not this box's to change.
    if seen.owners.get(first.row, set()) - {node.org_uid}:
        raise Refusal("organisation")
    if first.row in seen.erased_rows:
        raise Refusal(ERASED)
    names_child = first.table_name not in _NAME_A_CHILD or any(change.field == "person_uid" for change in asked)
    if not names_child and first.row in seen.only_at_the_box:  # the end of a card, say; what named the child was refused as erased
        raise Refusal(ERASED)
    rule(_Judge(session, seen, node, first.table_name, first.row_uid, {change.field: change.value for change in asked}))


def is_judged_alone(asked: list[FieldChange]) -> bool:
    """Whether a judgement of this can depend on what else a box brings with it, or the other way round: the child of a card may
    come with the row before, and an enrolment that ends closes a way. All else can be judged before anything is written:
    rules look at people, groups and roles that are another school's or reach further, which no box makes or changes.
    """
    ends = any(change.field == "ended_on" and change.value is not None for change in asked)
    return ends or asked[0].table_name not in _JUDGED_TOGETHER


# --- one rule a table ---------------------------------------------------------------


def _person(judge: _Judge) -> None:
    if judge.row_uid in judge.seen.reach_further:
        raise Refusal("operator")


def _learner_record(judge: _Judge) -> None:
    _own_person(judge, judge.row_uid)


def _enrolment(judge: _Judge) -> None:
    _once(judge, "person_uid", "group_uid")
    if "group_uid" in judge.fields:
        _own_group(judge, judge.fields["group_uid"])
    if "person_uid" in judge.fields:
        _own_person(judge, judge.fields["person_uid"])


def _of_own_group(judge: _Judge) -> None:
    if "group_uid" in judge.fields:
        _own_group(judge, judge.fields["group_uid"])


def _of_the_school_itself(judge: _Judge) -> None:
    if judge.row_uid != judge.node.org_uid:
        raise Refusal("organisation")


def _credential(judge: _Judge) -> None:
    """Cards of this school's children only: a card opens the hub's door too, so none for staff. Of a word that the hub made for
    the school's boxes a box may say that it was used, and nothing else.
    """
    held = judge.session.get(Credential, judge.row_uid)
    if held is not None and held.kind == "box_word":
        if judge.fields.keys() - {"org_uid", "revoked_on"} or not judge.fields.get("revoked_on"):
            raise Refusal("changed_for_good")
        return
    if judge.fields.get("kind", held.kind if held else None) != "card" or (held is not None and held.kind != "card"):
        raise Refusal("credential_kind")
    _once(judge, "person_uid", "verifier", "kind", "machine_uid")
    person_uid = judge.fields.get("person_uid", held.person_uid if held else None)
    _own_person(judge, person_uid)
    person = judge.session.get(Person, person_uid) if isinstance(person_uid, str) else None
    if person is None or person.org_uid != judge.node.org_uid:
        raise Refusal("person")
    if _is_staff(judge.session, person.uid):
        raise Refusal("staff_card")


def _role_grant(judge: _Judge) -> None:
    held = judge.session.get(RoleGrant, judge.row_uid)
    roles: list[object] = [held.role] if held is not None else []
    roles += [judge.fields["role"]] if "role" in judge.fields else []
    if not all(isinstance(role, str) and role in ROLES_A_BOX_GIVES for role in roles):
        raise Refusal("role")
    if held is None and not {"role", "scope_kind", "scope_uid", "person_uid"} <= judge.fields.keys():
        raise Refusal("role")
    _once(judge, "person_uid", "role", "scope_kind", "scope_uid")
    if held is not None:
        return
    kind, scope_uid = judge.fields["scope_kind"], judge.fields["scope_uid"]
    if kind == "organisation":
        if scope_uid != judge.node.org_uid:
            raise Refusal("scope")
    elif kind == "group":
        _own_group(judge, scope_uid, must_exist=True)
    elif kind == "course":
        course = judge.session.get(Course, scope_uid) if isinstance(scope_uid, str) else None
        if course is None or course.org_uid != judge.node.org_uid:
            raise Refusal("scope")
    else:
        raise Refusal("scope")
    _own_person(judge, judge.fields["person_uid"])


def _site_policy(judge: _Judge) -> None:
    _own_site(judge, judge.row_uid)
    _fits(judge, policies.SITE_FIELDS)


def _course_policy(judge: _Judge) -> None:
    _once(judge, "site_uid", "course_uid")
    if "site_uid" in judge.fields:
        _own_site(judge, judge.fields["site_uid"])
    _fits(judge, policies.COURSE_FIELDS)


def _own_site(judge: _Judge, site_uid: object) -> None:
    site = judge.session.get(Site, site_uid) if isinstance(site_uid, str) else None
    if site is None or site.org_uid != judge.node.org_uid:
        raise Refusal("site")


def _fits(judge: _Judge, known: Mapping[str, Callable[[Any], None]]) -> None:
    try:
        policies.check({name: value for name, value in judge.fields.items() if name in known}, known)
    except BadInput as error:
        raise Refusal("value") from error


def _anything(_judge: _Judge) -> None:
    """The general checks are enough."""


def _once(judge: _Judge, *names: str) -> None:
    """These fields are given when a row is made and never again: changing one would make it another thing."""
    held = judge.seen.values.get((judge.table, judge.row_uid), {})
    for name in names:
        if name in judge.fields and name in held and held[name] != judge.fields[name]:
            raise Refusal("changed_for_good")


def _own_group(judge: _Judge, group_uid: object, *, must_exist: bool = False) -> None:
    org_uid = judge.seen.groups.get(group_uid) if isinstance(group_uid, str) else None
    if (org_uid is None and must_exist) or org_uid not in (None, judge.node.org_uid):
        raise Refusal("group")


def _own_person(judge: _Judge, person_uid: object) -> None:
    """Somebody of this school, or who learns here already. Without this a box could enrol another
    school's child by its uid, and would then be sent that child's name.

    A person nobody here has heard of passes: after a restore the roster comes back in any order, and
    a uid has 74 random bits. One who was erased does not: nothing is written of them again.
    """
    if not isinstance(person_uid, str):
        return
    if person_uid in judge.seen.erased_people:
        raise Refusal(ERASED)
    if judge.seen.homes.get(person_uid) in (None, judge.node.org_uid):
        return
    learns_here = judge.session.scalars(
        select(Enrolment.ended_on)
        .join(Group, Group.uid == Enrolment.group_uid)
        .where(Enrolment.person_uid == person_uid, Group.org_uid == judge.node.org_uid)
    )
    today = clock.now().date().isoformat()
    if not any(ended_on is None or ended_on > today for ended_on in learns_here):
        raise Refusal("person")


def strangers(session: Session, node: Node, person_uids: Collection[str]) -> set[str]:
    """Those of some people who cannot have been at this box: another school's children. Whoever is of its school, or was ever
    enrolled there, or is unknown as yet, or has a role (a visiting teacher), may have been.
    """
    elsewhere = select(Person.uid).where(Person.org_uid != node.org_uid)
    return {
        uid for some in portions(person_uids) for uid in session.scalars(elsewhere.where(Person.uid.in_(some)))
        if not _may_visit(session, node, uid)
    }  # fmt: skip


def _may_visit(session: Session, node: Node, person_uid: str) -> bool:
    if _open_roles(session, person_uid) - {"student"}:
        return True
    ever = select(Enrolment.uid).join(Group, Group.uid == Enrolment.group_uid)
    here = ever.where(Enrolment.person_uid == person_uid, Group.org_uid == node.org_uid)
    return session.scalars(here.limit(1)).first() is not None


def _open_roles(session: Session, person_uid: str) -> set[str]:
    return set(
        session.scalars(
            select(RoleGrant.role).where(RoleGrant.person_uid == person_uid, RoleGrant.ended_on.is_(None))
        )
    )


def _is_staff(session: Session, person_uid: str) -> bool:
    return bool(_open_roles(session, person_uid) - ROLES_A_BOX_GIVES)


_RULES: dict[str, tuple[frozenset[str], Callable[[_Judge], None]]] = {
    "person": (frozenset({"name", "sign_in_name", "language", "picture"}), _person),
    "learner_record": (
        frozenset({"grade", "consent_on", "consent_by_uid", "pupil_number_hash"}), _learner_record
    ),
    "enrolment": (frozenset({"person_uid", "group_uid", "starts_on", "ended_on", "end_reason"}), _enrolment),
    "learner_group": (
        frozenset(
            {"kind", "site_uid", "stage", "intake_year", "class_number", "names", "member_group_uids", "closed_on"}
        ),
        _anything,
    ),
    "group_course": (frozenset({"group_uid", "course_uid", "starts_on", "ended_on"}), _of_own_group),
    "plan_row": (frozenset({"group_uid", "lesson_uid", "day", "period", "dropped_on"}), _of_own_group),
    "school_calendar": (
        frozenset({"time_zone", "current_school_year", "terms", "class_hours"}), _of_the_school_itself
    ),
    "children_sign_in": (frozenset({"by_pictures", "turns_without_card"}), _of_the_school_itself),
    "site_policy": (frozenset(policies.SITE_FIELDS), _site_policy),
    "course_policy": (frozenset({"site_uid", "course_uid", *policies.COURSE_FIELDS}), _course_policy),
    "credential": (frozenset({"person_uid", "kind", "verifier", "machine_uid", "revoked_on"}), _credential),
    "role_grant": (
        frozenset({"person_uid", "role", "scope_kind", "scope_uid", "starts_on", "ended_on"}), _role_grant
    ),
}  # fmt: skip
