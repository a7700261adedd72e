"""Pages of the operator: regions and schools, boxes, the work of the machine. At the hub only."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy import select
from wtforms import SelectField, StringField, validators

from eduhub import clock, guard
from eduhub.errors import BadInput
from eduhub.http import caches
from eduhub.schools import organisations
from eduhub.schools.models import Organisation, Site
from eduhub.sync.boxes import nodes
from eduhub.sync.status import overview
from eduhub.web import languages, shown, told_shown
from eduhub.web.edge import note, reading, row_of, writing
from eduhub.web.forms import Form, language_field, needed, pairs, text_field
from eduhub.web.rights import OPERATOR, OVERSEES, organisations_overseen

bp = Blueprint("operator", __name__)
BOXES_SHOWN = 12  # those that need somebody; the others have a page of their own
SCHOOLS = ("school", "teaching_point", "station")


class OrganisationForm(Form):
    """A new region or school."""

    kind = SelectField(
        lazy_gettext("What it is"),
        choices=pairs([
            ("school", lazy_gettext("School")), ("region", lazy_gettext("Region")),
            ("teaching_point", lazy_gettext("Teaching point")), ("station", lazy_gettext("Village station")),
        ]),
    )  # fmt: skip
    name = text_field(lazy_gettext("Name"), lazy_gettext("Type a name."))
    language = language_field()
    parent_uid = SelectField(lazy_gettext("It belongs to"))

    def validate_parent_uid(self, field: SelectField) -> None:
        """Only a region may stand alone."""
        if self.kind.data != "region" and not field.data:
            raise validators.ValidationError(gettext("Choose the region it belongs to; make one first if there is none."))


class CodeForm(Form):
    """A code for a box."""

    site_uid = SelectField(lazy_gettext("School"))
    node_name = StringField(
        lazy_gettext("Name of the box"),
        validators=[
            *needed(lazy_gettext("Give the box a name.")),
            validators.Regexp(
                r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?\Z",
                message=lazy_gettext("Use small Latin letters, digits and hyphens, for example shuanghu-3."),
            ),
        ],
        filters=[lambda text: text.strip().lower() if text else text], render_kw={"maxlength": 60},
    )  # fmt: skip


@dataclass(frozen=True)
class OrganisationRow:
    """A place in the tree."""

    org: Organisation
    depth: int
    kind: str


@bp.get("/operator")
@guard.allow(OVERSEES)
@caches("no-store")
def home() -> ResponseReturnValue:
    """Regions and schools, boxes; for the operator of a region its schools and their boxes."""
    with reading() as session:
        found = organisations_overseen(session)
        held = overview.of(session, None if guard.viewer().is_operator else [org.uid for org in found])
    now_ms = clock.now_ms()
    lines = [told_shown.line_of(box, now_ms) for box in overview.by_need(held, now_ms)[:BOXES_SHOWN]]
    return render_template("operator/home.html", organisations=_tree(found), boxes=lines, all_boxes=len(held))


def _tree(found: Sequence[Organisation]) -> list[OrganisationRow]:
    """Parents before children; an organisation whose parent is not here stands at the top."""
    known = {org.uid for org in found}
    children: dict[str | None, list[Organisation]] = {}
    for org in found:
        children.setdefault(org.parent_uid if org.parent_uid in known else None, []).append(org)
    words = {str(choice.value): str(choice.label) for choice in OrganisationForm(formdata=None).kind.choices}
    rows: list[OrganisationRow] = []
    waiting = [(org, 0) for org in reversed(children.get(None, []))]
    while waiting:
        org, depth = waiting.pop()
        rows.append(OrganisationRow(org, depth, words.get(org.kind, org.kind)))
        waiting += [(child, depth + 1) for child in reversed(children.get(org.uid, []))]
    return rows


@bp.route("/operator/organisations/new", methods=["GET", "POST"])
@guard.allow(OPERATOR)
@caches("no-store")
def new_organisation() -> ResponseReturnValue:
    """Make a region or a school; a school gets its site and its calendar with it."""
    form = OrganisationForm(language=languages.of_page())
    with reading() as session:
        regions = session.scalars(select(Organisation).where(Organisation.kind == "region").order_by(Organisation.uid))
        form.parent_uid.choices = pairs([("", gettext("(none)"))] + [(org.uid, shown.plain(org.names)) for org in regions])
    if form.validate_on_submit():
        try:
            with writing() as session:
                org = organisations.add(
                    session, kind=form.kind.data, names={form.language.data: form.name.data},
                    parent_uid=form.parent_uid.data or None,
                )
                note(session, "schools.add_organisation", org.uid, org.uid)
            is_school = org.kind in SCHOOLS
            return redirect(url_for("school.home", org_uid=org.uid) if is_school else url_for("operator.home"), 303)
        except BadInput as error:
            form.refuse(error)
    page = render_template(
        "school/form.html", form=form, heading=gettext("Make a region or a school"), act=gettext("Make it"),
        intro=gettext("A region holds schools. A teaching point is a small school with a few grades; a village "
                      "station is open to everybody."),
        where=[(url_for("operator.home"), gettext("Schools and boxes"))],
        hints={"language": gettext("The language in which you wrote the name.")},
    )  # fmt: skip
    return page, 400 if form.errors else 200


@bp.route("/operator/boxes/code", methods=["GET", "POST"])
@guard.allow(OPERATOR)
@caches("no-store")
def new_code() -> ResponseReturnValue:
    """A one-time code. It is the answer itself, not a page to come back to: only its hash is kept."""
    form = CodeForm()
    with reading() as session:
        places = session.execute(select(Site, Organisation).join(Organisation, Organisation.uid == Site.org_uid))
        form.site_uid.choices = pairs([(site.uid, _place(site, org)) for site, org in places])
    if form.validate_on_submit():
        try:
            with writing() as session:
                code = nodes.new_code(
                    session, guard.here(), site_uid=form.site_uid.data, node_name=form.node_name.data,
                    by_uid=session.info["by_uid"],
                )
                note(session, "sync.new_code", row_of(session, Site, form.site_uid.data).org_uid, form.site_uid.data)
            return render_template(
                "operator/code.html", code=code, name=form.node_name.data, address=guard.here().settings.origin
            )
        except BadInput:
            form.node_name.errors = [gettext("There is a box with this name already. Choose another one.")]
    page = render_template(
        "school/form.html", form=form, heading=gettext("Make a code for a box"), act=gettext("Make the code"),
        intro=gettext("The box joins with this code and then belongs to the school for good."),
        where=[(url_for("operator.home"), gettext("Schools and boxes"))],
        hints={"node_name": gettext("Small letters, digits and hyphens, for example shuanghu-3. It never changes.")},
    )
    return page, 400 if form.errors else 200


def _place(site: Site, org: Organisation) -> str:
    school = shown.plain(org.names)
    return school if site.name in org.names.values() else f"{school} · {site.name}"
