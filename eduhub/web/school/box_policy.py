"""What a school's box fetches and may use, for the school's admin, at the hub and at the box. Courses have a line each."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from wtforms import BooleanField, IntegerField, SelectField, validators

from eduhub import guard
from eduhub.courses.models import Course, GroupCourse
from eduhub.errors import BadInput, NotFound
from eduhub.http import caches
from eduhub.schools.models import Group, Organisation, Site
from eduhub.sync.allowance import budgets, policies
from eduhub.sync.boxes import joining
from eduhub.sync.models import SitePolicy
from eduhub.web import shown
from eduhub.web.edge import note, reading, row_of, writing
from eduhub.web.forms import Form, text_field
from eduhub.web.languages import NAMES
from eduhub.web.rights import SCHOOL

bp = Blueprint("box_policy", __name__)
_ANY = ""


def _number(label: Any, low: int, high: int) -> IntegerField:
    within = lazy_gettext("A whole number from %(low)s to %(high)s, or nothing.", low=low, high=high)
    return IntegerField(
        label, validators=[validators.Optional(), validators.NumberRange(low, high, within)], render_kw={"min": low, "max": high}
    )


class PolicyForm(Form):
    """What is fetched, when, and how much. An empty field says nothing."""

    pictures = SelectField(lazy_gettext("Moving pictures"))
    new_kinds = BooleanField(lazy_gettext("Also newer kinds of video and sound, which only newer devices play"))
    zh = BooleanField(NAMES["zh"])
    bo = BooleanField(NAMES["bo"])
    en = BooleanField(NAMES["en"])
    windows = text_field(lazy_gettext("Hours in which lessons are fetched"), longest=120)
    ceiling_kbit_s = _number(lazy_gettext("At most so many kbit/s"), 8, 1_000_000)
    class_ceiling_kbit_s = _number(lazy_gettext("At most so many kbit/s in class hours"), 0, 1_000_000)
    day_mb = _number(lazy_gettext("Megabytes a day"), 1, 10_000_000)
    month_mb = _number(lazy_gettext("Megabytes a month"), 1, 100_000_000)
    disk_mb = _number(lazy_gettext("Megabytes of the disk for lessons"), 50, 1_000_000_000)


class CourseForm(Form):
    """The line of one course."""

    wanted = SelectField(lazy_gettext("Which lessons"))
    pictures = SelectField(lazy_gettext("Moving pictures"))


@bp.route("/schools/<org_uid>/fetching", methods=["GET", "POST"])
@guard.allow(SCHOOL)
@caches("no-store")
def rules(org_uid: str) -> ResponseReturnValue:
    """What the box fetches and may use."""
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        site = _site(session, org_uid)
        row = session.get(SitePolicy, site.uid)
        form = PolicyForm(**_values(row))
        form.pictures.choices = _sizes(row.max_height if row else None)
        courses = _courses(session, org_uid, site)
    if form.validate_on_submit() and _hours_are_read(form):
        with writing() as session:
            site = _site(session, org_uid)
            policies.set_site(session, site, **_said(form, session.get(SitePolicy, site.uid)))
            note(session, "schools.box_policy", org_uid, site.uid)
        flash(gettext("Saved. The box goes by it from its next call on."))
        return redirect(url_for("box_policy.rules", org_uid=org_uid), 303)
    page = render_template("school/box_policy.html", form=form, school=school, courses=courses)
    return page, 400 if form.errors else 200


@bp.post("/schools/<org_uid>/fetching/courses/<course_uid>")
@guard.allow(SCHOOL)
@caches("no-store")
def course(org_uid: str, course_uid: str) -> ResponseReturnValue:
    """What is fetched of one course."""
    with writing() as session:
        site, form = _site(session, org_uid), CourseForm()
        row_of(session, Course, course_uid)
        held = policies.find_course(session, site.uid, course_uid)
        form.wanted.choices, form.pictures.choices = _which(), _sizes(held.max_height if held else None, of_course=True)
        if not form.validate_on_submit():
            raise BadInput("not one of the choices")
        height = int(form.pictures.data) if form.pictures.data else None
        policies.set_course(session, site, course_uid, wanted=form.wanted.data or None, max_height=height)
        note(session, "schools.box_policy", org_uid, site.uid)
    flash(gettext("Saved. The box goes by it from its next call on."))
    return redirect(url_for("box_policy.rules", org_uid=org_uid), 303)


def _site(session: Session, org_uid: str) -> Site:
    """The place whose box it is: this box's own, or the first of the school."""
    node = joining.own_node(session)
    if node is not None and node.org_uid == org_uid and (own := session.get(Site, node.site_uid)) is not None:
        return own
    found = session.scalars(select(Site).where(Site.org_uid == org_uid).order_by(Site.uid).limit(1)).first()
    if found is None:
        raise NotFound("this organisation has no place for a box")
    return found


