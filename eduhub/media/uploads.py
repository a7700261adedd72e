"""Receive a file, in one go or over a week: onto the disk as it arrives, then the blob, then the row and the job.

A session is what `incoming.py` says: the bytes on disk are the offset. Whoever holds it completes
what a crash interrupted (`storing.py`).

This module must not know HTTP or who sends. See docs/formats/uploads.md.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from eduhub import logs
from eduhub.errors import (
    BadFormat,
    BadInput,
    NotFound,
    QuotaFull,
    UploadAnother,
    UploadBusy,
    UploadCutShort,
    UploadElsewhere,
    UploadGone,
    UploadRefused,
    UploadTooLarge,
)  # fmt: skip
from eduhub.installation import Installation
from eduhub.media import checking, incoming, intents, quotas, storing, writing
from eduhub.media.body import Stream
from eduhub.media.incoming import Held, Record
from eduhub.media.intents import UploadIntent
from eduhub.media.models import Source
from eduhub.media.tus import Metadata, shown_name

DAY_S = 24 * 3600

log = logs.logger(__name__)


@dataclass(frozen=True)
class Upload:
    """A file on its way, or just arrived: offset = length."""

    source_uid: str
    org_uid: str
    offset: int
    length: int | None
    file_name: str
    modified_ms: int | None
    sample: str | None
    expires_s: int  # seconds until it is given up
    metadata: str = ""  # as it was sent


# --- sessions -----------------------------------------------------------------------


def create(installation: Installation, intent: UploadIntent, length: int | None, metadata: Metadata) -> Upload:
    """Begin to receive the file of `length` bytes (None: told later), or find it begun already.

    Raises UploadTooLarge, UploadCutShort (empty), QuotaFull, DiskFull, UploadRefused (another file arrived with
    this intent, or its time is over), UploadAnother (another is half here), UploadBusy.
    """
    _check_length(installation, intent, length)
    with incoming.hold(folder(installation), intent.source_uid) as held:
        known = _arrived(installation, intent.source_uid)
        if known is not None:
            if (known.bytes, known.file_name) != (length, metadata.file_name):
                raise UploadRefused("another file has arrived with this intent")
            return _of_source(known)
        record = _readable(held)
        if record is not None and not _is_over(installation, held, record):
            if record.length != length or not record.metadata.names_same_file(metadata):
                raise UploadAnother(f"{held.offset} bytes of it are here", file_name=record.metadata.file_name)
            writing.sync(held)
            return _told(installation, held, storing.completed(installation, held, record))
        intents.check_time(intent, installation.steady.now_s())
        held.forget_bytes()
        # One at a time: two must not be promised the same room.
        with incoming.alone(folder(installation)):
            quotas.check(installation, intent.org_uid, length or 1, source_uid=intent.source_uid)
            held.begin(Record(intent, length, metadata), installation.steady.now_s())
        return _told(installation, held, Record(intent, length, metadata))


def ask(installation: Installation, intent: UploadIntent) -> Upload:
    """How far the file is; completes what was interrupted. Raises NotFound, UploadGone, UploadBusy, DiskFull."""
    _check_known(installation, intent)
    with incoming.hold(folder(installation), intent.source_uid) as held:
        record = _live(installation, held)
        if isinstance(record, Source):
            return _of_source(record)
        writing.sync(held)
        return _told(installation, held, storing.completed(installation, held, record))


def append(
    installation: Installation, intent: UploadIntent, offset: int, stream: Stream, *, length: int | None = None,
    coming: int | None = None,
) -> Upload:  # fmt: skip
    """Keep what `stream` brings from `offset` on; what is kept is on disk when this returns, or raises.

    `length` is what was deferred at the creation; `coming` is how many bytes the stream says it has.
    Raises NotFound, UploadGone, UploadElsewhere, UploadTooLarge, QuotaFull, DiskFull, UploadCutShort, UploadBusy
    (also when another connection asks for the session), BadInput.
    """
    _check_known(installation, intent)
    with incoming.hold(folder(installation), intent.source_uid) as held:
        record = _live(installation, held)
        if isinstance(record, Source):
            return _at_the_end(_of_source(record), offset, coming)
        if record.intent.org_uid != intent.org_uid:
            raise UploadRefused("an intent of another place")
        if record.sha256 is None:
            if offset != held.offset:
                writing.sync(held)
                raise UploadElsewhere(f"{held.offset} is next", offset=held.offset)
            record = _with_length(installation, held, record, length)
            most = _most(installation, record)
            if coming is not None and offset + coming > most:
                raise UploadTooLarge(f"{offset + coming} bytes, {most} at most", limit_mb=-(-most >> 20))
            writing.write(installation, held, stream, lambda: _most(installation, record))
        told = _told(installation, held, storing.completed(installation, held, record))
        return told if record.sha256 is None else _at_the_end(told, offset, coming)


def find(installation: Installation, source_uid: str) -> Upload | None:
    """A file that is on its way, for showing; None when there is none or its time is over."""
    place, now_s = folder(installation), installation.steady.now_s()
    try:
        record = incoming.read(place, source_uid)
    except BadFormat:
        return None
    left_s = keep_s(installation) - incoming.idle_s(place, source_uid, now_s)
    if record is None or left_s <= 0:
        return None
    return _shown(record, incoming.offset(place, source_uid, record), left_s)


def end(installation: Installation, source_uid: str) -> None:
    """Give up a file that is on its way. Raises NotFound, UploadGone, UploadBusy, UploadRefused (it has arrived)."""
    if not incoming.anything(folder(installation), source_uid) and _arrived(installation, source_uid) is None:
        raise NotFound("no such upload")
    with incoming.hold(folder(installation), source_uid) as held:
        record = _live(installation, held)
        if isinstance(record, Source) or record.sha256 is not None or held.offset == record.length:
            raise UploadRefused("it has arrived whole")
        writing.hashes.forget(source_uid)
        held.forget()


def receive(
    installation: Installation, intent: UploadIntent, stream: Stream, file_name: str, *, coming: int | None = None
) -> Source:
    """Keep a file that comes in one go, or nothing of it; returns the source, state `arrived`.

    `coming`: how many bytes it has at the most, where that is known.
    Raises UploadRefused (this intent was used, or its file is arriving just now), UploadTooLarge, QuotaFull,
    UploadCutShort, DiskFull.
    """
    if _arrived(installation, intent.source_uid) is not None:
        raise UploadRefused("this file has arrived already")
    try:
        with incoming.hold(folder(installation), intent.source_uid, wait_s=0) as held:
            if _arrived(installation, intent.source_uid) is not None:
                raise UploadRefused("this file has arrived already")
            return _receive(installation, held, Record(intent, coming, Metadata(file_name=shown_name(file_name))), stream)
    except UploadBusy as error:
        raise UploadRefused("this file is arriving already") from error


def _receive(installation: Installation, held: Held, coming: Record, stream: Stream) -> Source:
    _check_not_whole(installation, held)
    sweep_strays(installation)
    intent = coming.intent
    largest = min(intent.max_bytes, installation.settings.upload_max_mb << 20)
    # One at a time, as at a creation: forms that come at once must not be promised the same room.
    with incoming.alone(folder(installation)):
        quotas.check(installation, intent.org_uid, min(coming.length or 1, largest), source_uid=intent.source_uid)
        held.forget_bytes()  # a whole file takes the place of a half
        held.promise(coming)
    try:
        try:
            writing.write(
                installation, held, stream, lambda: largest if coming.length else _most(installation, coming), yields=False
            )
        except UploadTooLarge as error:
            if coming.length is None and (free := _free(installation, intent)) < largest:
                raise QuotaFull(str(error), free_mb=free >> 20) from error
            raise
        if held.offset == 0:
            raise UploadCutShort("an empty file")
        return storing.keep(installation, held, replace(coming, length=held.offset))
    except BaseException:
        record = held.record()
        if record is None or record.sha256 is None:
            held.forget()  # a form cannot go on, so half a file is of no use to anybody
        raise


def _check_not_whole(installation: Installation, held: Held) -> None:
    """A file that is here whole was acknowledged: it is stored, and no other takes its place. Raises UploadRefused."""
    record = _readable(held)
    if record is not None and storing.completed(installation, held, record).sha256 is not None:
        raise UploadRefused("this file has arrived already")


def sweep(installation: Installation) -> int:
    """Store what is whole, give up what has lain too long, remove strays; returns how many sessions that were."""
    swept = sweep_strays(installation) + checking.sweep(installation)
    for uid in incoming.all_uids(folder(installation)):
        try:
            with incoming.hold(folder(installation), uid, wait_s=0) as held:
                swept += _sweep_one(installation, held)
        except UploadBusy:
            pass  # somebody works on it
        except Exception:  # the others must still be looked at, and the next turn looks at this one again
            log.exception("upload not swept", source=uid)
    return swept


def _sweep_one(installation: Installation, held: Held) -> bool:
    now_s = installation.steady.now_s()
    try:
        record = held.record()
    except BadFormat:
        if held.idle_s(now_s) < keep_s(installation):
            raise
        held.forget(leave_word=True)  # what the disk spoilt can neither go on nor be given up by anybody else
        return True
    if record is None:
        return held.forget_word(now_s, 2 * keep_s(installation))
    if _is_over(installation, held, record):
        log.info("upload given up", source=held.uid, bytes=held.offset, length=record.length)
        held.forget(leave_word=True)
        return True
    return storing.completed(installation, held, record).sha256 is not None


def sweep_strays(installation: Installation) -> int:
    """Remove bytes that nobody announced: what a killed process left of a form. Returns how many files."""
    swept = 0
    for uid in incoming.all_uids(folder(installation)):
        with suppress(UploadBusy), incoming.hold(folder(installation), uid, wait_s=0) as held:
            swept += held.forget_stray()
    return swept


# --- what is there ------------------------------------------------------------------


def folder(installation: Installation) -> Path:
    """Where half-arrived files lie."""
    return installation.settings.data_dir / "incoming"


def keep_s(installation: Installation) -> float:
    """Seconds that a file is kept after its last byte."""
    return installation.settings.upload_keep_days * DAY_S


def _arrived(installation: Installation, source_uid: str) -> Source | None:
    with installation.database.read() as session:
        return session.get(Source, source_uid)


def _check_known(installation: Installation, intent: UploadIntent) -> None:
    """Raises NotFound for what never was, so that nothing is made on the disk for it."""
    if incoming.anything(folder(installation), intent.source_uid):
        return
    if _arrived(installation, intent.source_uid) is None:
        raise NotFound("no such upload")


def _readable(held: Held) -> Record | None:
    """The record for who may begin anew: one that the disk spoilt is of no session."""
    try:
        return held.record()
    except BadFormat:
        return None


def _live(installation: Installation, held: Held) -> Record | Source:
    """The session in our hands, or the source that came of it. Raises NotFound, UploadGone."""
    record = held.record()
    if record is not None:
        if _is_over(installation, held, record):
            raise _gone(installation)
        return record
    source = _arrived(installation, held.uid)
    if source is not None:
        return source
    if held.remembers():
        raise _gone(installation)
    raise NotFound("no such upload")


def _gone(installation: Installation) -> UploadGone:
    return UploadGone("its time is over", days=installation.settings.upload_keep_days)


def _is_over(installation: Installation, held: Held, record: Record) -> bool:
    return record.sha256 is None and held.idle_s(installation.steady.now_s()) >= keep_s(installation)


def _of_source(source: Source) -> Upload:
    return Upload(source.uid, source.org_uid, source.bytes or 0, source.bytes or 0, source.file_name, None, None, 0)


def _told(installation: Installation, held: Held, record: Record) -> Upload:
    if record.sha256 is not None:
        return _shown(record, record.length or 0, 0)
    return _shown(record, held.offset, keep_s(installation) - held.idle_s(installation.steady.now_s()))


def _shown(record: Record, offset: int, left_s: float) -> Upload:
    said = record.metadata
    return Upload(
        record.intent.source_uid, record.intent.org_uid, offset, record.length, said.file_name, said.modified_ms,
        said.sample, max(0, int(left_s)), said.raw,
    )  # fmt: skip


def _at_the_end(whole: Upload, offset: int, coming: int | None) -> Upload:
    if offset != whole.offset or coming:
        raise UploadElsewhere("it has arrived whole", offset=whole.offset)
    return whole


# --- lengths ------------------------------------------------------------------------


def _check_length(installation: Installation, intent: UploadIntent, length: int | None) -> None:
    most = min(intent.max_bytes, installation.settings.upload_max_mb << 20)
    if length is not None and length > most:
        raise UploadTooLarge(f"{length} bytes were announced", limit_mb=-(-most >> 20))
    if length == 0:
        raise UploadCutShort("an empty file")


def _with_length(installation: Installation, held: Held, record: Record, length: int | None) -> Record:
    if length is None or length == record.length:
        return record
    if record.length is not None or length < held.offset:
        raise BadInput("a length that was told stays as it is")
    _check_length(installation, record.intent, length)
    with incoming.alone(folder(installation)):
        quotas.check(installation, record.intent.org_uid, length, source_uid=held.uid, held=held.offset)
        record = replace(record, length=length)
        held.write(record)
    return record


def _most(installation: Installation, record: Record) -> int:
    """How many bytes this file may have now."""
    if record.length is not None:
        return record.length
    return min(record.intent.max_bytes, installation.settings.upload_max_mb << 20, _free(installation, record.intent))


def _free(installation: Installation, intent: UploadIntent) -> int:
    """The room that the file of an intent may fill."""
    with installation.database.read() as session:
        return quotas.of(session, installation, intent.org_uid, without=intent.source_uid).free
