"""What a browser sent, looked at once before any view: no database holds a zero character, and a uid has one written form.

A view may so take whatever stands in its address for a uid. What a form names by a uid goes through `edge.uid_of`.
"""

from typing import Any

from flask import Flask, request

from eduhub import guard
from eduhub.errors import BadInput, NotFound
from eduhub.web import stick_files
from eduhub.web.edge import uid_of

_ZERO = "\x00"


def register(app: Flask) -> None:
    """Refuse what cannot be meant. After `photos`, which says how large a form may be."""

    @app.url_value_preprocessor
    def _look_at_the_address(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        if _is_a_protocol():
            return
        for name, value in (values or {}).items():
            if name.endswith("_uid"):
                uid_of(str(value))
            elif _ZERO in str(value):
                raise NotFound("a zero in the address")

    @app.before_request
    def _look_at_the_words() -> None:
        if _is_a_protocol() or request.endpoint in stick_files.ROUTES:
            return
        for sent in (request.args, request.form):
            if any(_ZERO in name or any(_ZERO in value for value in values) for name, values in sent.lists()):
                raise BadInput("a zero character")


def _is_a_protocol() -> bool:
    """Uploads, boxes and programs send bodies of their own, and read them themselves."""
    return request.blueprint in guard.OWN_CREDENTIALS or request.path.startswith("/api/")
