"""A stick that was made to do harm: it leads nowhere out of itself, keeps nobody reading, and costs nothing but itself."""

import gzip
import os
import socket
import zlib
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub import clock
from eduhub.errors import BadFormat, EduHubError, NoCourier, StickBusy, StickFull, StickGone, StickReadOnly
from eduhub.installation import Installation
from eduhub.sync.courier import exporting, layout, sealing, stick, taking, trips, wants
from eduhub.sync.courier.stick import Stick
from eduhub.sync.models import Node
from tests.sync.sticks import blobs_on, bring, events_at, fill, lessons_shown, watch
from tests.sync.world import Hub, School

Spoil = Callable[[Path], None]
SECRET = b"what lies outside of the stick"


def as_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_socket(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    made = socket.socket(socket.AF_UNIX)
    made.bind(f"/proc/self/fd/{here}/{path.name}")
    made.close()
    os.close(here)


def as_folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_bytes(b"x")


def as_endless(path: Path) -> None:
    with path.open("wb") as file:
        os.truncate(file.fileno(), 1 << 42)


def as_device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("making a device needs root")


def as_bomb(path: Path) -> None:
    path.write_bytes(gzip.compress(bytes(8 << 20)))


KINDS: list[Spoil] = [as_link, as_pipe, as_socket, as_folder, as_endless, as_device, as_bomb]


def in_time(act: Callable[[], object]) -> None:
    began = clock.monotonic_s()
    act()
    assert clock.monotonic_s() - began < 30


@pytest.mark.parametrize("spoil", KINDS)
def test_nothing_in_the_place_of_a_file_stops_or_leads_out(
    hub: Hub, box: Installation, school: School, usb: Path, spoil: Spoil
) -> None:
    fill(hub, usb, "shuanghu-3")
    bring(box, usb)
    watched = set(watch(box, school, 2))
    bring(box, usb)
    files = [path for path in usb.rglob("*") if path.is_file()]
    assert len({path.parent.name for path in files}) > 8
    for path in files:
        path.unlink()
        spoil(path)
    in_time(lambda: ignoring(bring, hub.here, usb))
    assert events_at(hub.here) == set()
    in_time(lambda: ignoring(bring, box, usb))
    assert len(lessons_shown(box)) == 2
    for path in files:  # what is a folder, nobody removes
        if spoil is as_folder:
            (path / "inside").unlink(missing_ok=True)
            path.rmdir()
    in_time(lambda: fill(hub, usb, "shuanghu-3"))
    bring(box, usb)
    bring(hub.here, usb)
    assert events_at(hub.here) == watched


def ignoring(act: Callable[[Installation, Path], object], *arguments: object) -> None:
    """Do it; one of our own errors is a fair answer."""
    try:
        act(*arguments)  # type: ignore[arg-type]
    except EduHubError:
        return


@pytest.mark.parametrize("name", ["blobs", "catalog", "stream", "want", "home", "acks"])
def test_a_folder_that_leads_elsewhere_is_not_followed(
    hub: Hub, box: Installation, school: School, usb: Path, tmp_path: Path, name: str
) -> None:
    fill(hub, usb, "shuanghu-3")
    bring(box, usb)
    inside, outside = usb / "eduhub-courier" / name, tmp_path / "outside"
    inside.rename(outside)
    inside.symlink_to(outside)
    before = {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    for act in (lambda: bring(box, usb), lambda: bring(hub.here, usb), lambda: fill(hub, usb, "shuanghu-3")):
        try:
            act()
        except NoCourier:
            continue
    assert {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()} == before


def test_the_whole_folder_may_not_lead_elsewhere(hub: Hub, school: School, usb: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (usb / "eduhub-courier").symlink_to(tmp_path / "outside")
    with pytest.raises(NoCourier):
        fill(hub, usb, "shuanghu-3")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_link_in_the_place_of_what_is_being_written_is_replaced(hub: Hub, school: School, usb: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(SECRET)
    (usb / "eduhub-courier").mkdir()
    for name in ("about.json", "about.json.part", "written.txt"):
        (usb / "eduhub-courier" / name).symlink_to(outside)
    fill(hub, usb, "shuanghu-3")
    assert outside.read_bytes() == SECRET
    assert not (usb / "eduhub-courier" / "about.json").is_symlink()


def test_a_folder_of_countless_files_is_not_read_to_its_end(
    box: Installation, hub: Hub, school: School, usb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MAX_HOME_FILES", 50)
    fill(hub, usb, "shuanghu-3")
    bring(box, usb)
    (folder,) = (usb / "eduhub-courier" / "home").iterdir()
    incarnation = next(folder.iterdir()).name[:36]
    for number in range(500):
        (folder / f"{incarnation}-{number + 1000}-{number + 1000}.sealed").write_bytes(b"x" * 100)
    assert bring(hub.here, usb).refused <= 50


def test_a_blob_that_changes_while_it_is_read_is_given_up(hub: Hub, box: Installation, school: School, usb: Path) -> None:
    fill(hub, usb, "shuanghu-3")
    with Stick(usb) as opened:
        original, hashed = opened.hash_of, []

        def changing(parts: layout.Parts, size: int) -> str | None:
            found = original(parts, size)
            if parts[0] == layout.BLOBS and size == 60_000:  # a stick that shows one thing and then another
                hashed.append(parts)
                path = usb.joinpath(layout.FOLDER, *parts)
                path.write_bytes(bytes(size))
            return found

        opened.hash_of = changing  # type: ignore[method-assign]
        report = taking.take(box, opened, lambda _share: None)
    assert len(hashed) == 2
    assert report.missing == 2  # the video of each
    assert len(lessons_shown(box)) == 2
    hub.sync(box)
    with box.database.read() as session:
        assert wants.wanted.complete(session, lessons_shown(box)) == lessons_shown(box)


def test_one_bad_file_costs_itself_only(hub: Hub, box: Installation, school: School, usb: Path) -> None:
    fill(hub, usb, "shuanghu-3")
    folder = usb / "eduhub-courier"
    videos = [path for path in (folder / "blobs").rglob("*") if path.stat().st_size == 60_000]
    videos[0].write_bytes(bytes(60_000))
    videos[1].write_bytes(videos[1].read_bytes()[:50_000])
    next((folder / "stream").rglob("*.page")).with_name("1-0-999999.page").write_bytes(b"torn")
    report = bring(box, usb)
    assert (report.damaged, report.missing, report.refused) == (1, 2, ["stream"])
    assert len(lessons_shown(box)) == 2
    again = fill(hub, usb)  # the box asks for them still, so they are looked at again
    assert again.files == 2
    assert bring(box, usb).missing == 0


def test_a_full_stick_holds_what_is_needed_first(
    hub: Hub, box: Installation, school: School, usb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = exporting.KEPT_FREE_BYTES + 100_000

    def free(self: Stick) -> int:
        used = sum(path.stat().st_size for path in (usb / "eduhub-courier" / "blobs").rglob("*") if path.is_file())
        return room - used

    monkeypatch.setattr(Stick, "free", free)
    filled = fill(hub, usb, "shuanghu-3")
    assert not filled.is_whole
    assert (filled.left_out_floor, filled.left_out_better, filled.left_out_bytes) == (0, 2, 120_000)
    bring(box, usb)
    assert len(lessons_shown(box)) == 2
    room += 60_000
    assert fill(hub, usb).left_out_better == 0  # what the box has made room for what it lacks


def test_a_stick_without_any_room_says_so(hub: Hub, school: School, usb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullAfter(3_000)
    monkeypatch.setattr(stick, "_write_all", disk.write)
    with pytest.raises(StickFull):
        fill(hub, usb, "shuanghu-3")
    assert not list(usb.rglob("*.part"))


class FullAfter:
    """A disk that takes only so many bytes more."""

    def __init__(self, count: int) -> None:
        self._left = count

    def write(self, file: int, payload: bytes) -> None:
        os.write(file, payload[: self._left])
        self._left -= len(payload)
        if self._left < 0:
            raise OSError(28, "No space left on device")


def test_a_stick_that_cannot_be_written_to_is_read_all_the_same(
    hub: Hub, box: Installation, school: School, usb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(hub, usb, "shuanghu-3")
    bring(box, usb)
    watched = set(watch(box, school))
    bring(box, usb)

    def refuse(*_arguments: object, **_more: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(stick.os, "replace", refuse)
    home = bring(hub.here, usb)
    assert not home.acknowledged
    assert events_at(hub.here) == watched
    taken = bring(box, usb)
    assert (taken.gave, taken.why_not_given) == (False, StickReadOnly.code)
    with pytest.raises(StickReadOnly):
        fill(hub, usb, "shuanghu-3")


def test_a_stick_that_is_gone_ends_it_and_keeps_what_came(
    hub: Hub, box: Installation, school: School, usb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(hub, usb, "shuanghu-3")
    read, real = 0, os.pread

    def pread(file: int, count: int, at: int) -> bytes:
        nonlocal read
        if usb.name in os.readlink(f"/proc/self/fd/{file}"):
            read += 1
            if read > 12:  # all but the parts has been read: what of them cannot be read is five files in a row
                raise OSError(5, "Input/output error")
        return real(file, count, at)

    monkeypatch.setattr(stick.os, "pread", pread)
    with pytest.raises(StickGone):
        bring(box, usb)
    monkeypatch.undo()
    assert bring(box, usb).missing == 0


def test_only_one_is_at_a_stick(hub: Hub, box: Installation, school: School, usb: Path) -> None:
    fill(hub, usb, "shuanghu-3")
    with Stick(usb), pytest.raises(StickBusy):
        bring(box, usb)


def test_a_folder_that_is_not_there_is_a_stick_that_is_gone(hub: Hub, school: School, tmp_path: Path) -> None:
    with pytest.raises(StickGone):
        fill(hub, tmp_path / "nowhere", "shuanghu-3")


def test_a_stranger_in_the_boxs_name_brings_nothing_home(
    hub: Hub, box: Installation, make_box: Callable[[], Installation], school: School, usb: Path
) -> None:
    fill(hub, usb, "shuanghu-3")
    bring(box, usb)
    watch(box, school)
    bring(box, usb)
    other = make_box()
    theirs = hub.school("Nyima", children=1)
    hub.join(other, theirs, "nyima-1")
    (own,) = (usb / "eduhub-courier" / "home").iterdir()
    with other.database.read() as session:
        uid = session.query(Node).filter_by(name="nyima-1").one().uid
    own.rename(own.with_name(uid))
    home = bring(hub.here, usb)
    assert (home.rows, home.refused) == (0, 1)
    assert events_at(hub.here) == set()


def test_a_box_that_was_shut_out_brings_nothing_home(hub: Hub, box: Installation, school: School, usb: Path) -> None:
    fill(hub, usb, "shuanghu-3")
    bring(box, usb)
    watch(box, school)
    bring(box, usb)
    with hub.here.database.write() as session:
        session.query(Node).one().revoked_on = "2026-11-25"
    assert bring(hub.here, usb).refused == 1
    assert events_at(hub.here) == set()


@given(st.binary(max_size=200))
def test_no_bytes_are_a_want_list_but_those_that_its_box_signed(payload: bytes) -> None:
    with pytest.raises(EduHubError):
        wants.read(payload, "hub", Node(uid="node", signing_public="00" * 32))


@given(
    st.dictionaries(
        st.sampled_from(["made_s", "epoch", "catalog", "pages", "stream", "held", "partial"]),
        st.recursive(st.none() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
    )
)
def test_whatever_a_want_list_says_it_is_read_or_refused(document: dict[str, object]) -> None:
    try:
        want = wants.from_document(document)
    except BadFormat:
        return
    assert want.has_whole(1) in (True, False)


@given(st.sets(st.integers(1, 3000)), st.integers(0, 3000))
def test_what_is_said_to_be_held_is_just_that(held: set[int], end: int) -> None:
    said = b64encode(zlib.compress(wants._bits(sequence - 1 for sequence in held))).decode()
    want = wants.from_document(
        {"made_s": 1, "epoch": 1, "catalog": max(held, default=0) + end, "pages": 0, "stream": [1, 0], "held": said, "partial": {}}
    )
    assert {sequence for sequence in range(1, 6001) if want.has_whole(sequence)} == held


def test_a_want_list_that_unpacks_without_end_is_cut_off() -> None:
    bomb = b64encode(zlib.compress(b"\xff" * (64 << 20), 9)).decode()
    want = wants.from_document(
        {"made_s": 1, "epoch": 1, "catalog": 80, "pages": 0, "stream": [1, 0], "held": bomb, "partial": {}}
    )
    assert not want.has_whole(1000)


def test_what_was_sealed_to_an_older_key_of_the_hub_can_be_read(
    hub: Hub, box: Installation, school: School, usb: Path
) -> None:
    fill(hub, usb, "shuanghu-3")
    bring(box, usb)
    watched = set(watch(box, school))
    bring(box, usb)
    with hub.here.database.write() as session:
        sealing.rotate(session, hub.here)
    bring(hub.here, usb)
    assert events_at(hub.here) == watched
    fill(hub, usb)
    bring(box, usb)
    with box.database.read() as session, hub.here.database.read() as at_hub:
        assert sealing.stated_key(session) == sealing.stated_key(at_hub)
    later = set(watch(box, school))
    bring(box, usb)
    bring(hub.here, usb)
    assert events_at(hub.here) == watched | later


def test_twenty_sticks_at_once(hub: Hub, school: School, tmp_path: Path) -> None:
    folders = [tmp_path / f"usb{number}" for number in range(20)]
    for folder in folders[:-1]:
        folder.mkdir()
    shares: list[float] = []
    done = trips.each(
        hub.here, folders, lambda here, folder, move: trips.export(here, folder, nodes=("shuanghu-3",), on_progress=move),
        shares.append,
    )  # fmt: skip
    assert [trip.error is None for trip in done] == [True] * 19 + [False]
    assert len({frozenset(blobs_on(folder)) for folder in folders[:-1]}) == 1
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(19 / 20)
