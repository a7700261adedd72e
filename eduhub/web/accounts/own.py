"""Pages about the reader's own access: where they are signed in, and their password."""

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy.orm import Session
from wtforms import PasswordField, validators

from eduhub import guard, http
from eduhub.accounts import credentials, sign_ins, tries
from eduhub.accounts.models import Credential, Person, SignIn
from eduhub.errors import NewPasswordNeeded, NotFound, PasswordTooWeak, SignInFailed, TooManyTries, WordEnded
from eduhub.http import caches
from eduhub.schools import calendars
from eduhub.web import rights
from eduhub.web.accounts import limits
from eduhub.web.edge import note, reading, uid_of, writing
from eduhub.web.forms import Form, needed, sentence

bp = Blueprint("own", __name__)


class PasswordForm(Form):
    """A new password, by whoever knows the present one."""

    present = PasswordField(
        lazy_gettext("Your password now"), validators=needed(lazy_gettext("Type the password that you sign in with now.")),
        render_kw={"autocomplete": "current-password"},
    )
    new = PasswordField(
        lazy_gettext("New password"), validators=needed(lazy_gettext("Type a new password.")),
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        lazy_gettext("New password, once more"),
        validators=[validators.EqualTo("new", lazy_gettext("The two new passwords are not the same."))],
        render_kw={"autocomplete": "new-password"},
    )


@bp.get("/account")
@guard.allow(guard.signed_in)
@caches("no-store")
def home() -> ResponseReturnValue:
    """Where the reader is signed in, with a way to end each."""
    with reading() as session:
        person = session.get_one(Person, rights.person_uid())
        zone = ZoneInfo(calendars.zone_of(session, person.org_uid))
        found = [
            (made, datetime.fromtimestamp(made.started_ms / 1000, tz=zone).date().isoformat())
            for made in sign_ins.of(session, person.uid)
        ]
        has_password = bool(credentials.password_of(session, person.uid))
    return render_template("own/home.html", sign_ins=found, has_password=has_password)


@bp.post("/account/sign-ins/<sign_in_uid>/end")
@guard.allow(guard.signed_in)  # and it must be the reader's own, right below
@caches("no-store")
def end(sign_in_uid: str) -> ResponseReturnValue:
    """Sign out in one other browser."""
    with writing() as session:
        made = session.get(SignIn, uid_of(sign_in_uid))
        if made is None or made.person_uid != rights.person_uid():
            raise NotFound
        sign_ins.end(session, made.uid)
        _note(session, "accounts.end_sign_in")
    return redirect(url_for("own.home"), 303)


@bp.post("/account/sign-ins/end-others")
@guard.allow(guard.signed_in)
@caches("no-store")
def end_others() -> ResponseReturnValue:
    """Sign out everywhere but here."""
    with writing() as session:
        sign_ins.end_all(session, rights.person_uid(), but=guard.viewer().sign_in_uid)
        _note(session, "accounts.end_sign_in")
    flash(gettext("You are signed out everywhere else."))
    return redirect(url_for("own.home"), 303)


@bp.route("/account/password", methods=["GET", "POST"])
@guard.allow(guard.signed_in)
@caches("no-store")
def password() -> ResponseReturnValue:
    """Change the password; every other browser is signed out."""
    form, status = PasswordForm(), 200
    with reading() as session:
        person = session.get_one(Person, rights.person_uid())
        held = session.get(Credential, credentials.password_of(session, person.uid))
    if held is None or person.sign_in_name is None:
        raise NotFound  # a child signs in with a card
    if form.validate_on_submit():
        try:
            _change(person, form.present.data, form.new.data)
            flash(gettext("You have a new password. Everywhere else you are signed out."))
            return redirect(url_for("own.home"), 303)
        except (SignInFailed, TooManyTries) as error:
            status = error.status if isinstance(error, TooManyTries) else 400
            form.present.errors = [*form.present.errors, _why(error)]
        except PasswordTooWeak as error:
            form.refuse(error, "new")
    page = render_template("own/password.html", form=form, is_one_time=held.kind == "one_time")
    return page, max(status, 400) if form.errors else 200


@bp.app_errorhandler(NewPasswordNeeded)
def choose_a_password(error: NewPasswordNeeded) -> ResponseReturnValue:
    """Whoever signed in with a word that is good once is led to the page where they choose a password."""
    if request.path.startswith("/api/"):
        return http.answer(error)
    return redirect(url_for("own.password"), 303)


def _change(person: Person, present: str, new: str) -> None:
    """Raises TooManyTries, SignInFailed, PasswordTooWeak."""
    assert person.sign_in_name is not None
    counted = limits.of_owner(person.sign_in_name)
    limits.take(counted)
    with reading() as session:
        proved_uid = credentials.check_own(session, person.uid, present, guard.here().steady.now_s())
        on = guard.today(session, person.org_uid)
    verifier = credentials.verifier_of(new, sign_in_name=person.sign_in_name)
    with writing() as session:
        made = credentials.keep_password(session, person.uid, verifier, proved_uid=proved_uid)
        sign_ins.end_all(session, person.uid)
        tries.forget(session, [*counted, *limits.of_strangers(person.sign_in_name)])
        _note(session, "accounts.change_password")
        guard.sign_in(session, made, on)


def _why(error: SignInFailed | TooManyTries) -> str:
    if isinstance(error, WordEnded):
        return sentence(error)
    if isinstance(error, TooManyTries):
        return str(gettext("There were too many wrong tries. Wait %(seconds)s s, then try again.", **error.facts))
    return str(gettext("This is not your password."))


def _note(session: Session, action: str) -> None:
    person = guard.viewer().person
    assert person is not None  # the rule of the routes
    note(session, action, person.org_uid, person.uid)
