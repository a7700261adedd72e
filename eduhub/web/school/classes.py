"""Pages of the school's admin: what needs one, classes, who is in them, courses, the plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy.orm import Session
from wtforms import DateField, IntegerField, SelectField, validators

from eduhub import guard
from eduhub.accounts.models import Person
from eduhub.courses import audience, editing, plan, weeks
from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow
from eduhub.errors import BadInput
from eduhub.http import caches
from eduhub.rosters import moving
from eduhub.schools import calendars, enrolment, groups
from eduhub.schools.models import Enrolment, Group, Organisation
from eduhub.web import box_states, shown
from eduhub.web.edge import note, reading, row_of, today
from eduhub.web.forms import Form, pairs
from eduhub.web.rights import ENROLMENT, GROUP, GROUP_COURSE, OVERSEES, SCHOOL
from eduhub.web.school import enrolling, history, needs, roster

bp = Blueprint("school", __name__)
PLAN_DAYS = 14


class GroupForm(Form):
    """A new class: the year in which its children began, and its number."""

    stage = SelectField(
        lazy_gettext("Stage"),
        choices=pairs([
            ("primary", lazy_gettext("primary school")), ("junior", lazy_gettext("junior middle school")),
            ("senior", lazy_gettext("senior middle school")),
        ]),
    )  # fmt: skip
    intake_year = IntegerField(
        lazy_gettext("Year in which they began"),
        validators=[validators.InputRequired(lazy_gettext("Type the year, for example 2021.")),
                    validators.NumberRange(1990, 2100, lazy_gettext("Type the year, for example 2021."))],
    )  # fmt: skip
    class_number = IntegerField(
        lazy_gettext("Number of the class"),
        validators=[validators.InputRequired(lazy_gettext("Type the number of the class.")),
                    validators.NumberRange(1, 99, lazy_gettext("Type the number of the class."))],
    )  # fmt: skip


class WithdrawForm(Form):
    """Why and when a child leaves a class."""

    reason = SelectField(
        lazy_gettext("Why"),
        choices=pairs([
            ("withdrawn", lazy_gettext("left the school")), ("moved_group", lazy_gettext("goes to another class")),
            ("transferred", lazy_gettext("goes to another school")), ("graduated", lazy_gettext("finished school")),
        ]),
    )  # fmt: skip
    on = DateField(lazy_gettext("From which day on"), validators=[validators.InputRequired(lazy_gettext("Choose a day."))])


@dataclass(frozen=True)
class PlanLine:
    """A row of the plan with its lesson."""

    row: PlanRow
    lesson: Lesson


@bp.get("/schools/<org_uid>")
@guard.allow(SCHOOL)
@caches("no-store")
def home(org_uid: str) -> ResponseReturnValue:
    """The admin's first page."""
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        day = today(session, org_uid)
        rows = roster.groups_of(session, org_uid, day)
        people = roster.people_of(session, org_uid, day)
        courses = _courses_of(session, [row.group.uid for row in rows], day)
        held = box_states.of_school(session, org_uid)
        wanted = needs.of_school(session, org_uid, day, people, rows)
    return render_template(
        "school/home.html", school=school, day=day, groups=rows, people_count=sum(not row.has_left for row in people), courses=courses, boxes=held,
        needs=wanted, parent_link=guard.may(OVERSEES),
    )


def _courses_of(session: Session, group_uids: Sequence[str], day: str) -> list[Course]:
    by_uid = {course.uid: course for uid in group_uids for course in audience.courses_of_group(session, uid, day)}
    return list(by_uid.values())


@bp.route("/schools/<org_uid>/groups/new", methods=["GET", "POST"])
@guard.allow(SCHOOL)
@caches("no-store")
def new_group(org_uid: str) -> ResponseReturnValue:
    """Make a class. Its name follows from its year, and changes by itself each summer."""
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        calendar = calendars.find(session, org_uid)
    form = GroupForm(intake_year=calendar.current_school_year if calendar else None, class_number=1)
    if form.validate_on_submit():
        try:
            with history.undoable() as (session, say):
                taught = {known.uid for known in groups.of_school(session, org_uid, today(session, org_uid))}
                group = groups.add(
                    session, org_uid=org_uid, stage=form.stage.data, intake_year=form.intake_year.data,
                    class_number=form.class_number.data,
                )
                note(session, "schools.add_group", org_uid, group.uid)
                if group.uid not in taught:
                    say(org_uid, gettext("The class %(group)s was made.", group=roster.group_name(session, group)))
            return redirect(url_for("school.group", group_uid=group.uid), 303)
        except BadInput as error:
            form.refuse(error)
    page = render_template(
        "school/form.html", form=form, heading=gettext("Make a class"), act=gettext("Make this class"),
        intro=gettext("The class gets its name from these, and moves up by itself when the school year begins."),
        where=[(url_for("school.home", org_uid=org_uid), shown.plain(school.names))], hints={},
    )
    return page, 400 if form.errors else 200


