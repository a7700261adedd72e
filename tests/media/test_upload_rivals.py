"""Several connections and processes at one upload: nobody works on what another holds, nor goes by what is over."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from eduhub.clock import SteadyClock
from eduhub.errors import DiskFull, UploadBusy, UploadElsewhere, UploadRefused
from eduhub.installation import Installation
from eduhub.media import incoming, storing, uploads, writing
from eduhub.media.hashing import Hashes
from eduhub.media.tus import parse_metadata
from eduhub.signing import sha256_hex
from eduhub.uids import new_uid
from tests.media.serving import intent_of

FILM, SONG = b"rain " * 20_000, b"song " * 20_000
DAY_S = 24 * 3600


def test_who_gave_an_upload_up_holds_it_until_the_end(tmp_path: Path) -> None:
    uid = new_uid()
    with incoming.hold(tmp_path, uid) as first:
        first.part.write_bytes(b"x")
        first.forget()
        with pytest.raises(UploadBusy), incoming.hold(tmp_path, uid, wait_s=0):
            pytest.fail("two hold one upload")
    assert not any(tmp_path.iterdir())


def test_another_file_in_place_of_one_that_another_process_gave_up_keeps_its_own_hash(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent, here, there = intent_of(installation), Hashes(), Hashes()

    def in_process(hashes: Hashes) -> None:
        monkeypatch.setattr(writing, "hashes", hashes)

    in_process(here)
    uploads.create(installation, intent, len(FILM), parse_metadata(""))
    uploads.append(installation, intent, 0, io.BytesIO(FILM[:50_000]))
    in_process(there)
    part = uploads.folder(installation) / f"{intent.source_uid}.part"
    number_of_the_first = part.with_name("aside")
    number_of_the_first.hardlink_to(part)
    uploads.end(installation, intent.source_uid)
    uploads.create(installation, intent, len(SONG), parse_metadata("filename c29uZw=="))
    # A file system hands out again the number of a file that went.
    os.truncate(number_of_the_first, 0)
    number_of_the_first.replace(part)
    uploads.append(installation, intent, 0, io.BytesIO(SONG[:60_000]))
    in_process(here)
    assert uploads.append(installation, intent, 60_000, io.BytesIO(SONG[60_000:])).offset == len(SONG)
    assert installation.blobs.path(sha256_hex(SONG)).read_bytes() == SONG


@pytest.mark.parametrize("deferred", [False, True])
def test_a_process_goes_on_with_its_own_hash(
    installation: Installation, deferred: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent, asked = intent_of(installation), list[int]()
    real = Hashes.take

    def watching(hashes: Hashes, *arguments: object) -> object:
        running = real(hashes, *arguments)  # type: ignore[arg-type]
        asked.append(running.done)
        return running

    monkeypatch.setattr(Hashes, "take", watching)
    uploads.create(installation, intent, None if deferred else len(FILM), parse_metadata(""))
    uploads.append(installation, intent, 0, io.BytesIO(FILM[:50_000]))
    uploads.append(installation, intent, 50_000, io.BytesIO(FILM[50_000:]), length=len(FILM))
    assert asked == [0, 50_000, len(FILM)]


def test_a_form_does_not_take_the_place_of_a_file_that_is_here_whole(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = intent_of(installation)
    uploads.create(installation, intent, len(FILM), parse_metadata(""))

    def full(*_arguments: object) -> None:
        raise DiskFull("just now")

    with monkeypatch.context() as patch:
        patch.setattr(storing, "_stored", full)
        with pytest.raises(DiskFull):
            uploads.append(installation, intent, 0, io.BytesIO(FILM))
        with pytest.raises(DiskFull):
            uploads.receive(installation, intent, io.BytesIO(SONG), "song.mp4")
    with pytest.raises(UploadRefused):
        uploads.receive(installation, intent, io.BytesIO(SONG), "song.mp4")
    assert installation.blobs.path(sha256_hex(FILM)).read_bytes() == FILM


def test_an_upload_whose_record_the_disk_spoilt_is_given_up_in_its_time(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent, folder = intent_of(installation), uploads.folder(installation)
    uploads.create(installation, intent, len(FILM), parse_metadata(""))
    uploads.append(installation, intent, 0, io.BytesIO(FILM[:1000]))
    (folder / f"{intent.source_uid}.json").write_bytes(b"\0" * 100)
    assert uploads.find(installation, intent.source_uid) is None  # and the lesson's page opens
    real: Callable[[SteadyClock], float] = SteadyClock.now_s
    monkeypatch.setattr(SteadyClock, "now_s", lambda clock: real(clock) + 6 * DAY_S)
    uploads.sweep(installation)
    assert (folder / f"{intent.source_uid}.part").exists()
    monkeypatch.setattr(SteadyClock, "now_s", lambda clock: real(clock) + 8 * DAY_S)
    uploads.sweep(installation)
    assert not (folder / f"{intent.source_uid}.part").exists()


def test_an_upload_whose_record_the_disk_spoilt_may_begin_anew(installation: Installation) -> None:
    intent, folder = intent_of(installation), uploads.folder(installation)
    uploads.create(installation, intent, len(FILM), parse_metadata(""))
    uploads.append(installation, intent, 0, io.BytesIO(FILM[:1000]))
    (folder / f"{intent.source_uid}.json").write_bytes(b"{")
    assert uploads.create(installation, intent, len(SONG), parse_metadata("")).offset == 0
    assert uploads.append(installation, intent, 0, io.BytesIO(SONG)).offset == len(SONG)


def test_every_answer_that_names_an_offset_comes_after_a_sync(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent, folder, real = intent_of(installation), uploads.folder(installation), os.fsync
    uploads.create(installation, intent, len(FILM), parse_metadata(""))
    part = folder / f"{intent.source_uid}.part"
    part.write_bytes(FILM[:1000])  # what a killed process wrote and did not sync
    synced = set[int]()

    def watching(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        real(descriptor)

    def elsewhere() -> None:
        with pytest.raises(UploadElsewhere):
            uploads.append(installation, intent, 0, io.BytesIO(FILM))

    monkeypatch.setattr(os, "fsync", watching)
    for ask in (
        lambda: uploads.create(installation, intent, len(FILM), parse_metadata("")),
        lambda: uploads.ask(installation, intent), elsewhere,
    ):  # fmt: skip
        synced.clear()
        ask()
        assert part.stat().st_ino in synced
