"""Put the web side together: the only file that knows every page, protocol and interface.

`create_app()` is what gunicorn calls. A box has no pages of the operator and the teacher, and a
hub none of the box: they are not registered there, so they do not exist.
"""

from flask import Flask, render_template, request, url_for
from flask_babel import Babel
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from eduhub import config, guard, http
from eduhub.api import register as register_api
from eduhub.config import Settings
from eduhub.delivery.http import MediaLane
from eduhub.installation import Installation, open_installation
from eduhub.media import http as media_http
from eduhub.sync import http as sync_http
from eduhub.web import accounts, box, home, languages, learning, lesson_data, operator, people, school, shown, teaching

# A form carries words, never files: those go to /media/uploads, which reads them as they arrive.
MOST_FORM_BYTES = 1 << 20
EVERYWHERE = (accounts.bp, home.bp, learning.bp, people.bp, school.bp)
AT_THE_HUB = (operator.bp, teaching.bp)
AT_A_BOX = (box.bp,)
# What was typed is shown again on an error page, but never these.
SECRET_FIELDS = frozenset({"csrf_token", "password", "token", "intent", "back", "language"})

FLASK_SETTINGS = {
    "MAX_CONTENT_LENGTH": MOST_FORM_BYTES,
    "WTF_CSRF_TIME_LIMIT": None,  # as long as the session: a form may be filled in slowly
    "WTF_CSRF_SSL_STRICT": False,  # boxes and proxies differ in what the Referer says; the token decides
}


def create_app(settings: Settings | None = None, installation: Installation | None = None) -> Flask:
    """The WSGI application of one installation. Raises BadSetting."""
    here = installation or open_installation(settings or config.load())
    app = Flask("eduhub", static_folder="web/static", template_folder="web/templates", static_url_path="/static")
    app.config.update(FLASK_SETTINGS)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    guard.register(app, here)
    Babel(app, locale_selector=languages.choose, default_translation_directories="web/translations")
    http.register(app, _render_error)
    csrf = CSRFProtect(app)
    lesson_data.cache.init_app(app)
    shown.register(app)
    for blueprint in EVERYWHERE + (AT_THE_HUB if here.settings.role == "hub" else AT_A_BOX):
        app.register_blueprint(blueprint)
    register_api(app, csrf)
    if here.settings.role == "hub":
        # These carry credentials of their own (an intent, a node's signature) and no cookie.
        for blueprint in (media_http.blueprint(here), sync_http.blueprint(here)):
            csrf.exempt(blueprint)
            app.register_blueprint(blueprint)
    guard.check_every_route_has_a_rule(app)
    _put_in_front(app, here)
    return app


def _put_in_front(app: Flask, here: Installation) -> None:
    lane = MediaLane(app.wsgi_app, packages_dir=here.packages_dir, secret=here.keys.secret, steady=here.steady)
    app.wsgi_app = lane  # type: ignore[method-assign]
    if here.settings.public_url.startswith("https://"):
        # A TLS proxy stands in front, so its word about scheme, host and address counts.
        app.wsgi_app = ProxyFix(lane, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]


def _render_error(page: http.ErrorPage) -> str:
    first = "accounts.card" if guard.here().settings.role == "node" else "accounts.sign_in"
    return render_template(
        "error.html", happened=page.happened, kept=page.kept, next_step=page.next_step, typed=_typed(),
        sign_in=url_for(first, back=shown.here_path()) if page.status == 401 else None,
        code=f"{page.code} {page.correlation}",
    )


def _typed() -> list[tuple[str, str]]:
    """The words of the form that was sent, if it was one of ours; an upload's body is not touched."""
    if request.mimetype != "application/x-www-form-urlencoded" or (request.content_length or 0) > MOST_FORM_BYTES:
        return []
    return [(name, value) for name, value in request.form.items() if value and name not in SECRET_FIELDS]
