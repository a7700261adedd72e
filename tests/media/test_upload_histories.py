"""Whatever happens to an upload, in whatever order: the file arrives exactly, or its offset says the truth."""

import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from eduhub.config import Settings
from eduhub.delivery.blobs import BlobStore
from eduhub.errors import (
    NotFound,
    UploadAnother,
    UploadBusy,
    UploadCutShort,
    UploadElsewhere,
    UploadRefused,
    UploadTooLarge,
)
from eduhub.installation import Installation, open_installation
from eduhub.jobs.models import JobRow
from eduhub.media import incoming, uploads, writing
from eduhub.media.body import BLOCK
from eduhub.media.models import Source
from eduhub.media.tus import Metadata
from eduhub.ops import migrate
from eduhub.signing import sha256_hex
from tests.media.serving import intent_of

FILM = random.Random(5).randbytes(5 * BLOCK + 17)
NAMED = Metadata(raw="filename cmFpbi5tcDQ=", file_name="rain.mp4")


class Line:
    """A connection that brings some bytes in pieces of odd sizes, and may break, or be there when another one calls."""

    def __init__(self, payload: bytes, breaks: bool = False, piece: int = 5003) -> None:
        self._payload, self._breaks, self._piece = payload, breaks, piece

    def read(self, size: int, /) -> bytes:
        found = self._payload[: min(size, self._piece)]
        self._payload = self._payload[len(found) :]
        if not found and self._breaks:
            raise UploadCutShort("the line broke")
        return found


class Killed(BaseException):
    """kill -9 of the server, as far as one process can show it: nothing runs after it but what the disk keeps."""


class StoreThatDies:
    """A blob store at whose door, or behind it, the power goes."""

    def __init__(self, real: BlobStore, when: str) -> None:
        self._real, self._when = real, when

    def put_file(self, path: Path, **more: object) -> object:
        if self._when == "before":
            raise Killed
        self._real.put_file(path, **more)  # type: ignore[arg-type]
        raise Killed


