"""What is wrong with one part, one manifest or one answer costs that one, for one round; what came of it is kept."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import PIECE_BYTES, Manifest
from eduhub.errors import BadInput, DiskFull, HashMismatch, LinkDown
from eduhub.installation import Installation
from eduhub.sync import rounds
from eduhub.sync.allowance import allowing
from eduhub.sync.boxes import joining
from eduhub.sync.fetching import blobs, fetch, partial
from eduhub.sync.fetching.address import Address
from eduhub.sync.models import FetchState
from tests.sync.lines import Hours
from tests.sync.test_fetching import held
from tests.sync.world import Hub, noise

HUGE = 2**53 - 1


def part_of(hub: Hub, package_id: str, kind: str) -> str:
    with hub.here.database.read() as session:
        wanted = select(PartRow.sha256).where(PartRow.package_id == package_id, PartRow.kind == kind)
        return session.scalars(wanted).one()


def free(monkeypatch: pytest.MonkeyPatch, box: Installation, count: int) -> None:
    """So much of the disk is left to lessons."""
    usage = shutil.disk_usage(box.settings.data_dir)._replace(free=partial.KEPT_FREE_BYTES + count)
    monkeypatch.setattr(partial.shutil, "disk_usage", lambda _path: usage)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, b'{"code": "format.bad"}'), (416, b'{"code": "asked.not_found"}'), (410, b"<html>gone</html>"),
        (400, b'{"code": "storage.disk_full"}'), (403, b'{"code": "of.a.later.release"}'), (200, b"<html>Welcome</html>"),
    ],
)  # fmt: skip
def test_a_part_that_is_refused_in_whatever_words_is_left_out_and_all_others_come(
    hub: Hub, box: Installation, status: int, body: bytes
) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    broken, whole = hub.lesson(course, position=0), hub.lesson(course, position=1)
    hub.join(box, school)
    path = f"/p/{broken}/{part_of(hub, broken, 'index')}"
    hub.wire.instead = {path: (status, body)}
    report = hub.sync(box)
    assert held(box, broken) == {"poster", "stills", "audio", "video"}
    assert held(box, whole) == {"index", "poster", "stills", "audio", "video"}
    assert not report.fetched.disk_full
    hub.wire.instead = {}
    hub.sync(box)
    assert "index" in held(box, broken)


def test_something_that_refuses_everything_and_is_no_hub_is_a_link_that_is_down(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    packages = [hub.lesson(course, position=number) for number in range(8)]
    hub.join(box, school)
    hub.wire.instead = {f"/p/{package}/{package}": (200, b"<html>Which room?</html>") for package in packages}
    with pytest.raises(LinkDown):
        hub.sync(box)
    assert len([path for _method, path, _range in hub.wire.requests if path.startswith("/p/")]) == 5


def test_what_does_not_fit_on_the_disk_keeps_nothing_smaller_from_coming(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)))  # 900, 1,500, 9,000, 30,000 and 60,000 bytes
    hub.join(box, school)
    box = replace(box, settings=replace(box.settings, disk_spare_mb=0))  # else nothing is begun that is not whole in the room there is
    free(monkeypatch, box, 20_000)
    assert hub.sync(box).fetched.disk_full
    assert held(box, package) == {"index", "poster", "stills"}


def test_manifests_that_came_before_a_cut_are_not_fetched_again(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    packages = [hub.lesson(course, position=number) for number in range(3)]
    hub.join(box, school)

    def cut(path: str) -> None:
        if path.endswith(packages[2]):
            raise httpx.ReadError("the line was cut")

    hub.wire.before = cut
    with pytest.raises(LinkDown):
        hub.sync(box)
    with box.database.read() as session:
        assert set(session.scalars(select(PackageRow.id))) == set(packages[:2])
    hub.wire.before = lambda _path: None
    hub.wire.requests.clear()
    hub.sync(box)
    asked = [path for _method, path, _range in hub.wire.requests]
    assert [package for package in packages if f"/p/{package}/{package}" in asked] == packages[2:]


def test_a_piece_that_comes_wrong_each_time_costs_no_other_piece(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    parts = {"index": noise("index", 700), "v240": noise("v", 5 * PIECE_BYTES + 1)}
    package = hub.lesson(hub.course(hub.region, groups=(school,)), parts=parts)
    hub.join(box, school)
    video = f"/p/{package}/{part_of(hub, package, 'video')}"
    hub.wire.spoil = lambda path, at, piece: (
        b"\1" * len(piece) if path == video and 2 * PIECE_BYTES <= at < 3 * PIECE_BYTES else piece
    )
    hub.sync(box)
    assert held(box, package) == {"index", "pieces"}
    hub.wire.spoil = None
    hub.wire.delivered.clear()
    hub.sync(box)
    assert held(box, package) == {"index", "pieces", "video"}
    assert hub.wire.delivered[video] == 3 * PIECE_BYTES + 1


def test_a_blob_that_was_wrong_in_many_rounds_is_asked_for_in_few_of_them(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.join(box, school)
    video = part_of(hub, package, "video")
    with box.database.write() as session:
        session.add(FetchState(sha256=video, bytes=0, verified_pieces=0, bad_pieces=60, made_ms=clock.now_ms()))
    monkeypatch.setattr(blobs, "_chance", lambda: 0.06)
    hub.sync(box)
    assert held(box, package) == {"index", "poster", "stills", "audio"}
    monkeypatch.setattr(blobs, "_chance", lambda: 0.04)
    hub.sync(box)
    assert "video" in held(box, package)
    with box.database.read() as session:
        assert session.get(FetchState, video) is None


def test_what_came_of_a_lesson_stays_while_its_manifest_or_pass_is_missing(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    hub.join(box, school)
    part = box.settings.data_dir / "work" / f"{'a' * 64}.part"
    part.write_bytes(b"half of it")
    os.utime(part, (clock.now_ms() / 1000, clock.now_ms() / 1000))
    package = hub.lesson(course)
    hub.wire.instead = {f"/p/{package}/{package}": (404, b'{"code": "asked.not_found"}')}
    hub.sync(box)
    assert part.exists()
    long_ago_s = (clock.now_ms() - fetch.KEPT_FOR_MS) / 1000 - 1
    os.utime(part, (long_ago_s, long_ago_s))
    hub.sync(box)
    assert not part.exists(), "nobody has asked for it for a week"
    part.write_bytes(b"half of it")
    hub.wire.instead = {}
    hub.sync(box)
    assert not part.exists(), "every lesson's manifest is here, and none names it"


@pytest.mark.parametrize("size", [5 * PIECE_BYTES, HUGE], ids=["a part", "more bytes than there are disks"])
def test_a_full_disk_leaves_no_file_open_and_forgets_nothing(
    box: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int
) -> None:
    note = tmp_path / f"{'b' * 64}.come"
    note.write_text("[1, 2, 3, 4, 5]")
    free(monkeypatch, box, 100)
    before = open_files()
    with pytest.raises(DiskFull), partial.PartFile(tmp_path, "b" * 64, size):
        pass
    assert open_files() == before
    assert note.read_text() == "[1, 2, 3, 4, 5]"


def test_leaving_closes_every_file_also_when_nothing_can_be_written_down(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = hub.school("Shuanghu")
    parts = {"index": noise("index", 700), "v240": noise("v", 2 * PIECE_BYTES), "aac": noise("a", 2 * PIECE_BYTES)}
    hub.lesson(hub.course(hub.region, groups=(school,)), parts=parts)
    hub.join(box, school)

    def full(_self: blobs.Blobs, _parts: object) -> None:
        raise DiskFull

    def no_room(*_given: object) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(blobs.Blobs, "_note", full)
    monkeypatch.setattr(partial, "pwrite", no_room)
    hub.sync(box)
    before = open_files()
    assert hub.sync(box).fetched.disk_full
    assert open_files() == before


def test_a_pass_that_could_not_stand_in_a_header_is_no_pass(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.join(box, school)
    hub.wire.spoil = lambda path, _at, piece: (
        piece.replace(b'"1.node.', b'"1.node\\n.') if path.endswith("/passes") else piece
    )
    assert hub.sync(box).fetched.refused == [package]


def test_a_package_that_gives_a_blob_another_size_keeps_no_other_from_it(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    honest = hub.lesson(course, position=0, parts={"index": noise("same", 700), "aac": noise("a", 900)})
    wrong = hub.lesson(course, position=1, parts={"index": noise("same", 700), "aac": noise("b", 800)})
    hub.join(box, school)
    hub.sync(box)
    with box.database.write() as session:
        index = part_of(hub, honest, "index")
        for package in (honest, wrong):
            session.get_one(PartRow, (package, index)).held = False
        session.get_one(PartRow, (wrong, index)).bytes = 701
        row = session.get_one(PackageRow, wrong)
        manifest = Manifest.from_bytes(row.manifest)
        parts = tuple(replace(part, bytes=701) if part.sha256 == index else part for part in manifest.parts)
        row.manifest = replace(manifest, parts=parts).to_bytes()
    hub.sync(box)
    assert "index" in held(box, honest)
    assert "index" not in held(box, wrong)


def test_what_waits_goes_home_every_twenty_minutes_of_fetching(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.join(box, school)
    hours = Hours()
    monkeypatch.setattr(clock, "monotonic_s", hours)

    def slowly(path: str) -> None:
        if path.startswith("/p/") and not path.endswith(package):
            hours.more_s += 0.6 * rounds.FETCH_AT_ONCE_S

    hub.wire.before = slowly
    hub.wire.requests.clear()
    report = hub.sync(box)
    assert held(box, package) == {"index", "poster", "stills", "audio", "video"}
    assert (report.fetched.parts, report.fetched.has_more) == (5, False)
    asked = [path.split("/")[-1] for _method, path, _range in hub.wire.requests]
    assert asked.count("hello") == 3


def test_when_the_hours_for_lessons_end_no_further_part_is_begun(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.join(box, school)
    box = replace(box, settings=replace(box.settings, sync_window="12:00-13:10"))  # it is 13:00 there
    hours = Hours()
    monkeypatch.setattr(clock, "monotonic_s", hours)
    monkeypatch.setattr(allowing, "LOOKED_EVERY_S", 3600.0)  # the hub's time would not have moved

    def slowly(path: str) -> None:
        hours.more_s += 6 * 60 if path.startswith("/p/") and not path.endswith(package) else 0

    hub.wire.before = slowly
    report = hub.sync(box)
    assert (report.fetched.parts, report.in_window) == (2, False)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://hub.example.org", Address("hub.example.org", 443, True, "hub.example.org", "")),
        ("http://[::1]:8000/", Address("::1", 8000, False, "[::1]:8000", "")),
        ("https://county.example/eduhub", Address("county.example", 443, True, "county.example", "/eduhub")),
        ("https://学校.example", Address("xn--48s290a.example", 443, True, "xn--48s290a.example", "")),
    ],
)
def test_an_address_means_the_same_to_both_halves(url: str, found: Address) -> None:
    assert Address.of(url) == found


@pytest.mark.parametrize("url", ["hub.example.org", "ftp://hub", "http://", "http://u:p@hub", "http://hub?x=1", "http://hub:70000"])
def test_a_box_does_not_join_at_what_is_no_address_of_a_hub(hub: Hub, box: Installation, url: str) -> None:
    with pytest.raises(BadInput):
        joining.join(box, url, hub.code(hub.school("Shuanghu")))


def test_a_list_for_another_number_of_pieces_is_wrong_and_all_that_came_by_it(tmp_path: Path) -> None:
    with partial.PartFile(tmp_path, "c" * 64, 3 * PIECE_BYTES) as part:
        part.write(0, b"x" * 1000)
        with pytest.raises(HashMismatch):
            part.check_by(b"\0" * 64)
        part.forget()
    assert (part.bad_pieces, list(tmp_path.iterdir())) == (3, [])
