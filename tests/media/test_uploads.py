"""A teacher's file on its way in: whole, or not at all."""

import errno
import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from eduhub import clock
from eduhub.delivery.models import BlobRow
from eduhub.errors import DiskFull, EduHubError, QuotaFull, UploadCutShort, UploadRefused, UploadTooLarge
from eduhub.installation import Installation
from eduhub.jobs.models import JobRow
from eduhub.media import http, incoming, intents, quotas, uploads
from eduhub.media.incoming import Record
from eduhub.media.intents import UploadIntent
from eduhub.media.models import Source
from eduhub.media.recipes import WHOLE
from eduhub.media.tus import Metadata
from eduhub.signing import sha256_hex
from eduhub.uids import new_uid

FILM = bytes(range(256)) * 3000


@pytest.fixture
def intent() -> UploadIntent:
    lesson = new_uid()
    return UploadIntent(
        source_uid=new_uid(), org_uid=new_uid(), lesson_uid=lesson, max_bytes=len(FILM),
        then={"kind": "courses.publish_if_ready", "args": {"lesson_uid": lesson}}, expires_steady_s=1000,
        language="zh", back=f"/lessons/{lesson}",
    )  # fmt: skip


class BreaksOff(io.BytesIO):
    """A connection that ends in the middle."""

    def read(self, size: int | None = -1, /) -> bytes:
        if payload := super().read(min(size or 0, 100_000)):
            return payload
        raise UploadCutShort


def nothing_is_kept(installation: Installation, intent: UploadIntent) -> bool:
    with installation.database.read() as session:
        rows = [session.get(Source, intent.source_uid), session.scalar(select(JobRow)), session.scalar(select(BlobRow))]
    folder = installation.settings.data_dir
    return rows == [None] * 3 and not any((folder / "incoming").iterdir()) and not any((folder / "blobs").glob("*/*"))


def test_a_whole_file_is_kept_with_its_row_and_its_next_jobs(installation: Installation, intent: UploadIntent) -> None:
    source = uploads.receive(installation, intent, io.BytesIO(FILM), "C:\\films\\ཨ་ལོང་ 1\u0000.mp4")
    assert (source.state, source.sha256, source.bytes) == ("arrived", sha256_hex(FILM), len(FILM))
    assert (source.file_name, source.language) == ("ཨ་ལོང་ 1.mp4", "zh")
    assert installation.blobs.path(sha256_hex(FILM)).read_bytes() == FILM
    with installation.database.read() as session:
        job = session.scalars(select(JobRow)).one()
        args = {"source_uid": intent.source_uid, "recipe": WHOLE.as_json()}
        assert (job.kind, job.args, job.then) == ("media.prepare", args, intent.then)
        assert session.get_one(BlobRow, sha256_hex(FILM)).bytes == len(FILM)
    assert not any((installation.settings.data_dir / "incoming").iterdir())


def test_a_file_that_is_cut_short_leaves_nothing_and_can_be_sent_again(
    installation: Installation, intent: UploadIntent
) -> None:
    with pytest.raises(UploadCutShort):
        uploads.receive(installation, intent, BreaksOff(FILM), "film.mp4")
    assert nothing_is_kept(installation, intent)
    with pytest.raises(UploadCutShort):
        uploads.receive(installation, intent, io.BytesIO(b""), "film.mp4")
    assert uploads.receive(installation, intent, io.BytesIO(FILM), "film.mp4").state == "arrived"


def test_a_file_above_what_the_intent_allows_leaves_nothing(installation: Installation, intent: UploadIntent) -> None:
    with pytest.raises(UploadTooLarge):
        uploads.receive(installation, intent, io.BytesIO(FILM + b"!"), "film.mp4")
    assert nothing_is_kept(installation, intent)


def test_a_full_disk_leaves_nothing_and_says_so(
    installation: Installation, intent: UploadIntent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskFull):
            uploads.receive(installation, intent, io.BytesIO(FILM), "film.mp4")
    assert nothing_is_kept(installation, intent)


def test_one_intent_serves_for_one_file(installation: Installation, intent: UploadIntent) -> None:
    uploads.receive(installation, intent, io.BytesIO(FILM), "film.mp4")
    with pytest.raises(UploadRefused):
        uploads.receive(installation, intent, io.BytesIO(b"another film"), "film.mp4")
    with installation.database.read() as session:
        assert session.get_one(Source, intent.source_uid).sha256 == sha256_hex(FILM)


