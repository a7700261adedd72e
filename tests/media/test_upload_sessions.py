"""Half a file at the hub: who may go on with it, for how long, and that nobody is ever told to begin anew without need."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel
from sqlalchemy import select

from eduhub import http
from eduhub.app import create_app
from eduhub.clock import SteadyClock
from eduhub.db import Database
from eduhub.errors import DiskFull, UploadGone, UploadTooLarge
from eduhub.installation import Installation
from eduhub.media import http as media_http
from eduhub.media import incoming, intents, quotas, uploads, writing
from eduhub.media.intents import UploadIntent
from eduhub.media.models import LadderRow, Source
from eduhub.media.recipes import Recipe
from eduhub.uids import new_uid
from tests.media.serving import credential, intent_of

FILM = bytes(range(250)) * 200
BODY = {"Content-Type": "application/offset+octet-stream"}
NEVER = {401, 403, 404, 429, 500, 502, 503, 504, 507}  # what makes a client begin anew
DAY_S = 24 * 3600


class Page:
    """Tashi's page, with one file in hand."""

    def __init__(self, installation: Installation, **changed: object) -> None:
        app = Flask("test")
        Babel(app)
        http.register(app, lambda page: page.happened)
        app.register_blueprint(media_http.blueprint(installation))
        self.installation, self.http = installation, app.test_client()
        self.intent = intent_of(installation, **changed)
        self.place = f"/media/uploads/{self.intent.source_uid}"

    def send(self, method: str, place: str, more: dict[str, str], data: bytes = b"", intent: UploadIntent | None = None) -> Any:
        headers = credential(self.installation, intent or self.intent) | more
        return self.http.open(place, method=method, headers=headers, data=data)

    def create(self, length: int = len(FILM), name: str = "cmFpbi5tcDQ=") -> Any:
        return self.send("POST", "/media/uploads", {"Upload-Length": str(length), "Upload-Metadata": f"filename {name}"})

    def patch(self, offset: int, data: bytes, **more: str) -> Any:
        return self.send("PATCH", self.place, BODY | {"Upload-Offset": str(offset)} | more, data)

    def head(self, intent: UploadIntent | None = None) -> Any:
        return self.send("HEAD", self.place, {}, intent=intent)


@pytest.fixture
def page(installation: Installation) -> Page:
    return Page(installation)


