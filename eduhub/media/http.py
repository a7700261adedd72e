"""POST /media/uploads: a file comes in (multipart: the field `intent`, then the file `file`).

The intent is the credential, so this route takes no cookie and no CSRF token, and must be
exempt from any check that would read the form first: the body is read here, part by part,
and the file goes to the disk as it arrives. The field must come before the file.

This module must not know the database. See docs/formats/uploads.md.
"""

from collections.abc import Iterator
from typing import IO

from flask import Blueprint, Request, jsonify, redirect, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData
from werkzeug.wrappers import Response

from eduhub.errors import BadInput, UploadCutShort, UploadTooLarge
from eduhub.installation import Installation
from eduhub.media import intents, uploads

_BLOCK = 1 << 16
_MOST_FIELD = 16 << 10
_FORM_AROUND_FILE = 1 << 20


def blueprint(installation: Installation) -> Blueprint:
    """The route, for `create_app`; exempt it from CSRF protection there."""
    routes = Blueprint("media", __name__)

    @routes.post("/media/uploads")
    def upload() -> Response:
        """Receive one file; 303 to the intent's `back`, or JSON for a client that asks for it."""
        most = (installation.settings.upload_max_mb << 20) + _FORM_AROUND_FILE
        if (request.content_length or 0) > most:
            raise UploadTooLarge("by Content-Length", limit_mb=installation.settings.upload_max_mb)
        request.max_content_length = most
        form = _Form(request)
        token = form.field("intent")
        intent = intents.read(installation.keys.secret, token, installation.steady.now_s())
        name = form.open_file("file")
        source = uploads.receive(installation, intent, form, name)
        if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
            answer = jsonify(source=source.uid, bytes=source.bytes, sha256=source.sha256)
            answer.status_code = 201
            return answer
        return redirect(intent.back, 303)

    return routes


class _Form:
    """The parts of a multipart body, one after the other; its file part reads like a file."""

    def __init__(self, sent: Request) -> None:
        boundary = sent.mimetype_params.get("boundary", "")
        if sent.mimetype != "multipart/form-data" or not boundary:
            raise BadInput("an upload is multipart/form-data")
        self._body: IO[bytes] = sent.stream
        self._decoder = MultipartDecoder(boundary.encode("latin-1", "replace"), max_form_memory_size=None, max_parts=8)
        self._events = self._read_events()
        self._waiting: bytes = b""
        self._ended = False

    def field(self, name: str) -> str:
        """The text of the first part, which must be the field `name`."""
        first = next(self._events)
        if not isinstance(first, Field) or first.name != name:
            raise BadInput(f"the field {name} comes first")
        text = b""
        for event in self._events:
            found = _data(event)
            text += found.data
            if len(text) > _MOST_FIELD:
                raise BadInput(f"the field {name} is too long")
            if not found.more_data:
                break
        return text.decode("utf-8", "replace").strip()

    def open_file(self, name: str) -> str:
        """Go to the file part `name` and return the name that the sender gives it."""
        found = next(self._events)
        if not isinstance(found, File) or found.name != name:
            raise BadInput(f"the file {name} comes second")
        return found.filename

    def read(self, size: int, /) -> bytes:
        """Bytes of the open file; b"" at its end. Raises UploadCutShort when the body ends before it does."""
        while not self._waiting and not self._ended:
            found = _data(next(self._events))
            self._waiting, self._ended = bytes(found.data), not found.more_data
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return taken

    def _read_events(self) -> Iterator[Event]:
        while True:
            try:
                event = self._decoder.next_event()
            except (ValueError, RequestEntityTooLarge) as error:
                raise BadInput(f"not a form: {error}") from error
            if isinstance(event, Epilogue):
                raise BadInput("the form ends too early")
            if not isinstance(event, NeedData):
                if isinstance(event, Field | File | Data):
                    yield event
                continue
            self._decoder.receive_data(self._more())

    def _more(self) -> bytes:
        try:
            payload = self._body.read(_BLOCK)
        except (ClientDisconnected, OSError) as error:
            raise UploadCutShort("the connection ended") from error
        if not payload:
            raise UploadCutShort("the body ended")
        return payload


def _data(event: Event) -> Data:
    if not isinstance(event, Data):
        raise BadInput("not the part that belongs here")
    return event
