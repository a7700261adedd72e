"""The documents of nodes, school stream, outbox and backup, held by vectors that any other reader can use."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eduhub.delivery.chest import write_key
from eduhub.delivery.trust import Keyring, Trusted
from eduhub.installation import Installation
from eduhub.ops import backup_files
from eduhub.signing import Signature, SigningKey, canonical, key_id, sha256_hex, verify
from eduhub.sync import auth
from eduhub.sync.boxes import nodes
from eduhub.sync.courier import acks, sealing, wants
from eduhub.sync.homeward import inbox
from eduhub.sync.models import Node, StreamPage
from eduhub.sync.school_stream import applying, stream_pages

VECTORS = Path(__file__).parents[2] / "docs" / "formats" / "vectors"


def vectors(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_bytes())


def check_signed(found: dict[str, Any]) -> Any:
    """The document of one signed vector, after its canonical form and signature were checked."""
    document = json.loads(found["signed_text"])
    assert canonical(document) == found["signed_text"].encode()
    verify(bytes.fromhex(found["public"]), found["context"], canonical(document), Signature.from_json(found["signature"]))
    return document


def test_codes_certificates_requests_and_times_are_as_documented() -> None:
    found = vectors("nodes")
    code = found["code"]
    assert nodes.fingerprint(bytes.fromhex(code["root_public"])) == code["fingerprint"]
    assert nodes.read_code(code["typed"]) == (code["random"], code["fingerprint"])
    assert sha256_hex(b"eduhub-join-code/1\0" + code["random"].encode()) == code["hash"]
    certificate = check_signed(found["certificate"])
    assert nodes.read_certificate({"certificate": certificate, "signature": found["certificate"]["signature"]})[0] == certificate
    check_signed(found["join_request"])
    check_signed(found["time"])
    asked = found["request"]
    key = SigningKey.from_seed(bytes.fromhex(found["seeds"]["node_signing"]))
    line = auth.header(key, asked["node"], asked["nonce"], asked["method"], asked["target"], asked["body"].encode())
    assert line == asked["authorization"]


def test_a_page_of_the_school_stream_is_as_documented() -> None:
    found = vectors("school-stream")
    document = check_signed(found["page"])
    public = bytes.fromhex(found["page"]["public"])
    trusted = {found["page"]["signature"]["key"]: Trusted(public, frozenset({"stream"}), 1)}
    ring = Keyring(found["hub"], b"\0" * 32, trusted)
    page = stream_pages.open_page(bytes.fromhex(found["sealed"]), bytes.fromhex(found["node_sealing_seed"]), ring)
    assert page.payload == canonical(document)
    assert (page.after, page.upto, page.more) == (0, 2, False)
    assert applying.fields_of(page.entries[0])[0].value == "卓玛"


def test_a_batch_and_its_acknowledgement_are_as_documented() -> None:
    found = vectors("outbox")
    body = bytes.fromhex(found["batch"])
    assert inbox.unpack(body) == found["document"]
    assert check_signed(found["acknowledgement"])["batch"] == sha256_hex(body)


def test_what_a_stick_carries_is_as_documented(make_installation: Callable[..., Installation]) -> None:
    found, hub = vectors("courier"), make_installation(role="hub")
    node = Node(uid=found["node"], signing_public=found["public"]["node_signing"])
    write_key(hub.keys.folder / "hub-sealing.key", bytes.fromhex(found["seeds"]["hub_sealing"]))
    letter = sealing.open_letter(hub, found["hub"], node, bytes.fromhex(found["letter"]["sealed"]))
    assert letter == sealing.Letter(found["letter"]["kind"], bytes.fromhex(found["letter"]["body"]))
    key = bytes.fromhex(found["public"]["publishing"])
    ring = Keyring(found["hub"], b"\0" * 32, {key_id(key): Trusted(key, frozenset({"stream"}), 1)})
    said = found["acknowledgement"]
    assert acks.read(said["file"].encode(), ring, found["node"], said["epoch"]).contiguous == said["contiguous"]
    assert acks.read(said["file"].encode(), ring, found["node"], said["epoch"] + 1).contiguous == {}
    want = wants.read(found["want"]["file"].encode(), found["hub"], node)
    assert all(want.has_whole(sequence) for sequence in found["want"]["whole"])
    assert not any(want.has_whole(sequence) for sequence in found["want"]["not_whole"])
    assert [number for number in range(20) if want.has_part(5, number)] == found["want"]["parts_of_5"]


def test_a_table_of_a_backup_is_as_documented(tmp_path: Path) -> None:
    found = vectors("backup")
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / f"{found['table']}.jsonl").write_text("".join(f"{line}\n" for line in found["lines"]))
    table: Any = StreamPage.__table__
    (row,) = backup_files.rows_of(tmp_path, {"tables": "t"}, table)
    row["payload_hex"] = row.pop("payload").hex()
    assert row == found["row"]
