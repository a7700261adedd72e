"""Who did what to which thing: uids only, so that the list may be read by those who may not read names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts.models import AuditEntry
from eduhub.uids import new_uid

# Every action that is written down anywhere. Its word on the pages stands in web/operator/audit_words.py.
# fmt: off
ACTIONS = frozenset({
    "accounts.add_adult", "accounts.add_child", "accounts.card_lost", "accounts.change_password", "accounts.change_person",
    "accounts.choose_pictures", "accounts.end_all_sign_ins", "accounts.end_box_word", "accounts.end_role", "accounts.end_sign_in",
    "accounts.erase_child", "accounts.export_child", "accounts.forget_pictures", "accounts.issue_card",
    "accounts.make_box_word", "accounts.reset_password", "accounts.use_box_word", "courier.fill", "courier.give_home",
    "courier.pack", "courier.read", "courier.take", "courier.take_file", "courier.take_home",
    "course.order", "course.review_off", "course.review_on", "courses.add", "courses.add_unit",
    "courses.end_course", "courses.give_course", "history.undo", "jobs.again", "jobs.stop", "lesson.add", "lesson.add_voice",
    "lesson.attach", "lesson.captions", "lesson.chapters", "lesson.drop_voice", "lesson.hand_in", "lesson.publish",
    "lesson.send_back", "lesson.send_video", "lesson.trim", "lesson.withdraw", "lesson.words", "media.choose_sounds",
    "media.give_room", "media.stop", "media.try_again", "plan.add", "plan.carry_on", "plan.drop", "plan.move",
    "schools.add_group", "schools.add_organisation", "schools.box_policy", "schools.change_calendar",
    "schools.children_sign_in",
    "schools.consent", "schools.consent_ended", "schools.enrol", "schools.leave", "schools.move_child", "schools.withdraw",
    "sync.change_offer", "sync.join_box", "sync.offer_version", "sync.lose_box", "sync.new_code", "sync.replace_box", "sync.report_stolen", "sync.revoke_box", "sync.two_machines", "user.add",
})
# fmt: on
PUT_ASIDE = "sync.put_aside"
TWIN = "sync.two_machines"  # a copy of a box's disk is in use beside it
_PUT_ASIDE = re.compile(rf"{re.escape(PUT_ASIDE)}\.[a-z_]{{1,40}}")  # and a dot and the reason: what a box sent and may not

# What a box alone can cause, as often as it likes: so many entries of a box on a day (of UTC); the further ones are counted in one.
_OF_BOXES, MOST_A_DAY = frozenset({PUT_ASIDE, TWIN}), 100
_MORE = re.compile(r"[a-z_.]{1,40}\.more\.([0-9]{1,12})")
_DAY_MS = 86_400_000


def note(
    session: Session, action: str, *, by_uid: str | None, org_uid: str | None = None, subject_uid: str | None = None
) -> None:
    """Write down an action, as 'schools.enrol'. It stands or falls with the transaction that did it.

    Of what one box does again and again on a day, what is beyond `MOST_A_DAY` is counted only.
    """
    if action not in ACTIONS and not _PUT_ASIDE.fullmatch(action):
        raise ValueError(f"{action!r:.80} is no action of ACTIONS")
    kind = PUT_ASIDE if action.startswith(PUT_ASIDE) else action
    if kind in _OF_BOXES and subject_uid is not None and _is_counted(session, kind, org_uid, subject_uid):
        return
    _add(session, action, by_uid, org_uid, subject_uid)


def _add(session: Session, action: str, by_uid: str | None, org_uid: str | None, subject_uid: str | None) -> AuditEntry:
    row = AuditEntry(uid=new_uid(), at_ms=clock.now_ms(), by_uid=by_uid, org_uid=org_uid, action=action, subject_uid=subject_uid)
    session.add(row)
    session.flush()
    return row


def _is_counted(session: Session, kind: str, org_uid: str | None, subject_uid: str) -> bool:
    """Whether what a box did is one of too many of its day, and was counted in the entry that stands for those."""
    day_ms = clock.now_ms() // _DAY_MS * _DAY_MS
    held = session.info.setdefault("audit_more", {})  # a batch has thousands of them
    more = held.get((kind, subject_uid, day_ms))
    if more is None or more not in session:
        today = (
            AuditEntry.org_uid == org_uid, AuditEntry.subject_uid == subject_uid, AuditEntry.at_ms >= day_ms,
            AuditEntry.at_ms < day_ms + _DAY_MS, AuditEntry.action.startswith(kind, autoescape=True),
        )  # fmt: skip
        more = session.scalars(select(AuditEntry).where(*today, AuditEntry.action.startswith(f"{kind}.more.", autoescape=True))).first()
        if more is None and (session.scalar(select(func.count()).select_from(AuditEntry).where(*today)) or 0) < MOST_A_DAY:
            return False
        if more is None:
            more = _add(session, f"{kind}.more.0", None, org_uid, subject_uid)
        held[kind, subject_uid, day_ms] = more
    more.action = f"{kind}.more.{(more_of(more.action) or 0) + 1}"
    return True


def more_of(action: str) -> int | None:
    """Of how many further acts of a box on its day an entry speaks; None: of the one act that it names."""
    found = _MORE.fullmatch(action)
    return int(found[1]) if found else None


@dataclass(frozen=True)
class Wanted:
    """Which entries: of some organisations or of all, of one action, from an instant to another."""

    org_uids: Sequence[str] | None = None
    action: str = ""
    since_ms: int | None = None
    until_ms: int | None = None

    def narrow(self, question: Select[Any]) -> Select[Any]:
        """The question for these entries only."""
        if self.org_uids is not None:
            question = question.where(AuditEntry.org_uid.in_(self.org_uids))
        if self.action:
            question = question.where(AuditEntry.action == self.action[:60].replace("\x00", ""))
        if self.since_ms is not None:
            question = question.where(AuditEntry.at_ms >= self.since_ms)
        if self.until_ms is not None:
            question = question.where(AuditEntry.at_ms < self.until_ms)
        return question


def page(session: Session, wanted: Wanted, *, limit: int, skip: int = 0) -> list[AuditEntry]:
    """Some of them, the newest first."""
    question = select(AuditEntry).order_by(AuditEntry.at_ms.desc(), AuditEntry.uid.desc())
    return list(session.scalars(wanted.narrow(question).limit(limit).offset(skip)))


def count(session: Session, wanted: Wanted) -> int:
    """How many there are."""
    return session.scalar(wanted.narrow(select(func.count()).select_from(AuditEntry))) or 0


def actions(session: Session, org_uids: Sequence[str] | None) -> list[str]:
    """The names of the actions that there are entries of."""
    named = select(AuditEntry.action).where(AuditEntry.action.not_like("%.more.%")).distinct()
    return list(session.scalars(Wanted(org_uids).narrow(named)))


def newest(session: Session, *, org_uids: Sequence[str] | None = None, limit: int = 100) -> list[AuditEntry]:
    """The newest entries, of some organisations or of all."""
    wanted = select(AuditEntry).order_by(AuditEntry.at_ms.desc(), AuditEntry.uid.desc()).limit(limit)
    if org_uids is not None:
        wanted = wanted.where(AuditEntry.org_uid.in_(org_uids))
    return list(session.scalars(wanted))
