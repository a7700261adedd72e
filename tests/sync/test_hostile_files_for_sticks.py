"""A file that was made to do harm, was cut, or is not for this box: it is refused in words, and leaves nothing behind."""

import io
import os
import tarfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.delivery import room
from eduhub.errors import NoStickFile, NotFound
from eduhub.installation import Installation
from eduhub.sync import rounds
from eduhub.sync.courier import packed, parcels, tar
from eduhub.sync.courier.parcels import Parcel
from tests.sync.parcels import left_over, made_of, reader, send, work
from tests.sync.sticks import bring, events_at, fill, lessons_shown, watch
from tests.sync.world import Hub, School
from tests.web.world import Reader

HUB, BOX = "/operator/sticks", "/box/sticks"
UID = "0190a0a0-0000-7000-8000-000000000000"
ABOUT, WANT = "eduhub-courier/about.json", f"eduhub-courier/want/{UID}.json"
HOME = "/".join(("eduhub-courier", "home", UID, f"{UID}-1-100000000000001.sealed"))
BLOB = "eduhub-courier/blobs/" + "a" * 2 + "/" + "a" * 64
REFUSED = "This is no file of EduHub for a stick, or it is not whole."


@pytest.fixture
def pema(box: Installation, school: School) -> Reader:
    return reader(box, "Pema", school.org, "school_admin")


@pytest.fixture
def tenzin(hub: Hub) -> Reader:
    return reader(hub.here, "Tenzin", hub.region, "operator", "all")


def members(payload: bytes) -> list[tuple[str, bytes]]:
    """What the reader finds."""
    found = tar.Reader(io.BytesIO(payload).read).members()
    return [("/".join(member.parts), b"".join(member.blocks)) for member in found]


def made_with(kind: bytes, name: str = ABOUT, link: str = "", size: int = 0) -> bytes:
    """A .tar with one member of a kind."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, link, size
        made.addfile(member)
    return out.getvalue()


def with_size(payload: bytes, field: bytes) -> bytes:
    """The first member's size in other words, under a good checksum."""
    block = bytearray(payload[:512])
    block[124:136] = field.ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + payload[512:]


GOOD = made_of({ABOUT: b"{}", BLOB: b"x" * 700})
HOSTILE = {
    "a symbolic link": made_with(tarfile.SYMTYPE, link="/etc/passwd"),
    "a hard link": made_with(tarfile.LNKTYPE, link="/etc/passwd"),
    "a device": made_with(tarfile.CHRTYPE),
    "a pipe": made_with(tarfile.FIFOTYPE),
    "a file with holes": made_with(tarfile.GNUTYPE_SPARSE),
    "a folder with bytes": made_with(tarfile.DIRTYPE, size=5) + b"12345",
    "an absolute path": made_of({"/etc/cron.d/x": b"x"}),
    "a path upwards": made_of({"eduhub-courier/../../x": b"x"}),
    "a path upwards in a long name": made_of({"eduhub-courier/" + "../" * 60 + "x": b"x"}, tarfile.GNU_FORMAT),
    "a path upwards in words of pax": made_of({"eduhub-courier/" + "../" * 60 + "\u00e9": b"x"}, tarfile.PAX_FORMAT),
    "a backslash": made_of({"eduhub-courier\\about.json": b"x"}),
    "a name that comes twice": GOOD[:1024] + GOOD,
    "a size that is no number": with_size(GOOD, b"12x4"),
    "a size below nothing": with_size(GOOD, b"-0000000010"),
    "a size in another tongue": with_size(GOOD, b"\x80" + b"\xff" * 11),
    "a size beyond the file": with_size(GOOD, b"77777777"),
    "a size beyond all bounds": with_size(made_of({BLOB: b"x"}), b"777777777777"),
    "more than a want-list has": made_of({WANT: b"x" * (300 << 10)}),
    "a header in which nothing is true": b"\x00" * 100 + b"x" * 412 + GOOD,
    "no end": GOOD[: 1024 + 512 + 1024],
    "something behind the end": GOOD.rstrip(b"\0").ljust(4096, b"\0") + b"\0" * 1024 + b"PK\3\4",
    "something between two members": GOOD[:514] + b"x" + GOOD[515:],
    "an endless header": made_with(tarfile.XHDTYPE, size=1 << 30),
    "nothing": b"",
    "a video": b"\x00\x00\x00\x18ftypmp42" + b"m" * 4000,
}


@pytest.mark.parametrize("what", list(HOSTILE))
def test_a_hostile_file_is_refused(what: str) -> None:
    with pytest.raises(NoStickFile):
        members(HOSTILE[what])


