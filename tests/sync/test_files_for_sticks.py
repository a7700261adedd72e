"""A stick's files through the browser: fetched at the hub, sent to the box, and home again. No stick is plugged in anywhere."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from eduhub import clock
from eduhub.installation import Installation
from eduhub.sync.courier import exporting, jobs, parcels
from eduhub.sync.courier.exporting import find_nodes
from eduhub.web import stick_making
from tests.sync.parcels import fetched, left_over, names_in, reader, send, work
from tests.sync.sticks import blobs_on, bring, events_at, fill, lessons_shown, waiting, watch
from tests.sync.world import Hub, School
from tests.web.world import Reader

MakeBox = Callable[[], Installation]
HUB, BOX = "/operator/sticks", "/box/sticks"


@pytest.fixture
def tenzin(hub: Hub) -> Reader:
    """The operator, at the hub."""
    return reader(hub.here, "Tenzin", hub.region, "operator", "all")


@pytest.fixture
def pema(box: Installation, school: School) -> Reader:
    """The school's admin, at its box."""
    return reader(box, "Pema", school.org, "school_admin")


def node_of(hub: Hub, name: str = "shuanghu-3") -> str:
    """The uid of a box."""
    with hub.here.database.read() as session:
        return find_nodes(session, [name])[0].uid


def pack(hub: Hub, tenzin: Reader, *names: str, size: str = "all") -> bytes:
    """Have a file made for boxes, by name, and fetch it."""
    clock.freeze(clock.now_ms() + 60_000)  # the newest stands first
    chosen = [node_of(hub, name) for name in names]
    assert tenzin.post(f"{HUB}/pack", {"box": chosen, "size": size}, page=HUB).status_code == 303
    work(hub.here)
    return fetched(tenzin, HUB)


def test_lessons_go_out_and_what_was_watched_comes_home(
    hub: Hub, box: Installation, school: School, tenzin: Reader, pema: Reader
) -> None:
    file = pack(hub, tenzin, "shuanghu-3")
    assert send(pema, f"{BOX}/file", [(file, "eduhub.tar")], page=BOX).status_code == 303
    work(box)
    page = pema.get(BOX).text
    assert "Every lesson that the school wants is here." in page
    assert "pull the stick out" not in page
    assert len(lessons_shown(box)) == 2
    watched = set(watch(box, school, 3))
    home = pema.post(f"{BOX}/home", page=BOX)
    assert home.status_code == 200
    assert "shuanghu-3" in home.headers["Content-Disposition"]
    assert all(name.startswith(("home/", "want/")) for name in names_in(home.data))
    assert send(tenzin, f"{HUB}/home", [(home.data, "home.tar")], page=HUB).status_code == 303
    work(hub.here)
    page = tenzin.get(HUB).text
    assert "From: shuanghu-3" in page
    assert "messages came home." in page
    assert "is known now" in page
    assert events_at(hub.here) == watched
    assert waiting(box) > 0  # the word of the hub has yet to come
    again = pack(hub, tenzin, "shuanghu-3")
    assert not [name for name in names_in(again) if name.startswith("blobs/")]  # the hub has read what the box has
    send(pema, f"{BOX}/file", [(again, "eduhub.tar")], page=BOX)
    work(box)
    assert waiting(box) == 0


def test_two_people_who_make_a_file_for_one_box_at_one_moment_both_have_a_whole_one(
    hub: Hub, box: Installation, school: School, tenzin: Reader, pema: Reader
) -> None:
    lobsang = reader(hub.here, "Lobsang", hub.region, "operator", "all")
    asked = {"box": [node_of(hub)], "size": "all"}
    for operator in (tenzin, lobsang):
        assert operator.post(f"{HUB}/pack", asked, page=HUB).status_code == 303
    work(hub.here)
    files = [fetched(operator, HUB) for operator in (tenzin, lobsang)]
    assert names_in(files[0]) == names_in(files[1])
    for file in files:
        assert send(pema, f"{BOX}/file", [(file, "eduhub.tar")], page=BOX).status_code == 303
    work(box)
    assert len(lessons_shown(box)) == 2
    watched = set(watch(box, school, 3))
    home = [bytes(pema.post(f"{BOX}/home", page=BOX).data) for _ in range(2)]
    for operator, payload in zip((lobsang, tenzin), home, strict=True):
        assert send(operator, f"{HUB}/home", [(payload, "home.tar")], page=HUB).status_code == 303
    work(hub.here)
    assert events_at(hub.here) == watched


def test_the_file_holds_what_a_stick_would(hub: Hub, school: School, tenzin: Reader, usb: Path) -> None:
    file = pack(hub, tenzin, "shuanghu-3")
    fill(hub, usb, "shuanghu-3")
    on_stick = {path.relative_to(usb / "eduhub-courier").as_posix() for path in usb.rglob("*") if path.is_file()}
    found = names_in(file)
    assert set(found) == on_stick - {"written.txt"}
    assert len(found) == len(set(found))
    first_blob = next(at for at, name in enumerate(found) if name.startswith("blobs/"))
    assert found[first_blob - 1] == "about.json"


