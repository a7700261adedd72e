"""Lessons kept on a device: the page that keeps and lists them, and what a service worker stores of each.

The two pages made here lie in a browser for weeks and are opened by whoever holds the device. They are the same bytes
for everybody who may read the lesson: no name, no token, no place to go on from, no form. Who watches is decided in
the browser, by whose turn it is: docs/decisions/0014-keeping-lessons-on-a-device.md.
"""

from pathlib import Path

from flask import Blueprint, Response, jsonify, render_template, request, send_from_directory
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from eduhub import guard
from eduhub.delivery import holding
from eduhub.errors import BadInput, NotFound
from eduhub.http import caches
from eduhub.learning import tokens
from eduhub.uids import parse_uid
from eduhub.web import languages, shown
from eduhub.web.accounts import turns
from eduhub.web.edge import reading
from eduhub.web.learning import keep_offer, lesson_data, lessons

bp = Blueprint("keeping", __name__)
BUILT = Path(__file__).parents[1] / "static" / "built"
MOST_ASKED = 200
ICON_SIZES = (192, 512)


@bp.get("/kept")
@guard.allow(guard.anyone)  # what it lists lies in the browser alone
@caches("private")
def kept() -> ResponseReturnValue:
    """Lessons that this device keeps, and where one is added: `/kept#<lesson>`."""
    return render_template(
        "keeping/kept.html", viewer=guard.Viewer(), keeper_script=lesson_data.built("keeper.js"), can_keep=keep_offer.can_keep(),
        words=_words(),
    )


@bp.get("/lessons/<lesson_uid>/kept")
@guard.allow(guard.anyone)  # as for the lesson's page: the audience decides
@caches("no-store")
def kept_lesson(lesson_uid: str) -> ResponseReturnValue:
    """A lesson's page as a device keeps it: nobody in particular reads it."""
    return lessons.lesson_page(lesson_uid, "learner", is_kept=True)


@bp.get("/kept/withdrawn")
@guard.allow(guard.anyone)  # a lesson's uid says nothing, and whoever kept it may be gone
@caches("no-store")
def withdrawn() -> ResponseReturnValue:
    """Which of `?lessons=uid,uid` were taken back; JSON."""
    asked = request.args.get("lessons", "").split(",")[:MOST_ASKED]
    with reading() as session:
        found = holding.withdrawn_lessons(session, [uid for uid in asked if _is_uid(uid)])
    return jsonify(withdrawn=sorted(found))


@bp.get("/kept/turn")
@guard.allow(guard.anyone)
@caches("no-store")
def turn() -> ResponseReturnValue:
    """Under whose token a kept lesson's progress is noted: the reader's; JSON."""
    person = guard.viewer().person
    token = tokens.issue(guard.here().keys.secret, person.uid, person.org_uid) if person else None
    return jsonify(url="/api/v1/events", token=token, context=turns.context())


@bp.get("/sw.js")
@guard.allow(guard.anyone)
@caches("private")
def service_worker() -> Response:
    """The service worker: at the root, because it answers for lessons, parts and scripts alike."""
    if not (BUILT / "sw.js").is_file():
        raise NotFound
    return send_from_directory(BUILT, "sw.js", mimetype="text/javascript")


@bp.get("/app.webmanifest")
@guard.allow(guard.anyone)
@caches("private")
def manifest() -> ResponseReturnValue:
    """The web app manifest, in the page's language."""
    drawn = [(lesson_data.built(f"icon-{size}.png"), size) for size in ICON_SIZES]
    made = jsonify(
        id="/", name="EduHub", short_name="EduHub", description=gettext("Lessons of your school"), lang=languages.of_page(),
        dir="ltr", start_url="/", scope="/", display="minimal-ui", background_color="#fbfaf7", theme_color="#1f5f99",
        icons=[
            {"src": shown.asset("eduhub.svg"), "sizes": "any", "type": "image/svg+xml"},
            *(
                {"src": address, "sizes": f"{size}x{size}", "type": "image/png", "purpose": "any maskable"}
                for address, size in drawn if address
            ),
        ],
    )  # fmt: skip
    made.mimetype = "application/manifest+json"
    return made


def _is_uid(text: str) -> bool:
    try:
        return parse_uid(text) == text
    except BadInput:
        return False


def _words() -> dict[str, str]:
    """The words of the page's script; places in braces are filled in there."""
    return {
        "keep": gettext("Keep · {mb} MB"), "choice_mb": gettext("{choice} · {mb} MB"), "stills": gettext("Pictures and sound"),
        "sound": gettext("Sound alone"), "file": gettext("The whole video"),
        "done": gettext("{mb} MB · on this device"), "part": gettext("{done} of {mb} MB · {rate} kB a second · {left} left"),
        "part_waits": gettext("{done} of {mb} MB are here"), "minutes": gettext("{number} min"), "seconds": gettext("{number} s"),
        "paused": gettext("Stopped. What is here stays."),
        "no_connection": gettext("No connection. It goes on by itself when the connection is back."),
        "another_tab": gettext("Waiting: another page is fetching."),
        "full": gettext("There is no more room on this device. What is here stays. Remove a lesson, or choose something smaller."),
        "damaged": gettext("What arrives is damaged again and again. What is here stays. Try again later."),
        "sign_in_again": gettext("The permission to read this lesson has ended. Sign in and come back; what is here stays."),
        "gone": gettext("The lesson is not here any more. What this device has of it can be removed."),
        "no_worker": gettext("This browser does not trust this address, so it cannot keep lessons. Save the video on the lesson's page instead."),
        "no_answer": gettext("The lesson's page does not answer now. Open this page again when the connection is back."),
        "kept": gettext("{mb} MB of lessons are kept here."), "room": gettext("There is room for about {free} MB more."),
        "too_small": gettext("There is room for about {free} MB only."),
        "stays": gettext("The browser has promised to keep them until you remove them."),
        "may_go": gettext("When the device runs out of room, the browser may clear them away. They can be fetched again."),
        "newer": gettext("There is a newer version: {mb} MB to fetch"), "removed": gettext("Removed: {title}"),
        "taken_back": gettext("Taken back by the teacher, and not kept any more: {titles}."),
        "cleared": gettext("Cleared away by the browser, because the device ran out of room: {titles}. It can be fetched again."),
    }  # fmt: skip
