"""The first page: each reader's own."""

from flask import Blueprint, redirect
from flask.typing import ResponseReturnValue

from eduhub import guard
from eduhub.http import caches
from eduhub.web import doors
from eduhub.web.learning import lessons

bp = Blueprint("home", __name__)


@bp.get("/")
@guard.allow(guard.anyone)
@caches("revalidate")
def home() -> ResponseReturnValue:
    """The operator's, the admin's, the teacher's or the child's page, in this order."""
    viewer = guard.viewer()
    if viewer.person is None:
        return lessons.first_page()
    own = doors.of_viewer()
    return redirect(own[0][0], 303) if own else lessons.home()