def test_forms_that_come_at_once_are_not_promised_the_same_room(
    make_installation: Callable[..., Installation], intent: UploadIntent
) -> None:
    installation = make_installation(school_quota_mb=1)
    other = replace(intent, source_uid=new_uid())

    class Meanwhile(io.BytesIO):
        """While this file comes, another of the school comes, and room for both there is not."""

        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 0:
                with pytest.raises(QuotaFull):
                    uploads.receive(installation, other, io.BytesIO(FILM), "snow.mp4", coming=len(FILM))
                assert uploads.find(installation, intent.source_uid) is None  # it cannot go on, so no page offers that
            return super().read(size)

    uploads.receive(installation, intent, Meanwhile(FILM), "film.mp4", coming=len(FILM))
    assert not any((installation.settings.data_dir / "incoming").iterdir())
    with installation.database.read() as session:
        room = quotas.of(session, installation, intent.org_uid)
    assert (room.used, room.arriving) == (len(FILM), 0)


def test_room_that_a_killed_form_has_kept_is_given_back(
    make_installation: Callable[..., Installation], intent: UploadIntent
) -> None:
    installation = make_installation(school_quota_mb=1)
    with incoming.hold(uploads.folder(installation), intent.source_uid) as held:
        held.promise(Record(intent, len(FILM), Metadata(file_name="film.mp4")))
        with installation.database.read() as session:
            assert quotas.of(session, installation, intent.org_uid).arriving == len(FILM)
        assert uploads.sweep_strays(installation) == 0  # somebody holds it
    assert uploads.sweep_strays(installation) == 1
    assert nothing_is_kept(installation, intent)


def test_two_tabs_that_send_at_once_do_not_mix(installation: Installation, intent: UploadIntent) -> None:
    class OtherTab(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            with pytest.raises(UploadRefused, match="already"):
                uploads.receive(installation, intent, io.BytesIO(b"the other tab"), "film.mp4")
            return super().read(size)

    assert uploads.receive(installation, intent, OtherTab(FILM), "film.mp4").sha256 == sha256_hex(FILM)


# --- over HTTP --------------------------------------------------------------------------


@pytest.fixture
def client(installation: Installation) -> FlaskClient:
    app = flask.Flask("test")
    app.register_blueprint(http.blueprint(installation))
    app.register_error_handler(EduHubError, lambda error: ({"code": error.code}, error.status))
    return app.test_client()


@pytest.fixture
def token(installation: Installation, intent: UploadIntent) -> str:
    return intents.sign(installation.keys.secret, intent)


def form(*parts: tuple[str, str | None, bytes], boundary: str = "frontier") -> dict[str, Any]:
    body = b""
    for name, file_name, payload in parts:
        named = f'; filename="{file_name}"' if file_name is not None else ""
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + payload + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}


def test_a_form_with_intent_and_file_leads_back_to_the_lesson(
    client: FlaskClient, installation: Installation, intent: UploadIntent, token: str
) -> None:
    answer = client.post("/media/uploads", **form(("intent", None, token.encode()), ("file", "film.mp4", FILM)))
    assert (answer.status_code, answer.headers["Location"]) == (303, intent.back)
    assert installation.blobs.path(sha256_hex(FILM)).read_bytes() == FILM


def test_a_program_that_asks_for_json_gets_json(
    client: FlaskClient, intent: UploadIntent, token: str
) -> None:
    sent = form(("intent", None, token.encode()), ("file", "film.mp4", FILM))
    answer = client.post("/media/uploads", headers={"Accept": "application/json"}, **sent)
    assert answer.status_code == 201
    assert answer.json == {"source": intent.source_uid, "bytes": len(FILM), "sha256": sha256_hex(FILM)}