def _hours_are_read(form: PolicyForm) -> bool:
    try:
        budgets.parse_windows(form.windows.data or "")
    except BadInput:
        told = gettext("Hours look like 22:00-06:00, or 22:00-06:00,12:00-14:00; one must not lie over another.")
        form.windows.errors = [*form.windows.errors, told]
        return False
    return True


def _sizes(held: int | None, *, of_course: bool = False) -> list[tuple[str, str]]:
    usual = [
        ("0", gettext("none: voice and pictures only")), ("240", gettext("small video")), ("480", gettext("middling video")),
    ]  # fmt: skip
    if held is not None and str(held) not in dict(usual):
        usual.append((str(held), gettext("up to %(lines)s lines", lines=held)))
    return [(_ANY, gettext("as for the others") if of_course else gettext("all sizes")), *usual]


def _which() -> list[tuple[str, str]]:
    return [
        (_ANY, gettext("what a class takes or has in its plan")), ("planned", gettext("only what is in a plan")),
        ("all", gettext("all, though no class takes it")), ("none", gettext("nothing")),
    ]  # fmt: skip


def _values(row: SitePolicy | None) -> dict[str, Any]:
    if row is None:
        return {}
    names = ("windows", "ceiling_kbit_s", "class_ceiling_kbit_s", "day_mb", "month_mb", "disk_mb")
    languages = row.languages or []
    return {name: getattr(row, name) for name in names} | {tag: tag in languages for tag in NAMES} | {
        "pictures": _ANY if row.max_height is None else str(row.max_height), "new_kinds": bool(row.codecs),
    }  # fmt: skip


def _said(form: PolicyForm, row: SitePolicy | None) -> dict[str, Any]:
    """The fields of the policy. Languages that the page does not know stay as they were."""
    chosen = [tag for tag in NAMES if form[tag].data] + [tag for tag in (row.languages or [] if row else []) if tag not in NAMES]
    codecs = (row.codecs if row and row.codecs else sorted(policies.CODECS)) if form.new_kinds.data else None
    return {
        "max_height": int(form.pictures.data) if form.pictures.data else None, "codecs": codecs, "languages": chosen or None,
        "windows": budgets.written(budgets.parse_windows(form.windows.data or "")) or None,
        **{name: form[name].data for name in ("ceiling_kbit_s", "class_ceiling_kbit_s", "day_mb", "month_mb", "disk_mb")},
    }  # fmt: skip


def _courses(session: Session, org_uid: str, site: Site) -> list[tuple[Course, CourseForm]]:
    """The courses that the school's classes take, or that have a line already, each with its form."""
    groups = select(Group.uid).where(Group.org_uid == org_uid)
    taken = set(session.scalars(select(GroupCourse.course_uid).where(GroupCourse.group_uid.in_(groups), GroupCourse.ended_on.is_(None))))
    known = policies.of_site(session, site.uid)
    found = session.scalars(select(Course).where(Course.uid.in_(taken | known.courses.keys()))).all()
    rows = []
    for one in sorted(found, key=lambda row: (shown.plain(row.titles), row.uid)):
        held = policies.find_course(session, site.uid, one.uid)
        height = held.max_height if held is not None else None
        form = CourseForm(formdata=None, wanted=(held.wanted or _ANY) if held else _ANY, pictures=_ANY if height is None else str(height))
        form.wanted.choices, form.pictures.choices = _which(), _sizes(height, of_course=True)
        rows.append((one, form))
    return rows
