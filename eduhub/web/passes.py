"""The cookie that lets a page's reader fetch the parts of one package."""

from flask import Response

from eduhub import guard
from eduhub.delivery import passes
from eduhub.delivery.http import pass_cookie
from eduhub.web import rights


def audience_of(lesson_uid: str) -> str:
    """Which parts of a lesson the reader may have: whoever may change it reads the teachers' parts too."""
    return "teacher" if guard.may(rights.LESSON, lesson_uid=lesson_uid) else "learner"


def give(answer: Response, package_id: str, audience: str = "learner") -> None:
    """Put a pass for `package_id` on the answer, for the hours of the setting `pass_hours`."""
    here, viewer = guard.here(), guard.viewer()
    hours = here.settings.pass_hours
    token = passes.mint(
        here.keys.secret, package_id=package_id, audience=audience,
        person_uid=viewer.person.uid if viewer.person else "",
        expires_steady_s=int(here.steady.now_s()) + hours * 3600,
    )
    cookie = pass_cookie(package_id, token, max_age_s=hours * 3600, secure=here.settings.cookies_need_tls)
    answer.headers.add("Set-Cookie", cookie)
    if audience == "teacher":
        guard.remember_pass(package_id)


def half_life() -> int:
    """Counts the halves of a pass's life: a page that a browser keeps is made anew in each, and its pass with it."""
    here = guard.here()
    return int(here.steady.now_s()) // (here.settings.pass_hours * 1800)
