"""/media/uploads: files come in, by tus 1.0 or as one form (multipart: the field `intent`, then the file `file`).

The signed intent is the credential, so these routes take no cookie and no CSRF token, and must be
exempt from any check that would read a body first: bodies are read here, as they arrive. HEAD of a
live session never answers what a client takes for "begin anew": see docs/formats/uploads.md.

This module must not know the database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import BoundedSemaphore

from flask import Blueprint, Request, Response, g, jsonify, redirect, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import http_date
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData, State
from werkzeug.wrappers import Response as AnyResponse

from eduhub import clock, logs
from eduhub import http as answers
from eduhub.errors import (
    BadInput,
    NotFound,
    TooMuch,
    UploadBusy,
    UploadCutShort,
    UploadElsewhere,
    UploadGone,
    UploadKind,
    UploadRefused,
    UploadTooLarge,
    UploadVersion,
)
from eduhub.installation import Installation
from eduhub.media import body, checking, intents, tus, uploads
from eduhub.media.intents import UploadIntent
from eduhub.media.uploads import Upload

ADDRESS = "/media/uploads"
_BLOCK = 1 << 14
_MOST_FIELD = 16 << 10
_MOST_HELD = 64 << 10  # of a form, in memory: what comes before its file, a part's headers, a block
# Until its intent is read a form is a stranger's, and must not take the threads from all others.
_INTENT_WITHIN_S = 30.0
_STRANGERS = BoundedSemaphore(16)  # in this process
_FORM_AROUND_FILE = 1 << 20
_SCHEME = "eduhub-intent "
_OVERRIDE = "X-HTTP-Method-Override"

log = logs.logger(__name__)


def blueprint(installation: Installation) -> Blueprint:
    """The routes, for `create_app`; exempt them from CSRF protection there."""
    routes, door = Blueprint("media", __name__), _Door(installation)
    session = f"{ADDRESS}/<source_uid>"
    routes.add_url_rule(ADDRESS, view_func=door.receive, endpoint="upload", methods=["POST"],
                        provide_automatic_options=False)
    routes.add_url_rule(session, view_func=door.session, endpoint="session", methods=["HEAD", "PATCH", "DELETE", "POST"],
                        provide_automatic_options=False)
    routes.add_url_rule(f"{session}/check", view_func=door.check, endpoint="check", methods=["POST"])
    for number, address in enumerate((ADDRESS, session)):
        routes.add_url_rule(address, view_func=door.options, endpoint=f"options_{number}", methods=["OPTIONS"],
                            provide_automatic_options=False)
    routes.after_request(_mark)
    return routes


def _mark(made: Response) -> Response:
    """The protocol's name on every answer to it; where to go on, after a wrong guess."""
    if request.mimetype != "multipart/form-data":
        made.headers["Tus-Resumable"] = tus.VERSION
        made.headers["Cache-Control"] = "no-store"
    if "upload_offset" in g:
        made.headers["Upload-Offset"] = str(g.upload_offset)
    if made.status_code == UploadVersion.status:
        made.headers["Tus-Version"] = tus.VERSION
    return made