def test_what_other_programs_make_of_a_stick_is_read() -> None:
    files = {"./" + ABOUT: b"{}", BLOB: b"x" * 700, HOME: b"sealed", "eduhub-courier/._about.json": b"mac", "System/Info": b""}
    known = [(name.partition("eduhub-courier/")[2], payload) for name, payload in files.items()][:3]
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert members(made_of(files, form)) == known


def test_what_is_written_is_what_the_standard_library_reads(tmp_path: Path, box: Installation) -> None:
    with Parcel(tmp_path, box) as parcel:
        parcel.write(("home", UID, f"{UID}-1-100000000000001.sealed"), [b"sealed"])
        parcel.write(("blobs", "aa", "a" * 64), [b"x" * 512])
        parcel.write(("something", "else"), [b"x"])
    made = packed.of(tmp_path, 1_800_000_000)
    whole = b"".join(made.read(0, made.length))
    assert len(whole) == made.length
    with tarfile.open(fileobj=io.BytesIO(whole)) as found:
        assert {member.name: (member.size, member.mtime) for member in found} == {
            HOME: (6, 1_800_000_000), BLOB: (512, 1_800_000_000),
        }  # fmt: skip
    assert [f"eduhub-courier/{name}" for name, _payload in members(whole)] == [HOME, BLOB]


@given(st.data())
def test_whatever_is_done_to_a_file_it_is_read_or_refused(data: st.DataObject) -> None:
    payload = bytearray(GOOD)
    for _change in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, 1100))
        what = data.draw(st.binary(max_size=12))
        payload[at : at + len(what)] = what
    if data.draw(st.booleans()):  # a hostile hand reckons the checksum anew
        payload[148:156] = b" " * 8
        payload[148:156] = b"%06o\0 " % sum(payload[:512])
    steps = data.draw(st.lists(st.integers(1, 600), min_size=1, max_size=8))
    stream, turn = io.BytesIO(bytes(payload)), iter(range(10**9))

    def read(count: int) -> bytes:
        return stream.read(min(count, steps[next(turn) % len(steps)]))

    try:
        for member in tar.Reader(read).members():
            assert member.parts[0] in {"about.json", "blobs", "want", "home", "acks", "grants", "catalog", "stream"}
            assert ".." not in member.parts
            assert len(b"".join(member.blocks)) == member.size
    except NoStickFile:
        pass


@given(st.binary(max_size=3000))
def test_noise_is_refused(payload: bytes) -> None:
    with pytest.raises(NoStickFile):
        members(payload)


@pytest.mark.parametrize("what", ["a symbolic link", "a path upwards", "no end", "nothing", "a video"])
def test_at_a_box_it_is_said_in_words_and_nothing_is_left(box: Installation, pema: Reader, what: str) -> None:
    answer = send(pema, f"{BOX}/file", [(HOSTILE[what], "eduhub.tar")], page=BOX)
    assert answer.status_code == 422
    assert REFUSED in answer.text
    assert left_over(box) == []
    work(box)
    assert "Read a file" not in pema.get(BOX).text


def test_a_cut_line_leaves_nothing(box: Installation, pema: Reader) -> None:
    boundary, token = "b" * 20, pema.csrf(BOX)
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.tar"\r\n\r\n'
    ).encode() + GOOD[:1200]
    answer = pema.client.post(
        f"{BOX}/file", input_stream=io.BytesIO(body), content_type=f"multipart/form-data; boundary={boundary}",
        environ_overrides={"CONTENT_LENGTH": str(len(body) + 9000)},
    )  # fmt: skip
    assert answer.status_code == 400
    assert "The connection ended before the whole file had arrived." in answer.text
    assert left_over(box) == []


def test_a_form_without_this_sessions_token_is_not_read(box: Installation, hub: Hub, pema: Reader, tenzin: Reader) -> None:
    for who, here, address in ((pema, box, f"{BOX}/file"), (tenzin, hub.here, f"{HUB}/home")):
        for token in ("", "x" * 56, "AAAA"):
            data = {"csrf_token": token, "file": (io.BytesIO(GOOD), "a.tar")}
            assert who.client.post(address, data=data, content_type="multipart/form-data").status_code == 400
        assert who.client.post(address, data={"file": (io.BytesIO(GOOD), "a.tar")}, content_type="multipart/form-data").status_code == 400
        assert left_over(here) == []


def test_without_room_nothing_is_begun(box: Installation, pema: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    spare = box.settings.disk_spare_mb * 1_000_000
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _place: usage(10**12, 0, spare + 30_000))
    answer = send(pema, f"{BOX}/file", [(made_of({BLOB: b"x" * 20_000}), "a.tar")], page=BOX)
    assert answer.status_code == 507
    assert "There is no room for this file" in answer.text
    assert left_over(box) == []
    assert "The box has room for a file of 0" in pema.get(BOX).text