def test_the_file_goes_to_the_disk_and_not_through_the_memory(
    client: FlaskClient, installation: Installation, intent: UploadIntent, token: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    announced: list[int] = []
    real = uploads.receive

    def watching(place: Any, wanted: Any, stream: Any, name: str, *, coming: int) -> Source:
        announced.append(coming)

        class Measured:
            def read(self, size: int, /) -> bytes:
                sizes.append(len(payload := stream.read(size)))
                return payload

        return real(place, wanted, Measured(), name, coming=coming)

    monkeypatch.setattr(uploads, "receive", watching)
    client.post("/media/uploads", **form(("intent", None, token.encode()), ("file", "film.mp4", FILM)))
    assert sum(sizes) == len(FILM)
    assert max(sizes) <= 1 << 17
    assert announced[0] - len(FILM) in range(5)  # line breaks before and behind it, which a form may have or not


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda sent: sent | {"data": sent["data"][: len(sent["data"]) // 2]}, 400),
        (lambda sent: sent | {"data": sent["data"].replace(b'name="intent"', b'name="other"')}, 400),
        (lambda sent: sent | {"data": sent["data"].replace(b'name="file"', b'name="flim"')}, 400),
        (lambda sent: sent | {"content_type": "text/plain"}, 400),
        (lambda sent: sent | {"data": b""}, 400),
        (lambda sent: sent | {"data": sent["data"].replace(b"frontier", b"elsewhere")}, 400),
    ],
)
def test_a_spoiled_form_is_refused_and_leaves_nothing(
    client: FlaskClient, installation: Installation, intent: UploadIntent, token: str,
    spoil: Callable[[dict[str, Any]], dict[str, Any]], status: int,
) -> None:
    sent = spoil(form(("intent", None, token.encode()), ("file", "film.mp4", FILM)))
    assert client.post("/media/uploads", **sent).status_code == status
    assert nothing_is_kept(installation, intent)


def test_without_a_good_intent_no_byte_of_the_file_is_written(
    client: FlaskClient, installation: Installation, intent: UploadIntent, token: str
) -> None:
    for bad in ("", "x.y", token[:-1] + ("0" if token[-1] != "0" else "1"), "y" * 20_000):
        answer = client.post("/media/uploads", **form(("intent", None, bad.encode()), ("file", "film.mp4", FILM)))
        assert answer.status_code in (400, 403)
    assert nothing_is_kept(installation, intent)


def test_the_file_may_not_come_before_its_intent(
    client: FlaskClient, installation: Installation, intent: UploadIntent, token: str
) -> None:
    sent = form(("file", "film.mp4", FILM), ("intent", None, token.encode()))
    assert client.post("/media/uploads", **sent).status_code == 400
    assert nothing_is_kept(installation, intent)


def test_a_body_above_the_limit_is_refused_before_it_is_read(
    client: FlaskClient, installation: Installation, token: str
) -> None:
    declared = (installation.settings.upload_max_mb << 20) + (2 << 20)
    answer = client.post(
        "/media/uploads", content_type="multipart/form-data; boundary=x",
        environ_overrides={"CONTENT_LENGTH": str(declared)},
    )  # fmt: skip
    assert answer.status_code == 413


def test_the_form_is_not_read_by_name_of_a_path(client: FlaskClient, token: str, tmp_path: Path) -> None:
    sent = form(("intent", None, token.encode()), ("file", "../../../../tmp/film.mp4", FILM))
    assert client.post("/media/uploads", **sent).status_code == 303
    assert not list(tmp_path.rglob("film.mp4"))


def endless(first: bytes, then: bytes) -> io.RawIOBase:
    """The body of a stranger who never comes to the point; it counts what was read of it."""

    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            payload = ((b"" if self.given else first) + then * (1 + size // len(then)))[:size]
            self.given += len(payload)
            if self.given > 4 << 20:
                raise AssertionError("megabytes are kept in memory for a stranger")
            return payload

    return Endless()


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b"before anything begins "),
        (b'--x\r\nContent-Disposition: form-data; name="intent"', b"; more=more"),
        (b'--x\r\nContent-Disposition: form-data; name="intent"\r\n', b"X-More: more\r\n"),
        (b'--x\r\nContent-Disposition: form-data; name="intent"\r\n\r\n', b"y"),
        (b'--x\r\nContent-Disposition: form-data; name="intent"\r\n\r\n', b"\r\n"),
    ],
)
def test_a_form_that_never_comes_to_its_intent_is_refused_soon(client: FlaskClient, first: bytes, then: bytes) -> None:
    sent = {"CONTENT_TYPE": "multipart/form-data; boundary=x", "CONTENT_LENGTH": str(1 << 30)}
    answer = client.post("/media/uploads", environ_overrides=sent | {"wsgi.input": endless(first, then)})
    assert answer.status_code == 400


def test_forms_without_an_intent_do_not_keep_others_waiting(
    client: FlaskClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = form(("intent", None, token.encode()), ("file", "film.mp4", FILM))

    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            monkeypatch.setattr(http, "_INTENT_WITHIN_S", 60.0)
            refused = client.application.test_client().post("/media/uploads", **good)
            assert (refused.status_code, refused.json) == (400, {"code": "media.upload_cut_short"})
            clock.sleep_s(0.01)
            return super().read(1)

    monkeypatch.setattr(http, "_STRANGERS", BoundedSemaphore(1))
    monkeypatch.setattr(http, "_INTENT_WITHIN_S", 0.0)
    sent = {"CONTENT_TYPE": "multipart/form-data; boundary=frontier", "CONTENT_LENGTH": "900000"}
    dripping = Dripping(good["data"])
    assert client.post("/media/uploads", environ_overrides=sent | {"wsgi.input": dripping}).status_code == 400
    assert dripping.tell() == 1
    assert client.post("/media/uploads", **good).status_code == 303