class _Door:
    """The routes of one hub."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def options(self, source_uid: str = "") -> Response:
        """What this server can do."""
        del source_uid  # the same for all
        made = Response(status=204)
        made.headers["Tus-Version"], made.headers["Tus-Extension"] = tus.VERSION, tus.EXTENSIONS
        made.headers["Tus-Max-Size"] = str(self._installation.settings.upload_max_mb << 20)
        return made

    def receive(self) -> AnyResponse:
        """Begin an upload, or receive one file: 303 to the intent's `back`, or JSON for a client that asks for it."""
        if {"Tus-Resumable", "Upload-Length", "Upload-Defer-Length"} & {name for name, _value in request.headers}:
            return self._create()
        return self._receive_form()

    def _create(self) -> Response:
        _check_version()
        if "Upload-Concat" in request.headers:
            raise BadInput("parts are not put together here")
        intent = self._intent()
        length = tus.parse_length(request.headers.get("Upload-Length"), request.headers.get("Upload-Defer-Length"))
        made = uploads.create(self._installation, intent, length, tus.parse_metadata(request.headers.get("Upload-Metadata") or ""))
        if made.offset == 0 and request.mimetype == tus.BODY and request.content_length != 0:
            made = self._append(intent, 0, None)
        answer = _told(Response(status=201), made)
        answer.headers["Location"] = f"{ADDRESS}/{made.source_uid}"
        answer.autocorrect_location_header = False
        return answer

    def session(self, source_uid: str) -> Response:
        """Ask how far a file is (HEAD), send what comes next (PATCH), or give it up (DELETE)."""
        method = request.headers.get(_OVERRIDE, "POST").upper() if request.method == "POST" else request.method
        _check_version()
        if method == "HEAD":
            return self._ask(source_uid)
        intent = self._intent(source_uid)
        if method == "PATCH":
            return self._go_on(intent)
        if method == "DELETE":
            uploads.end(self._installation, source_uid)
            return Response(status=204)
        raise BadInput(f"no such method here: {method[:20]}")

    def _ask(self, source_uid: str) -> Response:
        # Whatever else this says, a client that has sent for six days takes as: throw it away and begin anew.
        try:
            found = uploads.ask(self._installation, self._intent(source_uid))
        except (NotFound, UploadGone) as error:
            return Response(status=error.status)
        except (UploadRefused, UploadBusy):
            return Response(status=UploadBusy.status)
        except Exception:  # a full disk, a database that is away: the client asks again
            log.exception("upload not told", source=source_uid[:36])
            return Response(status=UploadBusy.status)
        answer = _told(Response(status=200), found)
        if found.length is not None:
            answer.headers["Upload-Length"] = str(found.length)
        else:
            answer.headers["Upload-Defer-Length"] = "1"
        if found.metadata:
            answer.headers["Upload-Metadata"] = found.metadata
        return answer

    def _go_on(self, intent: UploadIntent) -> Response:
        if request.mimetype != tus.BODY:
            raise UploadKind(f"{request.mimetype[:60]!r}")
        offset = tus.parse_number("Upload-Offset", request.headers.get("Upload-Offset"))
        if offset is None:
            raise BadInput("Upload-Offset is missing")
        length = tus.parse_number("Upload-Length", request.headers.get("Upload-Length"))
        return _told(Response(status=204), self._append(intent, offset, length))

    def check(self, source_uid: str) -> Response:
        """Look at some pieces of a file before it is sent: fine, unknown, or refused with a reason."""
        intent = self._intent(source_uid)
        if uploads.find(self._installation, source_uid) is None:
            intents.check_time(intent, self._installation.steady.now_s())
        if intent.attachment:  # it is small, and looked at when it is here
            return jsonify(verdict="unknown", happened=None, next_step=None, duration_ms=None)
        if (request.content_length or 0) > checking.MOST_BYTES:
            raise TooMuch("pieces for a look")
        length = tus.parse_number("Upload-Length", request.headers.get("Upload-Length"))
        if not length:
            raise BadInput("Upload-Length is missing")
        ranges = tus.parse_ranges(
            request.headers.get("EduHub-Ranges", ""), length, most=checking.MOST_RANGES, most_bytes=checking.MOST_BYTES
        )
        seen = checking.look(self._installation, source_uid, length, ranges, body.of(request.environ))
        told = answers.answer(seen.refusal).get_json() if seen.refusal is not None else {}
        return jsonify(
            verdict=seen.verdict, happened=told.get("happened"), next_step=told.get("next_step"),
            duration_ms=seen.duration_ms,
        )

    def _append(self, intent: UploadIntent, offset: int, length: int | None) -> Upload:
        try:
            return uploads.append(
                self._installation, intent, offset, body.of(request.environ), length=length,
                coming=request.content_length,
            )  # fmt: skip
        except UploadElsewhere as error:
            g.upload_offset = error.facts["offset"]
            raise

    def _intent(self, source_uid: str | None = None) -> UploadIntent:
        """The intent of this request, over or not. Raises UploadRefused when it is none, or for another file."""
        given = request.headers.get("Authorization", "")
        if not given.lower().startswith(_SCHEME):
            raise UploadRefused("no intent")
        intent = intents.read_old(self._installation.keys.secret, given[len(_SCHEME) :].strip())
        if source_uid is not None and intent.source_uid != source_uid:
            raise UploadRefused("an intent for another file")
        return intent

    def _receive_form(self) -> AnyResponse:
        settings = self._installation.settings
        most = (settings.upload_max_mb << 20) + _FORM_AROUND_FILE
        if (request.content_length or 0) > most:
            raise UploadTooLarge("by Content-Length", limit_mb=settings.upload_max_mb)
        form = ArrivingForm(request, most)
        intent = intents.read(self._installation.keys.secret, _token(form), self._installation.steady.now_s())
        name = form.open_file("file")
        source = uploads.receive(self._installation, intent, form, name, coming=form.coming())
        if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
            answer = jsonify(source=source.uid, bytes=source.bytes, sha256=source.sha256)
            answer.status_code = 201
            return answer
        return redirect(intent.back, 303)


