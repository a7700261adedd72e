"""Small on the wire: pages are compressed as they go out, static files were compressed when they were built.

Not compressed: parts of packages (they never come here), uploads and sync (programs, with bodies of their own), what is
tiny, what has a coding already. This module must not know any page.
"""

import mimetypes

from flask import Flask, Response, abort, current_app, request, send_from_directory
from flask_compress import Compress
from werkzeug.security import safe_join

from eduhub.delivery.codings import BUILT, CODINGS, choose, is_built

LEAST_BYTES = 600  # below that a packet is a packet
_LEFT = "eduhub_left_plain"
FOR_PROGRAMS = frozenset({"media", "sync"})
SETTINGS = {
    "COMPRESS_ALGORITHM": list(CODINGS), "COMPRESS_ALGORITHM_STREAMING": list(CODINGS), "COMPRESS_BR_LEVEL": 5,
    "COMPRESS_ZSTD_LEVEL": 6, "COMPRESS_LEVEL": 6, "COMPRESS_MIN_SIZE": 0,
    "COMPRESS_MIMETYPES": [
        "text/html", "text/css", "text/javascript", "text/plain", "text/csv", "application/json", "image/svg+xml",
    ],
}  # fmt: skip


def register(app: Flask) -> None:
    """Compress an app's answers. Call it before whatever else changes answers: what comes first runs last."""
    app.config.update(SETTINGS)
    Compressor().init_app(app)
    app.view_functions["static"] = static


class Compressor(Compress):
    """Flask-Compress for what may be compressed; it takes `q=0` for a wish, so it is handed the choice."""

    def after_request(self, response: Response | None) -> Response:
        """Compress the answer if its reader wants that."""
        if response is None:
            raise TypeError("a view returned nothing")
        if request.endpoint == "static" or request.blueprint in FOR_PROGRAMS:
            return response
        if response.mimetype not in self.compress_mimetypes_set or getattr(response, _LEFT, False):
            return response
        response.vary.add("Accept-Encoding")
        chosen = choose(request.headers.get("Accept-Encoding"))
        size = response.content_length
        is_tiny = size is not None and size < LEAST_BYTES and not chosen.never_plain
        if chosen.coding is None or response.status_code != 200 or is_tiny:
            return response
        request.environ["HTTP_ACCEPT_ENCODING"] = chosen.coding
        return super().after_request(response)


def leave(response: Response) -> Response:
    """Send this answer as it is: it repeats words that a stranger may have put into the address (BREACH)."""
    setattr(response, _LEFT, True)
    return response


def static(filename: str) -> Response:
    """A static file, in the smallest form that was built and that the reader takes."""
    folder = str(current_app.static_folder)
    plain = safe_join(folder, filename)
    if plain is None:
        abort(404)
    # Parts of a file are parts of its plain form: whoever goes on with a download means the file.
    offered = tuple(coding for coding in BUILT if "Range" not in request.headers and is_built(plain, coding))
    coding = choose(request.headers.get("Accept-Encoding"), offered).coding
    kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    made = send_from_directory(folder, filename + (BUILT[coding] if coding else ""), mimetype=kind)
    made.headers.pop("Content-Disposition", None)  # a file beside a page, not a download
    if coding:
        made.headers["Content-Encoding"] = coding
    made.vary.add("Accept-Encoding")
    return made
