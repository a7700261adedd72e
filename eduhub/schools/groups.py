"""Children who are taught together: intake cohorts, composite classes and station groups."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.errors import BadInput, NotFound
from eduhub.schools import group_names, organisations
from eduhub.schools.models import Group, SchoolCalendar
from eduhub.schools.names import best_name, checked_names


def add(session: Session, *, org_uid: str, stage: str, intake_year: int, class_number: int) -> Group:
    """A cohort: who began a stage in one year, and which of its classes; one that is taught here already is returned
    as it is, since two of one name nobody could tell apart. Raises NotFound, BadInput.
    """
    if stage not in group_names.STAGES or not 1990 <= intake_year <= 2200 or not 1 <= class_number <= 99:
        raise BadInput("a class has a stage, an intake year and a number")
    same = {"org_uid": org_uid, "kind": "cohort", "stage": stage, "intake_year": intake_year, "class_number": class_number}
    taught = select(Group).filter_by(**same).where(Group.closed_on.is_(None)).order_by(Group.uid)
    return session.scalars(taught).first() or _add(session, Group(**same))


def add_composite(session: Session, *, org_uid: str, names: dict[str, str], member_group_uids: list[str]) -> Group:
    """Several cohorts of one school that are taught in one room. Raises NotFound, BadInput."""
    members = [get(session, uid) for uid in member_group_uids]
    if len(set(member_group_uids)) < 2 or any(member.org_uid != org_uid for member in members):
        raise BadInput("a composite class has two or more classes of its own school")
    if any(member.kind != "cohort" for member in members):
        raise BadInput("a composite class is made of cohorts")
    return _add(session, Group(
        org_uid=org_uid, kind="composite", names=checked_names(names), member_group_uids=list(member_group_uids),
    ))  # fmt: skip


def add_station(session: Session, *, org_uid: str, names: dict[str, str]) -> Group:
    """Whoever meets at a village station; no stage, no year. Raises NotFound, BadInput."""
    return _add(session, Group(org_uid=org_uid, kind="station", names=checked_names(names)))


def close(session: Session, group_uid: str, on: str) -> None:
    """Say that a group is taught no longer: `on` is the first such day. Raises NotFound, BadInput."""
    get(session, group_uid).closed_on = clock.check_day(on)
    session.flush()


def get(session: Session, group_uid: str) -> Group:
    """The group with this uid; raises NotFound."""
    found = session.get(Group, group_uid)
    if found is None:
        raise NotFound("no such group")
    return found


def of_school(session: Session, org_uid: str, on: str) -> list[Group]:
    """The groups of a school that are taught on a day, cohorts in the order of their classes."""
    found = session.scalars(select(Group).where(Group.org_uid == org_uid).order_by(Group.uid))
    return sorted((group for group in found if group.closed_on is None or group.closed_on > on), key=_place)


def display_name(group: Group, calendar: SchoolCalendar, language: str) -> str:
    """What the group is called this school year, in 'en', 'zh' or 'bo' (English for any other)."""
    if group.names:
        return best_name(group.names, language)
    if group.stage not in group_names.STAGES or group.intake_year is None or group.class_number is None:
        return group.uid[-6:]  # from a release that knows more stages: at least not two alike
    return group_names.cohort(
        group.stage, group.intake_year, group.class_number, calendar.current_school_year, language
    )


def _place(group: Group) -> tuple[int, int, int, str]:
    stages = list(group_names.STAGES)
    stage = stages.index(group.stage) if group.stage in stages else len(stages)
    return stage, -(group.intake_year or 0), group.class_number or 0, group.uid


def _add(session: Session, group: Group) -> Group:
    if organisations.get(session, group.org_uid).kind == "region":
        raise BadInput("a region has no classes; its schools do")
    session.add(group)
    session.flush()
    return group