def _check_version() -> None:
    if request.headers.get("Tus-Resumable") != tus.VERSION:
        raise UploadVersion(request.headers.get("Tus-Resumable", "none")[:20])


def _token(form: "ArrivingForm") -> str:
    if not _STRANGERS.acquire(blocking=False):
        raise UploadCutShort("too many forms that do not say their intent")
    try:
        with form.in_time(_INTENT_WITHIN_S):
            return form.field("intent")
    finally:
        _STRANGERS.release()


def _told(answer: Response, upload: Upload) -> Response:
    answer.headers["Upload-Offset"] = str(upload.offset)
    if upload.offset != upload.length:
        answer.headers["Upload-Expires"] = http_date(clock.now() + timedelta(seconds=upload.expires_s))
    return answer


class ArrivingForm:
    """The parts of a multipart body, one after the other; its file part reads like a file. At most `most` bytes are read."""

    def __init__(self, sent: Request, most: int, max_parts: int = 8) -> None:
        boundary = sent.mimetype_params.get("boundary", "")
        if sent.mimetype != "multipart/form-data" or not boundary:
            raise BadInput("an upload is multipart/form-data")
        self._body, self._left, self._until_s = body.of(sent.environ), most, float("inf")
        self._unread, self._end = sent.content_length, f"\r\n--{boundary}--"
        self._body.on_wait = self._check_time
        self._decoder = MultipartDecoder(boundary.encode("latin-1", "replace"), max_form_memory_size=_MOST_HELD, max_parts=max_parts)
        self._events = self._read_events()
        self._waiting: bytes = b""
        self._ended = False

    @contextmanager
    def in_time(self, seconds: float) -> Iterator[None]:
        """What is read inside comes within `seconds`; raises UploadCutShort otherwise."""
        self._until_s = clock.monotonic_s() + seconds
        yield
        self._until_s = float("inf")

    def _check_time(self) -> None:
        if clock.monotonic_s() > self._until_s:
            raise UploadCutShort("the form is too slow to say its intent")

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

    def next_file(self, name: str) -> str | None:
        """`open_file` for a form that may have several, or none: None at its end. The one before was read to its end."""
        found = next(self._events)
        if isinstance(found, Epilogue):
            return None
        if not isinstance(found, File) or found.name != name:
            raise BadInput(f"a file {name} comes here")
        self._waiting, self._ended = b"", False
        return found.filename

    def coming(self) -> int | None:
        """How many bytes the file that was just opened has at the most; None when the form does not say its length."""
        if self._unread is None:
            return None
        return max(1, self._unread + len(self._decoder.buffer) - len(self._end))

    def read(self, size: int, /) -> bytes:
        """Bytes of the open file; b"" at its end. Raises UploadCutShort when the body ends before it does."""
        while not self._waiting and not self._ended:
            found = _data(next(self._events))
            self._waiting, self._ended = bytes(found.data), not found.more_data
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return taken

    def _read_events(self) -> Iterator[Event]:
        more: bytes | None = b""
        while True:
            try:
                if more != b"":
                    self._decoder.receive_data(more)
                event = self._decoder.next_event()
            except (ValueError, RequestEntityTooLarge) as error:
                raise BadInput(f"not a form: {error}") from error
            more = b""
            if not isinstance(event, NeedData):
                if isinstance(event, Field | File | Data | Epilogue):
                    yield event
                if isinstance(event, Epilogue):
                    raise BadInput("the form ends too early")
                continue
            more = self._more()

    def _more(self) -> bytes | None:
        """What has come; None: nothing more comes, nor is anything missing."""
        payload = self._body.read(_BLOCK)
        self._check_time()
        if not payload and self._decoder.state is State.EPILOGUE:
            return None
        if not payload:
            raise UploadCutShort("the body ended")
        self._left -= len(payload)
        if self._unread is not None:
            self._unread -= len(payload)
        if self._left < 0:
            raise UploadTooLarge("a form that does not end", limit_mb=0)
        return payload


def _data(event: Event) -> Data:
    if not isinstance(event, Data):
        raise BadInput("not the part that belongs here")
    return event
