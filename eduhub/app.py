"""Put the web side together: the only file that knows the pages, every protocol and the interface.

`create_app()` is what gunicorn calls. A box has no pages of the operator and the teacher, and a
hub none of the box: they are not registered there, so they do not exist.
"""

from flask import Flask, render_template, request, url_for
from flask_babel import Babel, gettext
from werkzeug.middleware.proxy_fix import ProxyFix

from eduhub import config, guard, http
from eduhub.api import register as register_api
from eduhub.config import Settings
from eduhub.delivery.front import Front
from eduhub.delivery.http import MediaLane
from eduhub.delivery.lending import Lending
from eduhub.errors import NotAllowed
from eduhub.installation import Installation, open_installation
from eduhub.media import http as media_http
from eduhub.sync import http as sync_http
from eduhub.sync.door import Door
from eduhub.sync.poll_lane import PollLane
from eduhub.web import compression, csrf, first_start, kept, languages, pages, photos, sent, shown, stick_files
from eduhub.web.few_at_once import FewAtOnce
from eduhub.web.learning import lesson_data

# A form carries words, never files: those go to /media/uploads, which reads them as they arrive.
MOST_FORM_BYTES = 1 << 20
# What was typed is shown again on an error page, but never these.
SECRET_FIELDS = frozenset(
    {"csrf_token", "password", "present", "new", "again", "token", "intent", "back", "language", "picture", "number"}
)

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
    compression.register(app)
    guard.register(app, here)
    Babel(
        app, locale_selector=languages.choose, timezone_selector=lambda: guard.viewer().zone,
        default_translation_directories="web/translations",
    )  # fmt: skip
    http.register(app, _render_error)
    first_start.register(app)
    photos.register(app)
    sent.register(app)
    protection = csrf.Protect(app)
    kept.register(app)
    lesson_data.cache.init_app(app)
    shown.register(app)
    for blueprint in pages.of(here.settings.role):
        app.register_blueprint(blueprint)
    register_api(app, protection)
    # These carry credentials of their own (an intent, a node's signature) and no cookie.
    protocols = [sync_http.blueprint(here)] + ([media_http.blueprint(here)] if here.settings.role == "hub" else [])
    for blueprint in protocols:
        protection.exempt(blueprint)
        app.register_blueprint(blueprint)
    for endpoint in stick_files.ROUTES & app.view_functions.keys():  # they look at their token as it comes
        protection.exempt(app.view_functions[endpoint])
    guard.check_every_route_has_a_rule(app)
    _put_in_front(app, here)
    return app


def _put_in_front(app: Flask, here: Installation) -> None:
    few = FewAtOnce(app.wsgi_app)
    here.database.on_write = few.step_aside
    lane = MediaLane(
        few, packages_dir=here.packages_dir, secret=here.keys.secret, steady=here.steady,
        run_dir=here.settings.data_dir / "run" if here.settings.role == "hub" else None,
        lending=_lending(here) if here.settings.role == "node" else None,
    )  # fmt: skip
    front = PollLane(Door(lane, here.settings.web_threads // 2), here) if here.settings.role == "hub" else lane
    # Where a TLS proxy stands in front, its word about scheme, host and address counts; our own nginx hands it on.
    told = ProxyFix(front, x_for=1, x_proto=1, x_host=1)
    alone = told if here.settings.is_behind_tls else front
    app.wsgi_app = Front(alone, told, secret=here.keys.secret)  # type: ignore[method-assign]


def _lending(here: Installation) -> Lending:
    return Lending(here.settings.data_dir / "run", here.settings.mirror_kbit_s, here.settings.mirror_at_once)


def _render_error(page: http.ErrorPage) -> str:
    first = "accounts.card" if guard.here().settings.role == "node" else "accounts.sign_in"
    next_step = page.next_step
    if page.code == NotAllowed.code and guard.viewer().is_child:
        next_step = gettext("Ask your teacher if you think you should be able to.")
    return render_template(
        "error.html", happened=page.happened, kept=page.kept, next_step=next_step, typed=_typed(),
        sign_in=url_for(first, back=shown.here_path()) if page.status == 401 else None,
        code=f"{page.code} {page.correlation}",
    )


def _typed() -> list[tuple[str, str]]:
    """The words of the form that was sent, if it was one of ours; an upload's body is not touched."""
    if request.mimetype != "application/x-www-form-urlencoded" or (request.content_length or 0) > MOST_FORM_BYTES:
        return []
    return [(name, value) for name, value in request.form.items() if value and name not in SECRET_FIELDS]
