"""Our own nginx before our own gunicorn: which requests come from it, and what is believed of them.

nginx says a word with every request that only it and this machine's processes know; it stands in the
configuration that `eduhub serve` writes (0600). What such a request says of the client's address counts. A
stranger that reaches gunicorn itself can say neither.

This module must not know pages, passes or how nginx is run.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "X-EduHub-Front"
_SAID = "HTTP_X_EDUHUB_FRONT"
_OURS = "eduhub.front"


def word(secret: bytes) -> str:
    """What nginx says: derived from the machine's secret, so that it can be taken for nothing else."""
    return hmac.digest(secret, b"eduhub-front/1", hashlib.sha256).hex()


def is_ours(environ: "WSGIEnvironment") -> bool:
    """Whether our own nginx handed this request on."""
    return environ.get(_OURS) is True


class Front:
    """WSGI middleware: requests of our nginx go to `behind`, which believes X-Forwarded-*; all others to `alone`."""

    def __init__(self, alone: "WSGIApplication", behind: "WSGIApplication", *, secret: bytes) -> None:
        self._alone, self._behind, self._word = alone, behind, word(secret).encode("ascii")

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        said = environ.pop(_SAID, None)
        if said is None or not hmac.compare_digest(said.encode("latin-1", "replace"), self._word):
            return self._alone(environ, start_response)
        environ[_OURS] = True
        return self._behind(environ, start_response)
