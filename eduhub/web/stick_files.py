"""Files for sticks, through a browser: one that is sent here, and one that is fetched from here.

A file of gigabytes is read as it comes, like a teacher's video, and its form's token with it: these routes are exempt from
whatever would read the form first (`ROUTES`), and look at the token themselves, before anything else of the form.

This module must not know what is in a file, nor whose page it is.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import BoundedSemaphore

from flask import Response, request

from eduhub import guard
from eduhub.delivery import asked, room
from eduhub.delivery.http import cut_when_gone
from eduhub.errors import (
    BadInput,
    DiskFull,
    NoStickFile,
    StickFileBusy,
    StickFileCut,
    StickFileNeedsRoom,
    StickFileTooLarge,
    UploadCutShort,
    UploadTooLarge,
)
from eduhub.media import body
from eduhub.media.http import ArrivingForm
from eduhub.sync.courier import arriving, jobs, packed, parcels, trips
from eduhub.sync.courier.arriving import Came
from eduhub.sync.courier.packed import Packed
from eduhub.sync.courier.parcels import Parcel
from eduhub.web import csrf

ROUTES = frozenset({"sticks.home_came", "school_sticks.home_came", "box_sticks.file_came"})
MOST_HOME_MB = 64
_MOST_FILES = 200  # that somebody picks from a stick
_TOKEN_WITHIN_S = 30.0
_AROUND_FILES = 1 << 20  # bytes of a form
_READ_ON = 256 << 20  # bytes after a refusal, so that a browser comes to see it: it looks when it has sent all
# What was sent is there twice for a while: as it came, and as it is kept.
_TIMES = 2
_BLOCK = 16 << 10
_at_once = BoundedSemaphore(4)  # in this process
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")

# Keeps what came, by writing a job for a parcel: its key, a name for people, what is in it.
Start = Callable[[str, str, Came], None]


# --- what is sent here --------------------------------------------------------------


def take_home(boxes: frozenset[str] | None, start: Start) -> bool:
    """Hub: what came home, of these boxes only (None: of all). False where no file was chosen.

    Raises NoStickFile, DiskFull, StickFileTooLarge, StickFileBusy, StickFileCut.
    """
    here = guard.here()
    most = MOST_HOME_MB * 1_000_000 + _AROUND_FILES
    if (request.content_length or 0) > most:
        _read_on(body.of(request.environ).read)
        raise StickFileTooLarge(limit_mb=MOST_HOME_MB)
    with _arriving(most, _MOST_FILES) as (form, key, parcel):
        home, names = arriving.Home(here, parcel, boxes), list[str]()
        while (name := form.next_file("file")) is not None:
            if name:
                names.append(name)
                home.take(name, form.read)
            while form.read(_BLOCK):
                pass
        if names:
            start(key, names[0], home.came)
        else:
            parcels.remove(here, key)
        return bool(names)


def take_file(start: Start) -> bool:
    """Box: a file from the county. False where none was chosen.

    Raises NoStickFile, DiskFull, StickFileNeedsRoom, StickFileBusy, StickFileCut.
    """
    here = guard.here()
    length = request.content_length
    if length is None:
        raise BadInput("a file says how long it is")
    jobs.sweep(here)
    needed = _TIMES * length
    with _reserved(needed) as reservation, _arriving(length + _AROUND_FILES, 1) as (form, key, parcel):
        name, written = form.next_file("file"), 0
        if not name:
            parcels.remove(here, key)
            return False

        def note(size: int) -> None:
            nonlocal written
            written += size
            reservation.left(needed - written)

        came = arriving.all_of(form.read, parcel, note)
        if form.next_file("file") is not None:
            raise BadInput("one file at a time")
        start(key, name, came)
        return True


def room_for_file() -> int:
    """How large a file this box has room for now, in bytes."""
    settings = guard.here().settings
    return max(0, room.free(settings.data_dir) - settings.disk_spare_mb * 1_000_000) // _TIMES


@contextmanager
def _arriving(most: int, files: int) -> Iterator[tuple[ArrivingForm, str, Parcel]]:
    """A form whose token is ours, and an empty parcel for its files, which is gone if anything goes wrong."""
    here = guard.here()
    if not _at_once.acquire(blocking=False):
        raise StickFileBusy
    key = parcels.new_key(here, parcels.CAME)
    try:
        form = ArrivingForm(request, most, files + 3)
        with form.in_time(_TOKEN_WITHIN_S):
            if not csrf.is_ours(form.field("csrf_token")):
                raise BadInput("not a token of this session")
        # Held to the end, so that no sweep takes it before there is a job.
        with parcels.opened(here, key, make=True) as place, _gone_if_refused(key, form), Parcel(place, here) as parcel:
            yield form, key, parcel
    except UploadCutShort as error:
        raise StickFileCut(error.detail) from error
    except UploadTooLarge as error:
        raise StickFileTooLarge(error.detail, limit_mb=most // 1_000_000) from error
    finally:
        _at_once.release()


@contextmanager
def _gone_if_refused(key: str, form: ArrivingForm) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        parcels.remove(guard.here(), key)
        if isinstance(error, NoStickFile):
            _read_on(form.read)
        raise


def _read_on(read: Callable[[int], bytes]) -> None:
    """A connection that is closed with bytes unread loses the answer, too."""
    left = _READ_ON
    with suppress(UploadCutShort, UploadTooLarge, BadInput):
        while left > 0 and (found := read(_BLOCK)):
            left -= len(found)


@contextmanager
def _reserved(needed: int) -> Iterator[room.Reservation]:
    settings = guard.here().settings
    spare = settings.disk_spare_mb * 1_000_000
    with ExitStack() as held:
        try:
            reservation = held.enter_context(room.reserve(settings.data_dir, needed, spare))
        except DiskFull as error:
            free = max(0, room.free(settings.data_dir) - spare)
            _read_on(body.of(request.environ).read)
            raise StickFileNeedsRoom(error.detail, needed=-(-needed // 1_000_000), free=free // 1_000_000) from error
        yield reservation


# --- what is fetched from here ------------------------------------------------------


def file_name(*words: str) -> str:
    """What a file is called on other computers: small letters, digits and hyphens."""
    plain = (_NOT_IN_NAMES.sub("-", word.lower()).strip("-") for word in words)
    return f"{'-'.join(word for word in ('eduhub', *plain) if word)[:55]}.tar"


def send(file: jobs.File) -> Response:
    """A file that was made, or what is asked for of it. Raises NotFound where it is gone."""
    with ExitStack() as held:
        place = held.enter_context(parcels.opened(guard.here(), file.key))
        made = _answer(packed.of(place, file.made_ms // 1000), file.name, file.key)
        made.call_on_close(held.pop_all().close)
    return made


def send_home(name: str) -> Response:
    """Box: what goes home, made now and gone when it has been sent. Raises NodeRefused, StickFull."""
    here = guard.here()
    jobs.sweep(here)
    key = parcels.new_key(here, parcels.HOME)
    with ExitStack() as held:
        place = held.enter_context(parcels.opened(here, key, make=True))
        held.callback(parcels.remove, here, key)
        with Parcel(place, here) as parcel:
            trips.fill(here, parcel, nodes=(), on_progress=lambda _share: None)
        made = _answer(packed.of(place, 0), name, key)
        made.call_on_close(held.pop_all().close)
    return made


def _answer(tar: Packed, name: str, key: str) -> Response:
    size, etag = tar.length, f'"{key}"'
    wanted = request.headers.get("Range") if request.headers.get("If-Range", etag).strip() == etag else None
    headers = {
        "ETag": etag, "Accept-Ranges": "bytes", "Content-Disposition": f'attachment; filename="{name}"',
        "X-Accel-Buffering": "no",
    }  # fmt: skip
    try:
        span = asked.parse_range(wanted, size) if request.method == "GET" else None
    except asked.Unsatisfiable:
        return Response(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.start + span.length - 1}/{size}"
    start, length = span if span is not None else (0, size)
    cut_when_gone(request.environ.get("gunicorn.socket"))
    made = Response(tar.read(start, length), status=206 if span is not None else 200, mimetype="application/x-tar", headers=headers)
    made.content_length = length
    return made
