"""A lesson as a child sees it, before anybody does: over a line as narrow as a village's, and noted nowhere."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from eduhub import guard
from eduhub.courses import previews, recordings, reviewing
from eduhub.courses.models import Course, Lesson
from eduhub.delivery import passes
from eduhub.delivery.http import preview_base, preview_cookie
from eduhub.http import caches
from eduhub.web import rights
from eduhub.web.edge import row_of, writing
from eduhub.web.learning import lesson_cards, lesson_data, materials
from eduhub.web.learning.lesson_cards import LessonCard
from eduhub.web.rights import PREVIEWS

bp = Blueprint("previewing", __name__)
SPEEDS_KBIT_S = (128, 64, 512, 0)  # 0: as fast as it comes
USUAL_KBIT_S = SPEEDS_KBIT_S[0]
LASTS_S = 3600
_FIRST_SOUND_S = 4  # with so much sound playing begins (player/schedule.ts)


@dataclass(frozen=True)
class Cost:
    """What a child's line has to bring."""

    bytes: int  # the whole lesson at the lightest
    first_bytes: int  # until the first picture moves

    def first_s(self, kbit_s: int) -> int:
        """Seconds until the first picture, from Play on, at that speed; at least one."""
        return max(1, round(self.first_bytes / (kbit_s * 125)))


@bp.get("/teaching/lessons/<lesson_uid>/preview")
@guard.allow(PREVIEWS)
@caches("no-store")
def preview(lesson_uid: str) -> ResponseReturnValue:
    """The lesson as a child sees it, also before it is published; `?kbit=` says over which line."""
    asked = request.args.get("kbit", USUAL_KBIT_S, type=int)
    kbit_s = asked if asked in SPEEDS_KBIT_S else USUAL_KBIT_S
    here = guard.here()
    with writing() as session:  # choosing a recording locks it, so that nobody forgets it meanwhile
        found = row_of(session, Lesson, lesson_uid)
        course = row_of(session, Course, found.course_uid)
        made = previews.make(session, here, found)
        card = lesson_cards.of_manifest(found, course, made.package_id, made.manifest, "learner")
        data = lesson_data.of_card(session, here, card, None)  # of nobody: nothing is noted
        seen = reviewing.seen_now(session, found, recordings.choose(session, found))
    page = render_template(
        "teaching/preview.html", lesson=found, course=course, card=card, lesson_data=data, layout="base.html",
        controls=lesson_data.controls(card), from_school=False, kept_script=None, keep_bytes=None,
        materials=materials.of_card(card), player_script=lesson_data.built("player.js"),
        kbit_s=kbit_s, speeds=SPEEDS_KBIT_S,
        cost=_cost(here.packages_dir / made.package_id, card), is_published=made.is_published, is_preview=True,
        back=rights.place_of_lesson(lesson_uid, seen),
    )
    # Every part that the page names comes over the narrow line: both addresses hold nothing that HTML or JSON would read.
    answer = make_response(page.replace(f"/p/{card.package_id}/", preview_base(card.package_id, kbit_s)))
    _give_pass(answer, card.package_id, kbit_s)
    return answer


def _cost(folder: Path, card: LessonCard) -> Cost:
    """By the index: the picture and the sound with which playing begins."""
    names = {part.kind: part.sha256 for part in card.parts}
    if "index" not in names:
        return Cost(card.bytes, 0)
    index: dict[str, Any] = json.loads((folder / names["index"]).read_bytes())
    tracks = {track["name"]: track for track in index["tracks"]}
    video = next((tracks[name] for name in ("v240", "v360", "v720") if name in tracks), None)
    sound = next((tracks[name] for name in ("aac", "opus") if name in tracks), None)
    first = video["chunk_bytes"][0] if video else _first_still(index)
    if sound is not None:
        ticks = 0
        for size, length in zip(sound["chunk_bytes"], sound["chunk_ticks"], strict=True):
            if ticks >= _FIRST_SOUND_S * sound["timescale"]:
                break
            first, ticks = first + size, ticks + length
    return Cost(card.bytes, first)


def _first_still(index: dict[str, Any]) -> int:
    items = (index.get("stills") or {}).get("items") or []
    return int(items[0][2]) if items else 0


def _give_pass(answer: Response, package_id: str, kbit_s: int) -> None:
    here = guard.here()
    token = passes.mint(
        here.keys.secret, package_id=package_id, audience="learner", person_uid=rights.person_uid(),
        expires_steady_s=int(here.steady.now_s()) + LASTS_S,
    )
    cookie = preview_cookie(package_id, kbit_s, token, max_age_s=LASTS_S, secure=here.settings.cookies_need_tls)
    answer.headers.add("Set-Cookie", cookie)
    guard.remember_preview(package_id, kbit_s)
