"""The history of a school: what was changed, by whom and when, a page at a time, and 'Undo'.

An act that a page has just done can be offered for undoing right there (`told`): what stands in the
cookie then are uids, never a name.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from eduhub import changes, guard
from eduhub.accounts.models import Person
from eduhub.errors import BadInput, CannotUndo
from eduhub.http import caches
from eduhub.rosters import history, undoing
from eduhub.schools.models import Group, Organisation
from eduhub.web import shown
from eduhub.web.edge import PAGE_ROWS, Page, note, reading, row_of, today, writing
from eduhub.web.forms import pairs, sentence
from eduhub.web.rights import SCHOOL
from eduhub.web.school import roster
from eduhub.web.school.history_words import Line, Names, kind_words

bp = Blueprint("history", __name__)
MOST_ACTS = 20  # that one button undoes: their names must fit into a cookie


class Say(Protocol):
    """Remembers what the next page is to tell of what was done at a school."""

    def __call__(self, org_uid: str, text: str) -> None:
        """The organisation whose history has it, and a whole sentence in the reader's language."""


@bp.get("/schools/<org_uid>/history")
@guard.allow(SCHOOL)
@caches("no-store")
def home(org_uid: str) -> ResponseReturnValue:
    """What was changed, the newest first; `?kind=`, `?person=` and `?group=` ask for some of it."""
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        person = row_of(session, Person, request.args["person"], org_uid=org_uid) if request.args.get("person") else None
        group = row_of(session, Group, request.args["group"], org_uid=org_uid) if request.args.get("group") else None
        kind = request.args.get("kind", "")
        asked = history.Asked(kind, person.uid if person else "", group.uid if group else "")
        count = history.count(session, org_uid, asked)
        last = max(1, -(-count // PAGE_ROWS))
        number = min(max(request.args.get("page", 1, type=int), 1), last)
        acts = history.newest(session, org_uid, asked, limit=PAGE_ROWS, skip=(number - 1) * PAGE_ROWS)
        page = Page(_lines(session, org_uid, acts), number, last, count)
        day = today(session, org_uid)
        staff = [row.person for row in roster.people_of(session, org_uid, day) if not row.is_child]
        return render_template(
            "school/history.html", school=school, page=page, person=person, group=group, kind=kind,
            kinds=pairs(kind_words().items()), staff=staff,
            groups=[(row.group.uid, row.name) for row in roster.groups_of(session, org_uid, day)],
            also=shown.also({"kind": kind, "person": asked.person_uid, "group": asked.group_uid}),
        )


@bp.post("/schools/<org_uid>/history/undo")
@guard.allow(SCHOOL)
@caches("no-store")
def undo(org_uid: str) -> ResponseReturnValue:
    """Undo one act, or those that one button did. The undoing is in the history too."""
    keys = request.form.getlist("act")
    if not 1 <= len(keys) <= MOST_ACTS:
        raise BadInput("some acts to undo")
    try:
        with writing() as session:
            undoing.undo(session, org_uid, keys, _asker(session, org_uid))
            for key in keys:
                note(session, "history.undo", org_uid, key.split(":")[1])
        flash(ngettext("%(num)s thing is undone.", "%(num)s things are undone.", len(keys)))
    except CannotUndo as error:
        flash(sentence(error), "slow")
    return redirect(url_for("history.home", org_uid=org_uid), 303)


@contextmanager
def undoable() -> Iterator[tuple[Session, Say]]:
    """One transaction, and what to call in it with a sentence about it: the next page shows that with a button that undoes it all.

    Nothing is said where nothing was committed.
    """
    said: list[tuple[str, str]] = []
    with writing() as session:
        begun = changes.latest_seq(session)
        yield session, lambda org_uid, text: said.append((org_uid, text))
        told = [(org_uid, text, _acts_since(session, org_uid, begun)) for org_uid, text in said]
    for org_uid, text, acts in told:
        flash({"text": text, "org": org_uid, "acts": acts} if acts else text)  # type: ignore[arg-type]


# --- inside -------------------------------------------------------------------------


def _acts_since(session: Session, org_uid: str, seq: int) -> list[str]:
    """The names of what the reader has done after that line of the log and could undo."""
    asker = _asker(session, org_uid)
    found = history.made_since(session, org_uid, seq, session.info.get("by_uid"))
    if len(found) > MOST_ACTS:
        return []
    return [key for key in found if undoing.why_not(session, history.by_key(session, org_uid, key), asker) is None]


def _asker(session: Session, org_uid: str) -> undoing.Asker:
    asking = guard.viewer().person
    return undoing.Asker(
        asking.uid if asking else None, today(session, org_uid), guard.here().settings.role == "hub"
    )


def _lines(session: Session, org_uid: str, acts: Sequence[history.Act]) -> list[Line]:
    names, asker = Names(session, org_uid), _asker(session, org_uid)
    lines = []
    for act in acts:
        why = undoing.why_not(session, act, asker)
        lines.append(names.line(act, gettext(why) if why else ""))
    return lines
