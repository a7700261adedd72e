"""What a stick says that no hub and no box of ours can have written: it is passed over, and everything beside it is taken."""

import json
from pathlib import Path

import pytest

from eduhub.delivery import chain
from eduhub.delivery.chain import PAGE_FORMAT
from eduhub.delivery.trust import keyring
from eduhub.installation import Installation
from eduhub.signing import canonical
from eduhub.sync import catalog_reading
from eduhub.sync.courier import layout, sealing, wants
from eduhub.sync.models import Node
from tests.sync.sticks import bring, events_at, fill, lessons_shown, watch
from tests.sync.world import Hub, School


@pytest.mark.parametrize("version", ["0.3.0\x00", "0.3.0\ud800"])
def test_a_want_list_of_one_box_with_what_no_database_stores_stops_nobody_elses(
    hub: Hub, box: Installation, school: School, usb: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    watched = with_rows_on(hub, box, school, usb)
    with monkeypatch.context() as changed:
        changed.setattr(wants, "__version__", version)
        changed.setattr(wants, "canonical", as_careless)  # a box that was taken over checks nothing
        bring(box, usb)
    assert bring(hub.here, usb).refused == 1
    assert events_at(hub.here) == watched


@pytest.mark.parametrize("payload", ["\ud800", "\x00"])
def test_a_page_given_back_with_what_no_hub_wrote_stops_nobody_elses(
    hub: Hub, box: Installation, school: School, usb: Path, payload: str
) -> None:
    watched = with_rows_on(hub, box, school, usb)
    with box.database.read() as session:
        node_uid, public = session.query(Node).one().uid, sealing.stated_key(session)
        hub_uid = keyring(session).hub_uid
    assert public is not None
    body = json.dumps({"payload": payload, "signature": {"key": "0" * 16, "value": "0" * 128}}).encode()
    letter = sealing.Letter(sealing.PAGE, body)
    sealed = sealing.seal_letter(public, box.keys.node_signing, hub=hub_uid, node_uid=node_uid, letter=letter)
    usb.joinpath("eduhub-courier", *layout.page_home(node_uid, 7)).write_bytes(sealed)
    assert bring(hub.here, usb).refused == 1
    assert events_at(hub.here) == watched


def with_rows_on(hub: Hub, box: Installation, school: School, usb: Path) -> set[str]:
    """A stick that brings something home; returns what."""
    fill(hub, usb, "shuanghu-3")
    bring(box, usb)
    watched = set(watch(box, school))
    bring(box, usb)
    return watched


def as_careless(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def test_pages_of_a_false_catalog_are_not_kept_for_the_link(hub: Hub, box: Installation, school: School, usb: Path) -> None:
    fill(hub, usb, "shuanghu-3")
    folder = usb / "eduhub-courier"
    said = json.loads((folder / "about.json").read_bytes())
    said["head"]["head"]["sequence"], said["head"]["signature"]["key"] = 600, "0" * 16
    (folder / "about.json").write_text(json.dumps(said))
    entry = {"sequence": 1, "epoch": 1, "kind": "x", "version": 1, "body": {}, "previous": "0" * 64}
    page = {"format": PAGE_FORMAT, "number": 0, "entries": [entry | {"sequence": number} for number in range(1, 257)]}
    (folder / "catalog" / "1-0-256.json").write_bytes(canonical(page))
    assert "catalog" in bring(box, usb).refused
    assert not list((box.settings.data_dir / "work").glob("catalog-*"))
    assert hub.sync(box).catalog_entries
    assert len(lessons_shown(box)) == 2


@pytest.mark.parametrize("key", ["one that is known here", "0" * 16])
def test_a_catalog_without_end_is_not_read_into_memory(
    hub: Hub, box: Installation, school: School, usb: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(catalog_reading, "MOST_BYTES", 100_000)
    monkeypatch.setattr(catalog_reading, "MOST_UNPROVED_PAGES", 1)
    fill(hub, usb, "shuanghu-3")
    folder = usb / "eduhub-courier"
    if key == "0" * 16:
        said = json.loads((folder / "about.json").read_bytes())
        said["head"]["head"]["sequence"], said["head"]["signature"]["key"] = 256 * 50, key
        (folder / "about.json").write_text(json.dumps(said))
        pages = {number: f"1-{number}-{(number + 1) * 256}.json" for number in range(50)}
    else:  # a true head, and false pages that lead to it
        pages = {0: next((folder / "catalog").iterdir()).name}
    for number, name in pages.items():
        entry = {"epoch": 1, "kind": "x", "version": 1, "body": "x" * 20_000, "previous": "0" * 64}
        entries = [entry | {"sequence": number * 256 + place} for place in range(1, 257)]
        (folder / "catalog" / name).write_bytes(canonical({"format": PAGE_FORMAT, "number": number, "entries": entries}))
    read: list[int] = []
    original = chain.read_page

    def counted(payload: bytes, number: int) -> list[chain.Entry]:
        read.append(number)
        return original(payload, number)

    monkeypatch.setattr(catalog_reading.catalog, "read_page", counted)
    assert "catalog" in bring(box, usb).refused
    assert read == [0]
