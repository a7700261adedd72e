"""The first page: each reader's own."""

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from eduhub import guard
from eduhub.http import caches
from eduhub.web import learning

bp = Blueprint("home", __name__)


@bp.get("/")
@guard.allow(guard.anyone)
@caches("revalidate")
def home() -> ResponseReturnValue:
    """The operator's, the admin's, the teacher's or the child's page, in this order."""
    viewer = guard.viewer()
    if viewer.person is None:
        return learning.first_page()
    is_hub = guard.here().settings.role == "hub"
    roles = {grant.role: grant for grant in viewer.grants}
    if is_hub and "operator" in roles:
        return redirect(url_for("operator.home"), 303)
    if "school_admin" in roles:
        return redirect(url_for("school.home", org_uid=roles["school_admin"].scope_uid), 303)
    if is_hub and "teacher" in roles:
        return redirect(url_for("teaching.home"), 303)
    return learning.home()
