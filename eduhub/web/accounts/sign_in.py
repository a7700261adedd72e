"""Signing in and out, and the choice of language."""

from collections.abc import Sequence

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy.orm import Session
from wtforms import PasswordField

from eduhub import guard
from eduhub.accounts import credentials, tries
from eduhub.accounts.tries import Counted, Limit
from eduhub.errors import CardNotInPhoto, CardNotKnown, PhotosBusy, SignInFailed, TooManyTries
from eduhub.http import caches
from eduhub.media import card_photos
from eduhub.sync.boxes import joining
from eduhub.web import languages
from eduhub.web.accounts import limits, turns
from eduhub.web.edge import note, reading, writing
from eduhub.web.forms import Form, back_field, local_path, needed, text_field

bp = Blueprint("accounts", __name__)
# Photos in which no card of ours was, from one address: each may cost ten seconds of processor, and two are decoded at once.
_PHOTO = Limit("card-photo", 60, 10)


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
    """The page for adults; a wrong name and a wrong password read the same. Who tries too often has to wait."""
    form, wait_s = SignInForm(back=request.args.get("back")), 0
    if form.validate_on_submit():
        try:
            return _sign_in(form)
        except SignInFailed as error:
            form.refuse(error, "password")
        except TooManyTries as error:
            form.refuse(error, "password")
            wait_s = int(error.facts["seconds"])
    page = render_template("accounts/sign_in.html", form=form)
    if wait_s:
        return page, TooManyTries.status, {"Retry-After": str(wait_s)}
    return page, 400 if form.errors else 200


def _sign_in(form: SignInForm) -> ResponseReturnValue:
    """Raises TooManyTries, SignInFailed."""
    name, password = form.sign_in_name.data, form.password.data
    counted = limits.of_name(name)
    limits.take(counted)
    with reading() as session:
        credential = credentials.check_password(session, name, password, guard.here().steady.now_s(), _box_day(session))
        on = guard.today_of(session, credential.person_uid)
    renewed = credentials.renewed(credential, password)
    is_box_word = credential.kind == "box_word"
    with writing(travels=renewed is not None or is_box_word) as session:
        if renewed is not None:
            credentials.keep_renewed(session, credential.uid, renewed)
        if is_box_word:
            session.info["by_uid"] = credential.person_uid
            credential = credentials.take_box_word(session, credential.uid, guard.here().steady.now_s())
            note(session, "accounts.use_box_word", credential.org_uid, credential.person_uid)
        tries.give_back(session, guard.here().steady.now_s(), counted, forgetting=limits.of_strangers(name))
        guard.sign_in(session, credential, on)
    answer = redirect(local_path(form.back.data), 303)
    limits.remember(answer, name)
    return answer


def _box_day(session: Session) -> str | None:
    """At a box the school's day, by which words for it hold. At the hub None: they open nothing there."""
    node = joining.own_node(session) if guard.here().settings.role == "node" else None
    return guard.today(session, node.org_uid) if node is not None else None


@bp.route("/card", methods=["GET", "POST"])
@guard.allow(guard.anyone)
@caches("no-store")
def card() -> ResponseReturnValue:
    """The page for children: a code, or the square that opens /card#CODE."""
    form = CardForm(back=request.args.get("back"))
    if form.validate_on_submit():
        try:
            _come_in(form.token.data)
            return redirect(local_path(form.back.data), 303)
        except CardNotKnown as error:
            form.refuse(error, "token")
    return _card_page(form)


@bp.post("/card/photo")
@guard.allow(guard.anyone)
@caches("no-store")
def card_photo() -> ResponseReturnValue:
    """A photo of the card in place of its code; it is read here and not kept."""
    form, wait_s = CardForm(), 0
    sent = request.files.get("photo")
    try:
        _come_in_by_photo(sent.read() if sent is not None else b"")
        return redirect(local_path(form.back.data), 303)
    except (CardNotInPhoto, CardNotKnown, PhotosBusy) as error:
        form.refuse(error)
    except TooManyTries as error:
        form.form_errors.append(gettext("There were too many wrong tries. Wait %(seconds)s s, then try again.", **error.facts))
        wait_s = int(error.facts["seconds"])
    page = _card_page(form)
    return (page[0], TooManyTries.status, {"Retry-After": str(wait_s)}) if wait_s else page


def _come_in_by_photo(photo: bytes) -> None:
    """Raises TooManyTries, CardNotInPhoto, CardNotKnown, PhotosBusy."""
    here = guard.here()
    counted = [tries.counted(_PHOTO, here.keys.secret, limits.network())]
    limits.take(counted)
    try:
        token = card_photos.read(photo, here.settings)
    except PhotosBusy:  # nothing was decoded
        limits.give_back(counted)
        raise
    _come_in(token, counted)


def _come_in(token: str, counted: Sequence[Counted] = ()) -> None:
    """Sign in whoever has the card with this code; the try that was `counted` was right. Raises CardNotKnown."""
    with reading() as session:
        found = turns.arrival(session, credentials.check_card(session, token))
    with writing(travels=False) as session:
        turns.come_in(session, found, with_card=True)
        if counted:
            tries.give_back(session, guard.here().steady.now_s(), counted)


def _card_page(form: CardForm) -> tuple[str, int]:
    with reading() as session:
        by_pictures = turns.allowed_here(session).by_pictures
    return render_template("accounts/card.html", form=form, by_pictures=by_pictures), 400 if form.errors else 200


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