def test_a_disk_that_fills_up_meanwhile_keeps_nothing_of_the_file(
    box: Installation, pema: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    def full(handle: int, payload: bytes) -> int:
        if "/courier/" in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(28, "No space left on device")
        return real(handle, payload)

    monkeypatch.setattr(os, "write", full)
    answer = send(pema, f"{BOX}/file", [(GOOD, "a.tar")], page=BOX)
    assert answer.status_code == 507
    assert "The disk is full." in answer.text
    monkeypatch.undo()
    assert left_over(box) == []


def test_more_than_a_box_sends_home_is_refused(hub: Hub, tenzin: Reader) -> None:
    answer = tenzin.client.post(
        f"{HUB}/home", input_stream=io.BytesIO(b"x"), content_type="multipart/form-data; boundary=b",
        environ_overrides={"CONTENT_LENGTH": "70000000"},
    )  # fmt: skip
    assert answer.status_code == 413
    assert "at most 64 MB are taken" in answer.text


def test_no_file_chosen_is_said(hub: Hub, box: Installation, tenzin: Reader, pema: Reader) -> None:
    for who, here, page, address in ((tenzin, hub.here, HUB, f"{HUB}/home"), (pema, box, BOX, f"{BOX}/file")):
        assert send(who, address, [(b"", "")], page=page).status_code == 303
        assert "Choose a file first." in who.get(page).text
        assert left_over(here) == []


def test_the_countys_own_file_sent_home_brings_nothing_and_does_no_harm(
    hub: Hub, box: Installation, school: School, tenzin: Reader, usb: Path
) -> None:
    fill(hub, usb, "shuanghu-3")
    whole = {path.relative_to(usb).as_posix(): path.read_bytes() for path in usb.rglob("*") if path.is_file()}
    send(tenzin, f"{HUB}/home", [(made_of(whole), "a.tar")], page=HUB)
    work(hub.here)
    page = tenzin.get(HUB).text
    assert "There was nothing on it that is not here already." in page
    assert "are nothing that a box sends home" in page
    assert left_over(hub.here) == []


def test_a_letter_that_was_changed_on_the_way_is_said_and_the_others_are_taken(
    hub: Hub, box: Installation, school: School, tenzin: Reader, usb: Path
) -> None:
    fill(hub, usb, "shuanghu-3")
    watched = set(watch(box, school, 2))
    bring(box, usb)
    files = {path.relative_to(usb).as_posix(): path.read_bytes() for path in usb.rglob("*") if "home" in path.parts and path.is_file()}
    name, payload = next(iter(files.items()))
    spoilt = name.replace("-1-", "-900001-")
    send(tenzin, f"{HUB}/home", [(made_of(files | {spoilt: payload[:-9] + b"something"}), "a.tar")], page=HUB)
    work(hub.here)
    assert events_at(hub.here) == watched
    assert "or damaged; they were left alone." in tenzin.get(HUB).text


def test_a_file_of_another_county_changes_nothing(
    hub: Hub, box: Installation, school: School, pema: Reader, make_installation: Callable[..., Installation], usb: Path
) -> None:
    stranger = Hub(make_installation(role="hub"))
    theirs = stranger.school("Nyima")
    stranger.join(make_installation(role="node"), theirs, "nyima-1")
    fill(stranger, usb, "nyima-1")
    whole = {path.relative_to(usb).as_posix(): path.read_bytes() for path in usb.rglob("*") if path.is_file()}
    send(pema, f"{BOX}/file", [(made_of(whole), "a.tar")], page=BOX)
    work(box)
    assert "This stick belongs to another county." in pema.get(BOX).text
    assert left_over(box) == []
    assert lessons_shown(box) == set()


def test_a_box_that_fetches_over_its_link_takes_the_file_afterwards(
    hub: Hub, box: Installation, school: School, pema: Reader, usb: Path
) -> None:
    fill(hub, usb, "shuanghu-3")
    whole = {path.relative_to(usb).as_posix(): path.read_bytes() for path in usb.rglob("*") if path.is_file()}
    send(pema, f"{BOX}/file", [(made_of(whole), "a.tar")], page=BOX)
    with rounds.one_at_a_time(box) as is_first:
        assert is_first
        work(box)
    assert len(left_over(box)) == 1
    assert "waiting" in pema.get(BOX).text


def test_only_the_key_of_a_parcel_opens_one(box: Installation) -> None:
    for key in ("../keys", "/etc", "", "packed-1-0000000", "came-1-00000000/../x", "packed-1-00000000\n"):
        assert not parcels.is_key(key)
        parcels.remove(box, key)
        with pytest.raises(NotFound), parcels.opened(box, key, make=True):
            pass
    assert (box.settings.data_dir / "keys").is_dir()