def test_unpacked_onto_a_stick_it_is_one(hub: Hub, box: Installation, school: School, tenzin: Reader, usb: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(hub, tenzin, "shuanghu-3"))) as found:
        found.extractall(usb, filter="data")
    assert bring(box, usb).missing == 0
    assert len(lessons_shown(box)) == 2


def test_the_files_of_a_stick_come_home_one_by_one_whatever_a_phone_calls_them(
    hub: Hub, box: Installation, school: School, tenzin: Reader, usb: Path
) -> None:
    fill(hub, usb, "shuanghu-3")
    bring(box, usb)
    watched = set(watch(box, school, 2))
    bring(box, usb)
    files = [(path.read_bytes(), path.name) for path in usb.rglob("*") if path.parent.name == "want" or path.suffix == ".sealed"]
    renamed = [(payload, name.replace(".sealed", " (1).sealed").replace(".json", " (2).json")) for payload, name in files]
    send(tenzin, f"{HUB}/home", [*renamed, (b"\xff\xd8 a photo", "IMG_0001.jpg")], page=HUB)
    work(hub.here)
    assert events_at(hub.here) == watched
    page = tenzin.get(HUB).text
    assert "From: shuanghu-3" in page
    assert "1 file is nothing that a box sends home" in page


def test_a_download_that_was_cut_goes_on(hub: Hub, school: School, tenzin: Reader) -> None:
    whole = pack(hub, tenzin, "shuanghu-3")
    address = tenzin.get(HUB).text.split(f'href="{HUB}/files/')[1].split('"')[0]
    first = tenzin.get(f"{HUB}/files/{address}", headers={"Range": "bytes=0-99999"})
    tag = first.headers["ETag"]
    assert (first.status_code, len(first.data)) == (206, 100_000)
    for start in (0, 1, 511, 512, 100_000, len(whole) - 1025, len(whole) - 1):
        rest = tenzin.get(f"{HUB}/files/{address}", headers={"Range": f"bytes={start}-", "If-Range": tag})
        assert rest.status_code == 206
        assert rest.data == whole[start:]
        assert rest.headers["Content-Range"] == f"bytes {start}-{len(whole) - 1}/{len(whole)}"
    other = tenzin.get(f"{HUB}/files/{address}", headers={"Range": "bytes=9-", "If-Range": '"another"'})
    assert (other.status_code, len(other.data)) == (200, len(whole))
    assert tenzin.get(f"{HUB}/files/{address}", headers={"Range": f"bytes={len(whole)}-"}).status_code == 416


def test_a_file_for_a_small_stick_has_what_is_needed_first(
    hub: Hub, box: Installation, school: School, tenzin: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pack(hub, tenzin, "shuanghu-3")
    monkeypatch.setattr(stick_making, "_STICKS", {4: 9})
    monkeypatch.setattr(exporting, "KEPT_FREE_BYTES", 9_000_000 - 130_000)  # of 9 MB, 130 KB are left for the lessons
    small = pack(hub, tenzin, "shuanghu-3", size="4")
    assert len(small) <= 9_000_000
    assert len(small) < len(whole)
    assert "did not fit. What is needed most is in the file." in tenzin.get(HUB).text


def test_a_blob_is_not_written_a_second_time(hub: Hub, school: School, tenzin: Reader) -> None:
    pack(hub, tenzin, "shuanghu-3")
    (key,) = left_over(hub.here)
    place = hub.here.settings.data_dir / "courier" / key
    found = [path for path in place.rglob("*") if path.parent.parent.name == "blobs"]
    assert len(found) == 12
    assert all(path.stat().st_ino == hub.here.blobs.file_id(path.name) for path in found)
    assert blobs_on(place) == {path.name for path in found}


def test_a_file_goes_after_two_days_and_what_nobody_waits_for_at_once(
    hub: Hub, school: School, tenzin: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(hub, tenzin, "shuanghu-3")
    here = hub.here
    with parcels.opened(here, parcels.new_key(here, parcels.CAME), make=True) as sent:  # its sender is at it
        assert jobs.sweep(here) == 0
    assert jobs.sweep(here) == 1
    assert not sent.exists()
    (key,) = left_over(here)
    monkeypatch.setattr(parcels, "KEPT_S", 0)  # two days later
    with parcels.opened(here, key):  # somebody is fetching it
        assert jobs.sweep(here) == 0
    assert jobs.sweep(here) == 1
    assert left_over(here) == []
    assert f"{HUB}/files/" not in tenzin.get(HUB).text
