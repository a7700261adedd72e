"""A file that has arrived whole: into the blob store, then its row and its ladder or its check, then its session goes.

Each step may be done twice, and whoever comes next completes what a crash interrupted.

This module must not know HTTP, or how the bytes came. See docs/formats/uploads.md.
"""

from dataclasses import replace

from eduhub import clock
from eduhub.delivery import blobs
from eduhub.errors import HashMismatch, NotFound
from eduhub.installation import Installation
from eduhub.media import attachments, ladders, writing
from eduhub.media.incoming import Held, Record
from eduhub.media.models import Source
from eduhub.media.recipes import Recipe


def completed(installation: Installation, held: Held, record: Record) -> Record:
    """The record, after the file was stored if it is whole. Raises what `keep` raises."""
    if record.sha256 is None and (record.length is None or held.offset < record.length):
        return record
    source = keep(installation, held, record)
    return replace(record, sha256=source.sha256)


def keep(installation: Installation, held: Held, record: Record) -> Source:
    """Make the whole file a blob, a row and a job; what was done before a crash is found done.

    Raises DiskFull, HashMismatch (the disk lost bytes: the session is given up), NotFound (it lost the file).
    """
    if record.sha256 is None:
        record = replace(record, sha256=writing.sha256(held))
        # Before the file moves: whoever finds it moved must know where to.
        held.write(record)
    assert record.sha256 is not None
    blob = _stored(installation, held, record.sha256, record.length or 0)
    with installation.database.write() as session:
        source = session.get(Source, held.uid)
        if source is None:
            blobs.remember(session, blob)
            source = Source(
                uid=held.uid, org_uid=record.intent.org_uid, file_name=record.metadata.file_name,
                language=record.intent.language, state="arrived", sha256=blob.sha256, bytes=blob.bytes,
                made_ms=clock.now_ms(),
            )  # fmt: skip
            session.add(source)
            session.flush()
            if record.intent.attachment:
                attachments.ask(session, source, then=record.intent.then)
            else:
                recipe = Recipe.from_json(record.intent.recipe)
                ladders.want(session, source, recipe, then=record.intent.then, light=record.intent.light)
    held.forget()
    return source


def _stored(installation: Installation, held: Held, sha256: str, size: int) -> blobs.Blob:
    if not held.part.exists():
        if not installation.blobs.take(sha256):
            held.forget()
            raise NotFound("the file was lost on its way into the store")
        return blobs.Blob(sha256, size)
    try:
        return installation.blobs.put_file(held.part, expect=sha256)
    except HashMismatch:
        held.forget()  # the disk gave back other bytes than it was given: none of them can be trusted
        raise
