"""Pages of the child: today, a course, a lesson."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from flask import Blueprint, jsonify, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.courses.models import Course, Lesson
from eduhub.delivery.blobs import is_name
from eduhub.errors import NotFound
from eduhub.http import caches
from eduhub.learning.models import Progress
from eduhub.schools.models import Organisation
from eduhub.sync.boxes import joining
from eduhub.web import box_states, kept, passes, rights
from eduhub.web.accounts import turns, visits
from eduhub.web.edge import page_of, reading, row_of, today
from eduhub.web.kept import Now
from eduhub.web.learning import catalogue, keep_offer, lesson_cards, lesson_data, materials, places
from eduhub.web.learning.catalogue import Catalogue, Row

bp = Blueprint("learning", __name__)
WATCHED_PERCENT = 90
MOST_IN_A_LIST = 6
_SEEN = select(Progress.lesson_uid, Progress.timeline_uid, Progress.seen_ms).where(
    Progress.person_uid == bindparam("person_uid")
)


@dataclass(frozen=True)
class SeenStart:
    """The first lessons of a course, with how far the child is."""

    head: Markup
    rows: Markup
    more: Markup


def home() -> ResponseReturnValue:
    """Today: the next lesson, what else is planned, and the lessons of the child's courses."""
    since_ms, offers = visits.before_this_one(), turns.offers_pictures()
    make = partial(_today, since_ms=since_ms, offers=offers)
    also = (lesson_data.built("player.js"), keep_offer.script(), passes.half_life(), box_states.fetch_hours())
    return kept.page(make, *also, since_ms, offers)


def _today(session: Session, now: Now, *, since_ms: int | None, offers: bool) -> ResponseReturnValue:
    person_uid = rights.person_uid()
    found = catalogue.of_person(session, now, person_uid)
    seen = Seen(session, person_uid)
    every = (*found.planned, *found.missed, *found.rows)
    chosen = next((row for row in every if not seen.is_watched(row)), None) or next(iter(every), None)
    lists = _Lists(found, seen, chosen, since_ms)
    answer = make_response(
        render_template(
            "learning/today.html", next=chosen and catalogue.piece(now, "next_lesson", chosen, now.day, _from_school()),
            planned=seen.listed(now, lists.planned), missed=seen.listed(now, lists.missed),
            new=seen.listed(now, lists.new), coming=catalogue.coming(now, found, _from_school()), fetched=box_states.fetch_hours(),
            player_script=lesson_data.built("player.js"), kept_script=keep_offer.script(), offers_pictures=offers,
            course_starts=[
                SeenStart(one.head, seen.close(now, one.rows, one.opened), one.more)
                for one in catalogue.course_starts(now, found)
            ],
        )
    )
    if chosen is not None and chosen.poster:
        passes.give(answer, chosen.package_id)
    return answer


class _Lists:
    """What stands below the next lesson, each lesson once: the plan, what to catch up, what is new since the last visit."""

    def __init__(self, found: Catalogue, seen: "Seen", chosen: Row | None, since_ms: int | None) -> None:
        shown = {chosen.lesson_uid} if chosen else set()
        self.planned = [row for row in found.planned if row.lesson_uid not in shown]
        shown |= {row.lesson_uid for row in self.planned}
        self.missed = [row for row in found.missed if row.lesson_uid not in shown and not seen.is_watched(row)][:MOST_IN_A_LIST]
        shown |= {row.lesson_uid for row in self.missed}
        fresh = sorted((row for row in found.rows if since_ms is not None and row.here_ms > since_ms), key=lambda row: -row.here_ms)
        self.new = [row for row in fresh if row.lesson_uid not in shown and not seen.percent(row)][:MOST_IN_A_LIST]


@bp.get("/courses/<course_uid>")
@guard.allow(guard.signed_in)
@caches("revalidate")
def course(course_uid: str) -> ResponseReturnValue:
    """All lessons of one course that the reader takes."""

    def make(session: Session, now: Now) -> ResponseReturnValue:
        person_uid = rights.person_uid()
        rows = catalogue.of_person(session, now, person_uid).of_course(course_uid)
        if not rows:
            raise NotFound
        page = page_of(rows)
        return render_template(
            "learning/course.html", titles=rows[0].course_titles, rows=Seen(session, person_uid).listed(now, page.rows),
            page=page, player_script=lesson_data.built("player.js"), kept_script=keep_offer.script(),
        )

    return kept.page(make, lesson_data.built("player.js"), keep_offer.script())