@pytest.fixture
def later(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let this machine run for so many seconds more."""
    real = SteadyClock.now_s

    def pass_by(seconds: float) -> None:
        monkeypatch.setattr(SteadyClock, "now_s", lambda clock: real(clock) + seconds)

    return pass_by


def test_creating_again_finds_what_has_arrived_and_another_file_is_told_so(page: Page) -> None:
    assert page.create().status_code == 201
    page.patch(0, FILM[:1000])
    again = page.create()
    assert (again.status_code, again.headers["Upload-Offset"], again.headers["Location"]) == (201, "1000", page.place)
    for other in (page.create(length=7), page.create(name="c25vdy5tcDQ=")):
        assert (other.status_code, other.json["code"]) == (409, "media.upload_another")
        assert "rain.mp4" in other.json["happened"]
    refused = page.patch(0, FILM)
    assert (refused.status_code, refused.headers["Upload-Offset"]) == (409, "1000")
    assert page.send("DELETE", page.place, {}).status_code == 204
    assert page.create(name="c25vdy5tcDQ=").headers["Upload-Offset"] == "0"


def test_an_upload_goes_on_after_its_token_is_over_but_none_begins(page: Page, later: Callable[[float], None]) -> None:
    page.create()
    page.patch(0, FILM[:1000])
    later(2 * 3600)
    assert page.head().headers["Upload-Offset"] == "1000"
    assert page.create().headers["Upload-Offset"] == "1000"
    assert page.patch(1000, FILM[1000:]).status_code == 204
    late = Page(page.installation, expires_steady_s=5)
    assert (late.create().status_code, late.create().json["code"]) == (403, "media.upload_refused")


def test_a_wrong_token_is_told_the_same_whether_there_is_an_upload_or_not(page: Page) -> None:
    page.create()
    stranger = intent_of(page.installation)
    for place in (page.place, f"/media/uploads/{new_uid()}", "/media/uploads/nothing"):
        assert page.send("HEAD", place, {}, intent=stranger).status_code == 423
        assert page.send("PATCH", place, BODY | {"Upload-Offset": "0"}, b"x", intent=stranger).status_code == 403
    for bad in ({"Authorization": ""}, {"Authorization": "EduHub-Intent x.y"}, {"Authorization": "Bearer x"}):
        assert page.send("HEAD", page.place, bad).status_code == 423


@pytest.mark.parametrize("fault", [DiskFull("full"), MemoryError()])
def test_whatever_fails_head_of_a_live_upload_never_says_begin_anew(
    page: Page, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.create()

    def fails(*_arguments: object, **_more: object) -> None:
        raise fault

    for module, name in ((incoming, "hold"), (incoming, "read"), (uploads.writing, "sync"), (SteadyClock, "now_s")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, fails)
            assert page.head().status_code == 423
    with monkeypatch.context() as patch:
        patch.setattr(Database, "read", fails)
        assert page.head().status_code == 200  # a live upload needs no database
    assert page.head().status_code not in NEVER


def test_a_database_that_is_away_at_the_last_byte_loses_nothing(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    page.create()

    def away(*_arguments: object) -> None:
        raise RuntimeError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", away)
        assert page.patch(0, FILM).status_code == 500
        assert page.head().status_code == 423
    uploads.sweep(page.installation)
    found = page.head()
    assert (found.status_code, found.headers["Upload-Offset"]) == (200, str(len(FILM)))
    with page.installation.database.read() as session:
        assert session.get_one(Source, page.intent.source_uid).bytes == len(FILM)


def test_half_a_file_is_kept_for_a_week_after_its_last_byte(page: Page, later: Callable[[float], None]) -> None:
    page.create()
    later(6 * DAY_S)
    assert page.patch(0, FILM[:1000]).status_code == 204
    later(12.9 * DAY_S)
    uploads.sweep(page.installation)
    assert page.head().headers["Upload-Offset"] == "1000"
    later(13.1 * DAY_S)
    assert (page.head().status_code, page.patch(1000, b"x").status_code) == (410, 410)
    assert uploads.find(page.installation, page.intent.source_uid) is None
    uploads.sweep(page.installation)
    assert page.head().status_code == 410
    with pytest.raises(UploadGone):
        uploads.ask(page.installation, page.intent)
    later(40 * DAY_S)
    uploads.sweep(page.installation)
    assert page.head().status_code == 404
    assert not any((page.installation.settings.data_dir / "incoming").iterdir())


def test_a_page_sees_how_far_a_file_is(page: Page) -> None:
    assert uploads.find(page.installation, page.intent.source_uid) is None
    page.create()
    page.patch(0, FILM[:1234])
    found = uploads.find(page.installation, page.intent.source_uid)
    assert found is not None
    assert (found.file_name, found.offset, found.length) == ("rain.mp4", 1234, len(FILM))
    assert 6 * DAY_S < found.expires_s <= 7 * DAY_S


def test_the_intents_recipe_and_lightness_reach_the_ladder(installation: Installation) -> None:
    recipe = Recipe(sound_only=True)
    page = Page(installation, light=True, recipe=recipe.as_json())
    page.create()
    page.patch(0, FILM)
    with installation.database.read() as session:
        ladder = session.scalars(select(LadderRow)).one()
    assert (ladder.source_uid, ladder.recipe, ladder.light) == (page.intent.source_uid, recipe.id, True)


# --- room ---------------------------------------------------------------------------


def test_a_school_may_announce_no_more_than_its_room(make_installation: Callable[..., Installation]) -> None:
    installation = make_installation(school_quota_mb=1)
    first = Page(installation)
    second = Page(installation, org_uid=first.intent.org_uid)
    assert first.create(length=800_000).status_code == 201
    full = second.create(length=300_000)
    assert (full.status_code, full.json["code"]) == (413, "media.quota_full")
    assert Page(installation).create(length=300_000).status_code == 201  # another school
    with installation.database.write() as session:
        quotas.give(session, first.intent.org_uid, 2 << 20)
    assert second.create(length=300_000).status_code == 201
    with installation.database.read() as session:
        room = quotas.of(session, installation, first.intent.org_uid)
    assert (room.bytes, room.used, room.arriving, room.free) == (2 << 20, 0, 1_100_000, (2 << 20) - 1_100_000)


def test_a_length_that_is_told_late_is_checked_when_it_is_told(make_installation: Callable[..., Installation]) -> None:
    page = Page(make_installation(school_quota_mb=1))
    assert page.send("POST", "/media/uploads", {"Upload-Defer-Length": "1"}).status_code == 201
    assert page.patch(0, FILM).status_code == 204
    assert page.head().headers["Upload-Defer-Length"] == "1"
    assert page.patch(len(FILM), b"x", **{"Upload-Length": str(2 << 20)}).status_code == 413
    told = page.patch(len(FILM), b"x", **{"Upload-Length": str(len(FILM) + 1)})
    assert (told.status_code, told.headers["Upload-Offset"]) == (204, str(len(FILM) + 1))


def test_files_of_untold_length_that_come_at_once_share_the_room_there_is(
    make_installation: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "ASK_EVERY", 100_000)
    installation = make_installation(school_quota_mb=1)
    first = Page(installation, max_bytes=2 << 20)
    second = Page(installation, org_uid=first.intent.org_uid, max_bytes=2 << 20)
    for page in (first, second):
        assert page.send("POST", "/media/uploads", {"Upload-Defer-Length": "1"}).status_code == 201

    class Meanwhile(io.BytesIO):
        """While this file comes, the other one fills most of the room."""

        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 0:
                assert second.patch(0, bytes(800_000)).status_code == 204
            return super().read(size)

    with pytest.raises(UploadTooLarge):
        uploads.append(installation, first.intent, 0, Meanwhile(bytes(800_000)))
    with installation.database.read() as session:
        assert quotas.of(session, installation, first.intent.org_uid).arriving <= 1 << 20


def test_the_last_of_the_disk_is_left_free_and_what_has_arrived_is_kept(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.create()
    page.patch(0, FILM[:1000])
    spare = page.installation.settings.disk_spare_mb << 20
    with monkeypatch.context() as patch:
        patch.setattr(quotas, "disk_free", lambda _folder: spare + 5)
        assert page.patch(1000, FILM[1000:]).status_code == 507
        assert Page(page.installation).create().status_code == 507
        assert page.head().headers["Upload-Offset"] == "1000"
    assert page.patch(1000, FILM[1000:]).status_code == 204


def test_another_schools_intent_for_the_same_source_changes_nothing(page: Page) -> None:
    page.create()
    other = replace(page.intent, org_uid=new_uid())
    refused = page.send("PATCH", page.place, BODY | {"Upload-Offset": "0"}, b"x", intent=other)
    assert refused.status_code == 403
    assert intents.as_json(other) != intents.as_json(page.intent)


def test_in_the_whole_application_nothing_stands_before_an_upload_but_its_intent(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.http = create_app(installation=page.installation).test_client()
    page.http.set_cookie("__Host-eduhub", "a sign-in that is over")
    assert page.create().status_code == 201
    assert page.patch(0, FILM[:1000]).status_code == 204

    def away(*_arguments: object) -> None:
        raise RuntimeError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "read", away)
        patch.setattr(Database, "write", away)
        found = page.head()
    assert (found.status_code, found.headers["Upload-Offset"], found.headers["Cache-Control"]) == (200, "1000", "no-store")
    told = page.send("OPTIONS", page.place, {})
    assert (told.status_code, told.headers["Tus-Max-Size"]) == (204, str(4096 << 20))
    assert page.patch(1000, FILM[1000:]).headers["Upload-Offset"] == str(len(FILM))