@bp.get("/groups/<group_uid>")
@guard.allow(GROUP)
@caches("no-store")
def group(group_uid: str) -> ResponseReturnValue:
    """A class: its children, its courses, its plan."""
    with reading() as session:
        group = row_of(session, Group, group_uid)
        school = row_of(session, Organisation, group.org_uid)
        day = today(session, group.org_uid)
        courses = audience.courses_of_group(session, group_uid, day)
        taken = {course.uid for course in courses}
        lines = [
            PlanLine(row, row_of(session, Lesson, row.lesson_uid))
            for row in plan.for_group(session, group_uid, day, weeks.shifted(day, PLAN_DAYS))
        ]
        return render_template(
            "school/group.html", group=group, school=school, name=roster.group_name(session, group),
            children=roster.children_of(session, group_uid, day),
            without_class=[row.person for row in roster.people_of(session, group.org_uid, day) if row.is_alone],
            courses=roster.courses_taken(session, group_uid, day), plan=lines, day=day,
            open_courses=[c for c in roster.courses_for(session, group.org_uid) if c.uid not in taken],
        )


@bp.post("/groups/<group_uid>/children")
@guard.allow(GROUP)
@caches("no-store")
def enrol_in_group(group_uid: str) -> ResponseReturnValue:
    """Put a child of the school into the class."""
    enrolling.put(moving.into_group, request.form.get("person_uid", ""), group_uid, "schools.enrol")
    return redirect(url_for("school.group", group_uid=group_uid), 303)


@bp.route("/enrolments/<enrolment_uid>/withdraw", methods=["GET", "POST"])
@guard.allow(ENROLMENT)
@caches("no-store")
def withdraw(enrolment_uid: str) -> ResponseReturnValue:
    """Take a child out of a class, with the reason and the last day."""
    with reading() as session:
        span = row_of(session, Enrolment, enrolment_uid)
        person = row_of(session, Person, span.person_uid)
        group = row_of(session, Group, span.group_uid)
        name = roster.group_name(session, group)
        form = WithdrawForm(on=date.fromisoformat(today(session, span.org_uid)))
    if form.validate_on_submit():
        try:
            with history.undoable() as (session, say):
                enrolment.withdraw(session, enrolment_uid, form.on.data.isoformat(), form.reason.data)
                note(session, "schools.withdraw", span.org_uid, span.person_uid)
                say(span.org_uid, gettext("%(name)s is no longer in %(group)s.", name=person.name, group=name))
            return redirect(url_for("school.group", group_uid=group.uid), 303)
        except BadInput as error:
            form.refuse(error)
    page = render_template("school/withdraw.html", form=form, person=person, group=group, group_name=name)
    return page, 400 if form.errors else 200


@bp.post("/groups/<group_uid>/courses")
@guard.allow(GROUP)
@caches("no-store")
def take_course(group_uid: str) -> ResponseReturnValue:
    """The class takes a course that is open to its school."""
    with history.undoable() as (session, say):
        group = row_of(session, Group, group_uid)
        course = row_of(session, Course, request.form.get("course_uid", ""))
        editing.give_course(
            session, group_uid=group_uid, course_uid=course.uid, starts_on=today(session, group.org_uid)
        )
        note(session, "courses.give_course", group.org_uid, group_uid)
        told = gettext(
            "%(group)s takes the course %(course)s.", group=roster.group_name(session, group), course=shown.plain(course.titles)
        )
        say(group.org_uid, told)
    return redirect(url_for("school.group", group_uid=group_uid), 303)


@bp.post("/group-courses/<group_course_uid>/end")
@guard.allow(GROUP_COURSE)
@caches("no-store")
def end_course(group_course_uid: str) -> ResponseReturnValue:
    """The class takes the course no more. What was learned in it stays."""
    with history.undoable() as (session, say):
        span = row_of(session, GroupCourse, group_course_uid)
        group, course = row_of(session, Group, span.group_uid), row_of(session, Course, span.course_uid)
        editing.end_course(session, span.uid, max(today(session, span.org_uid), span.starts_on))
        note(session, "courses.end_course", span.org_uid, span.group_uid)
        told = gettext(
            "%(group)s takes the course %(course)s no more.", group=roster.group_name(session, group),
            course=shown.plain(course.titles),
        )
        say(span.org_uid, told)
    return redirect(url_for("school.group", group_uid=group.uid), 303)
