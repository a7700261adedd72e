"""Forms that carry a photo: how large one may be, how many are read at once, and that it never touches the disk.

Every other form of ours carries words, and is bounded in `app.py`.
"""

from io import BytesIO
from threading import Semaphore
from typing import IO

from flask import Flask, Request, g, request

from eduhub.errors import PhotosBusy
from eduhub.media import card_photos

_ROUTES = frozenset({"accounts.card_photo"})
_WORDS_BYTES = 1 << 20  # what stands in the form beside the photo
_at_once = Semaphore(4)  # in the memory of one process; two of them are decoded meanwhile
_LONGEST_WAIT_S = 10.0


class FormRequest(Request):
    """A request whose photo is held in memory."""

    def _get_file_stream(
        self, total_content_length: int | None, content_type: str | None, filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:  # fmt: skip
        """Where a file of a form goes: Werkzeug's own way spills to a folder of the system."""
        if self.endpoint in _ROUTES:
            return BytesIO()
        return super()._get_file_stream(total_content_length, content_type, filename, content_length)


def register(app: Flask) -> None:
    """Let the forms that carry a photo be as large as one, a few at once. Before whatever reads forms."""
    app.request_class = FormRequest

    @app.before_request
    def _photos_are_larger() -> None:
        if request.endpoint in _ROUTES:
            request.max_content_length = card_photos.MOST_BYTES + _WORDS_BYTES
            if not _at_once.acquire(timeout=_LONGEST_WAIT_S):
                raise PhotosBusy(f"no place for another form within {_LONGEST_WAIT_S} s")
            g.eduhub_photo_has_a_place = True

    @app.teardown_request
    def _make_place(_error: BaseException | None) -> None:
        if g.pop("eduhub_photo_has_a_place", False):
            _at_once.release()
