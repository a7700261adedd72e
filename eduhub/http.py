"""What every answer over HTTP has in common: cache policy, security headers, errors.

`@caches(...)` beside a route says who may keep its answer; nothing else sets a cache header,
and a route that says nothing is kept by nobody. Errors become a page, or JSON for programs.
How the page looks is handed in, so that this module must not know templates, nor any domain.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, jsonify, request
from flask_babel import gettext
from werkzeug.exceptions import HTTPException

from eduhub import logs
from eduhub.errors import BadInput, EduHubError, NotAllowed, NotFound, SignInNeeded, TooMuch, sentences

log = logs.logger(__name__)

View = TypeVar("View", bound=Callable[..., Any])

_YEAR_S = 31_536_000
POLICIES = {
    "immutable": f"public, max-age={_YEAR_S}, immutable",  # the address names the bytes
    "shared": "public, max-age={max_age}, must-revalidate",  # the same for everybody
    "revalidate": "private, no-cache",  # this browser keeps it and asks each time whether it still holds
    "private": "private, no-cache",  # the same without an ETag: the answer is not worth one
    "no-store": "no-store",
}
# Nothing is loaded from anywhere else and no script stands in a page. blob: is what the player
# makes of the bytes it has fetched; data: are the small pictures inside style sheets.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:;"
        " connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none';"
        " manifest-src 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # No page of ours is part of another site's, and none asks for more than the camera that reads a card.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
}
# What a page loads is bound by the page's own policy; repeating it would be a tenth of the lesson's page. Below /static/ every
# drawing is our own and has no script: it does no harm as a page of its own either.
LOADED = frozenset({"text/css", "text/javascript", "font/woff2", "image/svg+xml"})
OF_PAGES = frozenset(SECURITY_HEADERS) - {"X-Content-Type-Options"}
# Browsers ignore this over plain HTTP, as a box speaks it, and complain on every page.
TLS_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    # The host alone: what else lies below the domain is not ours to decide.
    "Strict-Transport-Security": "max-age=31536000",
}
_FOR_PROGRAMS = ("/api/", "/sync/", "/p/", "/media/uploads/")


@dataclass(frozen=True)
class ErrorPage:
    """What a person is told when something went wrong: three sentences, and two words for the one who helps."""

    error: EduHubError
    status: int
    code: str
    happened: str
    kept: str
    next_step: str
    correlation: str


def caches(policy: str, *, max_age: int | None = None) -> Callable[[View], View]:
    """Who may keep the answers of a route: immutable, shared (`max_age` seconds), revalidate, private, no-store.

    With `max_age`, `revalidate` lets the browser wait so many seconds before it asks again.
    """
    if policy not in POLICIES or (policy == "shared" and max_age is None):
        raise ValueError(f"no such cache policy: {policy}")
    if max_age is not None and policy not in {"shared", "revalidate"}:
        raise ValueError(f"{policy} has no max_age")
    header = POLICIES[policy].format(max_age=max_age)
    if policy == "revalidate" and max_age is not None:
        header = f"private, max-age={max_age}, must-revalidate"

    def mark(view: View) -> View:
        view.eduhub_caching = (policy, header)  # type: ignore[attr-defined]
        return view

    return mark


def register(app: Flask, render_error: Callable[[ErrorPage], str]) -> None:
    """Give an app the headers and the error answers. `render_error` makes the HTML of an error."""
    app.extensions["eduhub_render_error"] = render_error
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(EduHubError, answer)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_unexpected)


def correlation() -> str:
    """The word that binds this request's log lines to what the person is shown."""
    if "eduhub_correlation" not in g:
        g.eduhub_correlation = secrets.token_hex(6)
    return str(g.eduhub_correlation)


def _begin() -> None:
    correlation()


# --- errors as answers --------------------------------------------------------------


def answer(error: EduHubError, status: int | None = None) -> Response:
    """The answer to an error: a page, or JSON for programs."""
    shown = _shown(error, status or error.status)
    if shown.status >= 500:
        log.error("request failed", error_code=shown.code, detail=error.detail, correlation=shown.correlation)
    if _asked_by_a_program():
        made = jsonify(
            code=shown.code, happened=shown.happened, kept=shown.kept, next_step=shown.next_step,
            correlation=shown.correlation,
        )  # fmt: skip
    else:
        made = Response(current_app.extensions["eduhub_render_error"](shown), content_type="text/html; charset=utf-8")
    made.status_code = shown.status
    return made


def _shown(error: EduHubError, status: int) -> ErrorPage:
    return ErrorPage(error, status, error.code, *sentences(error, error.facts, gettext), correlation())


def _asked_by_a_program() -> bool:
    if request.path.startswith(_FOR_PROGRAMS) or "Tus-Resumable" in request.headers:
        return True
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def _answer_http(error: HTTPException) -> Any:
    """Werkzeug's own refusals (no such address, wrong method, body too large) in our words."""
    status = error.code or 500
    if error.response is not None or status < 400:
        return error  # a redirect
    if status >= 500:
        return _answer_unexpected(error)
    ours = {401: SignInNeeded, 403: NotAllowed, 404: NotFound, 413: TooMuch}.get(status, BadInput)
    made = answer(ours(error.name), status)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        made.headers["Allow"] = ", ".join(sorted(allowed))
    return made


def _answer_unexpected(error: Exception) -> Response:
    """A mistake of ours: the trace goes to the log under the correlation word, never to the person."""
    log.error("unexpected error", correlation=correlation(), endpoint=request.endpoint, exc_info=error)
    return answer(EduHubError(type(error).__name__))


# --- headers ------------------------------------------------------------------------


def _finish(made: Response) -> Response:
    for name, value in (SECURITY_HEADERS | (TLS_HEADERS if request.is_secure else {})).items():
        if not (name in OF_PAGES and _is_loaded(made)):
            made.headers.setdefault(name, value)
    policy, header = _policy(made)
    made.headers["Cache-Control"] = header
    if policy in {"revalidate", "private"}:
        made.vary.update(("Cookie", "Accept-Language"))
    is_page = request.method in {"GET", "HEAD"} and made.status_code == 200
    if policy == "revalidate" and is_page and not made.is_streamed:
        made.add_etag()
        made.make_conditional(request)
    return made


def _is_loaded(made: Response) -> bool:
    return request.endpoint == "static" and made.status_code < 400 and made.mimetype in LOADED


def _policy(made: Response) -> tuple[str, str]:
    if made.status_code >= 400 or request.endpoint is None:
        return "no-store", POLICIES["no-store"]
    if request.endpoint == "static" or request.endpoint.endswith(".static"):
        # The page writes ?v=<hash of the file>, so such an address never means other bytes.
        policy = "immutable" if request.args.get("v") else "private"
        return policy, POLICIES[policy]
    view = current_app.view_functions.get(request.endpoint)
    declared: tuple[str, str] | None = getattr(view, "eduhub_caching", None)
    if declared is not None:
        return declared
    # A protocol whose answers at one address differ (an open page of the catalog, a closed one) says it itself.
    return "own", made.headers.get("Cache-Control", POLICIES["no-store"])
