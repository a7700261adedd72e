"""Signing in and out, and the choice of language."""

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from wtforms import PasswordField

from eduhub import guard
from eduhub.accounts import credentials, sign_ins
from eduhub.errors import CardNotKnown, SignInFailed
from eduhub.http import caches
from eduhub.web import languages
from eduhub.web.edge import reading, writing
from eduhub.web.forms import Form, back_field, local_path, needed, text_field

bp = Blueprint("accounts", __name__)


class SignInForm(Form):
    """An adult's name and password."""

    sign_in_name = text_field(lazy_gettext("Sign-in name"), lazy_gettext("Type your sign-in name."), longest=100)
    password = PasswordField(
        lazy_gettext("Password"), validators=needed(lazy_gettext("Type your password.")),
        render_kw={"autocomplete": "current-password"},
    )
    back = back_field()


class CardForm(Form):
    """The code on a child's card."""

    token = text_field(lazy_gettext("The code on your card"), lazy_gettext("Type the code of your card."), longest=60)
    back = back_field()


@bp.route("/sign-in", methods=["GET", "POST"])
@guard.allow(guard.anyone)
@caches("no-store")
def sign_in() -> ResponseReturnValue:
    """The page for adults; a wrong name and a wrong password read the same."""
    form = SignInForm(back=request.args.get("back"))
    if form.validate_on_submit():
        try:
            with reading() as session:
                credential = credentials.check_password(session, form.sign_in_name.data, form.password.data)
            with writing() as session:
                credentials.renew(session, credential, form.password.data)
                guard.sign_in(sign_ins.start(session, credential))
            return redirect(local_path(form.back.data), 303)
        except SignInFailed as error:
            form.refuse(error, "password")
    return render_template("accounts/sign_in.html", form=form), 400 if form.errors else 200


@bp.route("/card", methods=["GET", "POST"])
@guard.allow(guard.anyone)
@caches("no-store")
def card() -> ResponseReturnValue:
    """The page for children: a code, or the square that opens /card#CODE."""
    form = CardForm(back=request.args.get("back"))
    if form.validate_on_submit():
        try:
            with writing() as session:
                credential = credentials.check_card(session, form.token.data)
                guard.sign_in(sign_ins.start(session, credential))
            return redirect(local_path(form.back.data), 303)
        except CardNotKnown as error:
            form.refuse(error, "token")
    return render_template("accounts/card.html", form=form), 400 if form.errors else 200


@bp.post("/sign-out")
@guard.allow(guard.anyone)
@caches("no-store")
def sign_out() -> ResponseReturnValue:
    """End this browser's sign-in, here and in the table."""
    guard.sign_out()
    return redirect("/", 303)


@bp.post("/language")
@guard.allow(guard.anyone)
@caches("no-store")
def choose_language() -> ResponseReturnValue:
    """Keep the choice in a cookie: it is of this browser, whoever signs in."""
    answer = redirect(local_path(request.form.get("back")), 303)
    language = request.form.get("language")
    if language in languages.NAMES:
        answer.set_cookie(
            languages.COOKIE, language, max_age=365 * 86400, httponly=True, samesite="Lax",
            secure=guard.here().settings.cookies_need_tls,
        )
    return answer
