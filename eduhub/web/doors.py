"""Where a reader's roles lead: the first of these is the first page, the others are links beside it."""

from flask import url_for
from flask_babel import gettext

from eduhub import guard


def of_viewer() -> list[tuple[str, str]]:
    """(address, word) of each place that is the reader's own; none for a child, whose first page is 'today'."""
    asking = guard.viewer()
    is_hub = guard.here().settings.role == "hub"
    doors = []
    if is_hub and asking.has_role("operator", "region_operator"):
        doors.append((url_for("operator.home"), gettext("Schools and boxes")))
    schools = [grant.scope_uid for grant in asking.grants if grant.role == "school_admin" and grant.scope_uid]
    doors += [(url_for("school.home", org_uid=uid), gettext("School")) for uid in schools]
    if is_hub and asking.has_role("teacher"):
        doors.append((url_for("teaching.home"), gettext("My courses")))
    if is_hub and asking.has_role("reviewer"):
        doors.append((url_for("reviewing.home"), gettext("To review")))
    if not is_hub and doors:
        doors.append((url_for("box.status"), gettext("The school's box")))
    return doors