class Histories(RuleBasedStateMachine):
    """One intent, one film, and everything that may happen to it."""

    folder: Path
    template: Path

    @initialize()
    def begin(self) -> None:
        self.home = Path(tempfile.mkdtemp(dir=self.folder))
        shutil.copyfile(self.template, self.home / "eduhub.db")
        self.place: Installation = open_installation(Settings(data_dir=self.home, disk_spare_mb=0))
        self.intent = intent_of(self.place)
        self.offset: int | None = None  # None: there is no session
        self.whole = False

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.place.database.close()
            shutil.rmtree(self.home)

    @rule()
    def create(self) -> None:
        told = uploads.create(self.place, self.intent, len(FILM), NAMED)
        if self.offset is None:
            self.offset = 0
        assert told.offset == self.offset

    @precondition(lambda self: self.offset is not None)
    @rule()
    def create_another(self) -> None:
        with pytest.raises((UploadAnother, UploadRefused)):
            uploads.create(self.place, self.intent, len(FILM) - 1, NAMED)

    @rule(size=st.integers(0, 3 * BLOCK), breaks=st.booleans(), piece=st.sampled_from([1009, 5003, BLOCK]))
    def patch(self, size: int, breaks: bool, piece: int) -> None:
        at = self.offset or 0
        payload = FILM[at : at + size]
        try:
            told = uploads.append(self.place, self.intent, at, Line(payload, breaks, piece), coming=len(payload))
        except NotFound:
            assert self.offset is None
            return
        except UploadCutShort:
            assert breaks
        else:
            assert told.offset == at + len(payload)
        assert self.offset is not None
        self.offset = at + len(payload)
        self.whole = self.whole or self.offset == len(FILM)

    @precondition(lambda self: self.offset is not None)
    @rule(wrong=st.integers(0, 2 * len(FILM)))
    def patch_elsewhere(self, wrong: int) -> None:
        if wrong == self.offset:
            wrong += 1
        with pytest.raises(UploadElsewhere) as told:
            uploads.append(self.place, self.intent, wrong, Line(b"x" * 100))
        assert told.value.facts["offset"] == self.offset

    @precondition(lambda self: self.offset is not None and not self.whole)
    @rule()
    def patch_too_much(self) -> None:
        with pytest.raises(UploadTooLarge):
            uploads.append(self.place, self.intent, self.offset, Line(FILM[self.offset :] + b"!", piece=BLOCK))
        self.offset = uploads.ask(self.place, self.intent).offset
        self.whole = self.offset == len(FILM)

    @precondition(lambda self: self.offset is not None and not self.whole)
    @rule(size=st.integers(1, BLOCK))
    def second_connection(self, size: int) -> None:
        """While one sends, another asks; the first lets go with all that it read, and the second is told that."""
        at, machine = self.offset, self

        class Overtaken(Line):
            def read(self, wanted: int, /) -> bytes:
                incoming._wish(uploads.folder(machine.place) / f"{machine.intent.source_uid}.hold")
                return super().read(wanted)

        payload = FILM[at : at + size]
        with pytest.raises(UploadBusy):
            uploads.append(self.place, self.intent, at, Overtaken(payload, piece=BLOCK))
        self.offset = at + len(payload)
        self.whole = self.offset == len(FILM)

    @rule()
    def head(self) -> None:
        try:
            told = uploads.ask(self.place, self.intent)
        except NotFound:
            assert self.offset is None
        else:
            assert told.offset == self.offset
            self.whole = self.whole or told.offset == len(FILM)

    @rule()
    def restart(self) -> None:
        self.place.database.close()
        self.place = open_installation(self.place.settings)
        writing.hashes = type(writing.hashes)()

    @precondition(lambda self: self.offset is not None and not self.whole)
    @rule(when=st.sampled_from(["before", "behind"]))
    def killed_at_the_last_byte(self, when: str) -> None:
        dying = replace(self.place, blobs=StoreThatDies(self.place.blobs, when))  # type: ignore[arg-type]
        with pytest.raises(Killed):
            uploads.append(dying, self.intent, self.offset, Line(FILM[self.offset :], piece=BLOCK))
        self.offset, self.whole = len(FILM), True
        self.restart()

    @rule()
    def sweep(self) -> None:
        uploads.sweep(self.place)

    @rule()
    def delete(self) -> None:
        try:
            uploads.end(self.place, self.intent.source_uid)
        except NotFound:
            assert self.offset is None
        except UploadRefused:
            assert self.whole
        else:
            assert not self.whole
            self.offset = None

    @invariant()
    def the_disk_says_the_truth(self) -> None:
        if not hasattr(self, "place"):
            return
        uid, folder = self.intent.source_uid, uploads.folder(self.place)
        with self.place.database.read() as session:
            source, jobs = session.get(Source, uid), list(session.scalars(select(JobRow)))
        if source is not None:
            assert self.whole
            assert (source.sha256, len(jobs)) == (sha256_hex(FILM), 1)
            assert self.place.blobs.path(sha256_hex(FILM)).read_bytes() == FILM
            assert not any(folder.iterdir())
        elif self.offset is None:
            assert not any(folder.iterdir())
        elif (part := folder / f"{uid}.part").exists():
            assert part.read_bytes() == FILM[: self.offset]
        else:
            assert self.whole  # between the store and the row: whoever comes next completes it
            assert uploads.find(self.place, uid) is not None


@pytest.mark.parametrize("examples", [6, pytest.param(150, marks=pytest.mark.long)])
def test_any_history_of_an_upload_ends_well(tmp_path_factory: pytest.TempPathFactory, examples: int) -> None:
    folder = tmp_path_factory.mktemp("histories")
    place = open_installation(Settings(data_dir=folder / "template"))
    migrate.upgrade(place.database)
    with place.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    place.database.close()
    Histories.folder, Histories.template = folder, folder / "template" / "eduhub.db"
    wanted = settings(max_examples=examples, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(Histories, settings=wanted)