class Seen:
    """How far one child is in each lesson."""

    def __init__(self, session: Session, person_uid: str) -> None:
        rows = session.execute(_SEEN, {"person_uid": person_uid})
        self._ms: Mapping[tuple[str, str], int] = {(lesson, timeline): seen_ms for lesson, timeline, seen_ms in rows}

    def percent(self, row: Row) -> int:
        """Of the lesson's present time axis, 0 to 100."""
        seen_ms = self._ms.get((row.lesson_uid, row.timeline_uid), 0)
        return min(100, 100 * seen_ms // row.duration_ms) if row.duration_ms else 0

    def is_watched(self, row: Row) -> bool:
        """Whether it need not be shown as the next one."""
        return self.percent(row) >= WATCHED_PERCENT

    def listed(self, now: Now, rows: Sequence[Row]) -> Markup:
        """The rows with what this child has seen of each."""
        return self.close(now, rows, catalogue.written(now, rows))

    def close(self, now: Now, rows: Sequence[Row], opened: Sequence[Markup]) -> Markup:
        """The same for rows that are written already."""
        percents = [self.percent(row) for row in rows]
        closed = {percent: catalogue.piece(now, "close_row", None, percent) for percent in set(percents)}
        pieces = (f"{html}{closed[percent]}" for html, percent in zip(opened, percents, strict=True))
        return Markup("".join(pieces))  # noqa: S704 - every piece is markup already


@bp.get("/lessons/<lesson_uid>")
@guard.allow(guard.anyone)  # a lesson may be open to all: the audience decides, right below
@caches("no-store")
def lesson(lesson_uid: str) -> ResponseReturnValue:
    """A lesson, ready to play, with the pass for its parts."""
    return lesson_page(lesson_uid, passes.audience_of(lesson_uid))


def lesson_page(lesson_uid: str, parts_for: str, *, is_kept: bool = False) -> ResponseReturnValue:
    """A lesson's page, if the viewer may read it; `is_kept`: as a device keeps it, with nobody's name and place in it."""
    shown_to = guard.Viewer() if is_kept else guard.viewer()
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        card = _card(session, found, parts_for)
        learner = None if is_kept else places.learner(guard.viewer(), card.course.org_uid)
        tables = None if is_kept else _tables_of(card)
        data = lesson_data.of_card(session, guard.here(), card, learner, tables=tables)
    answer = make_response(
        render_template(
            "learning/lesson.html", lesson=found, course=card.course, card=card, lesson_data=data, viewer=shown_to,
            controls=lesson_data.controls(card),
            from_school=_from_school() and not is_kept, player_script=lesson_data.built("player.js"),
            materials=materials.of_card(card), **_keeping(card, is_kept),
            is_open=guard.viewer().person is None and not is_kept, place=places.here(),
        )
    )
    passes.give(answer, card.package_id, parts_for)
    return answer


@bp.get("/lessons/<lesson_uid>/tables")
@guard.allow(guard.anyone)  # as the lesson's page: the audience decides
@caches("revalidate")
def tables(lesson_uid: str) -> ResponseReturnValue:
    """The whole index of a lesson that is being played; as JSON of ours it is compressed, a part of a package is not."""
    with reading() as session:
        card = _card(session, row_of(session, Lesson, lesson_uid), passes.audience_of(lesson_uid))
        package_id, index_sha256 = (request.args.get(name, "") for name in ("package", "index"))
        if package_id in ("", card.package_id):
            return jsonify(lesson_data.whole_index(card))
    if not (is_name(package_id) and is_name(index_sha256)):
        raise NotFound()
    # Another version has come since the page was opened; the page's pass still opens the parts of its own.
    return redirect(f"/p/{package_id}/{index_sha256}", 303)


def _tables_of(card: lesson_cards.LessonCard) -> str:
    index_sha256 = next((part.sha256 for part in card.parts if part.kind == "index"), None)
    return url_for("learning.tables", lesson_uid=card.lesson.uid, package=card.package_id, index=index_sha256)


def _card(session: Session, found: Lesson, parts_for: str) -> lesson_cards.LessonCard:
    """The lesson as the viewer may watch it here."""
    viewer = guard.viewer()
    person_uid = viewer.person.uid if viewer.person else None
    day = today(session, viewer.person.org_uid if viewer.person else found.org_uid)
    rights.check_watches(session, found, day)
    card = lesson_cards.of_lessons(session, [found], _courses(session, [found]), person_uid, parts_for).get(found.uid)
    if card is None:
        raise NotFound()
    return card


def _keeping(card: lesson_cards.LessonCard, is_kept: bool) -> dict[str, object]:
    """What the page says about keeping the lesson on the device; `layout` is what it stands in."""
    if is_kept:
        kept_script = lesson_data.built("kept-here.js")
        return {"layout": "keeping/neutral.html", "keep_data": keep_offer.data(card), "kept_script": kept_script}
    keep_bytes = keep_offer.least_bytes(card) if keep_offer.can_keep() else None
    return {"layout": "base.html", "keep_bytes": keep_bytes, "kept_script": keep_offer.script()}


def _courses(session: Session, lessons: Sequence[Lesson]) -> dict[str, Course]:
    wanted = {lesson.course_uid for lesson in lessons}
    return {course.uid: course for course in session.scalars(select(Course).where(Course.uid.in_(wanted)))}


def _from_school() -> bool:
    return guard.here().settings.role == "node"


def first_page() -> ResponseReturnValue:
    """Where somebody who is not signed in begins: the card at a box, open courses at a village station's, the name at a hub."""
    with reading() as session:
        node = joining.own_node(session) if _from_school() else None
        home = session.get(Organisation, node.org_uid) if node else None
    if home is not None and home.kind == "station":
        return redirect(url_for("open.courses"), 303)
    return redirect(url_for("accounts.card" if _from_school() else "accounts.sign_in"), 303)
