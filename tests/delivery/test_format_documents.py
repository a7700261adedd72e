"""The vectors of docs/formats: the code agrees with them, and so does a reader written from the documents alone."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from eduhub.delivery import catalog, keys, package, passes
from eduhub.delivery.chain import Entry, SignedHead, read_page
from eduhub.delivery.trust import Keyring
from eduhub.errors import BadFormat, BadSignature, EduHubError, PassRefused
from eduhub.signing import Signature, SigningKey, canonical

from .conftest import HUB, Machine
from .make_vectors import FOLDER, MADE, text_of


def vectors(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def written(value: Any) -> str:
    """Canonical JSON as the documents describe it; enough for keys in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def check_by_the_book(public: bytes, context: str, text: str, signature: dict[str, str]) -> None:
    """Ed25519 over context, a zero byte, the canonical text; the key is named by its hash."""
    assert hashlib.sha256(public).hexdigest()[:16] == signature["key"]
    Ed25519PublicKey.from_public_bytes(public).verify(
        bytes.fromhex(signature["value"]), context.encode() + b"\0" + text.encode()
    )


def public_of(seed: str) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).public_key().public_bytes_raw()


@pytest.mark.parametrize("name", sorted(MADE))
def test_the_vectors_are_what_the_code_writes_today(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == text_of(name)


@pytest.mark.parametrize("name", ["blobs", "catalog", "keys", "packages", "passes"])
def test_every_format_of_delivery_has_its_document(name: str) -> None:
    text = (FOLDER.parent / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    for other in MADE:
        assert f"vectors/{other}.json" not in text or (FOLDER / f"{other}.json").exists()


# --- by the book: no code of ours ---------------------------------------------------


def test_statements_and_heads_verify_with_nothing_but_the_documents() -> None:
    found = vectors("keys")
    root = bytes.fromhex(found["root"]["public"])
    assert public_of(found["seeds"]["root"]) == root
    for (_, kind, body), signed in zip(found["entries"], found["signed_bytes"], strict=True):
        text = written(body["statement"])
        assert bytes.fromhex(signed) == f"eduhub-{kind}/1\0{text}".encode()
        check_by_the_book(root, f"eduhub-{kind}/1", text, body["signature"])
    found = vectors("catalog")
    head = found["head"]
    check_by_the_book(
        public_of(vectors("keys")["seeds"]["first"]), "eduhub-head/1", written(head["head"]), head["signature"]
    )
    check_by_the_book(
        root, "eduhub-epoch/1", written(found["epoch"]["statement"]["statement"]), found["epoch"]["statement"]["signature"]
    )


def test_the_chain_is_whole_by_the_book() -> None:
    found = vectors("catalog")
    previous = "0" * 64
    for number, (text, hash_) in enumerate(zip(found["entries"], found["hashes"], strict=True), start=1):
        entry = json.loads(text)
        assert (entry["sequence"], entry["previous"], sha256(text)) == (number, previous, hash_)
        previous = hash_
    assert found["head"]["head"]["hash"] == previous
    assert json.loads(found["page"]) == {
        "format": "eduhub-catalog-page/1", "number": 0, "entries": [json.loads(text) for text in found["entries"]]
    }  # fmt: skip
    assert written(json.loads(found["page"])) == found["page"]


def test_the_package_is_whole_by_the_book() -> None:
    found = vectors("package")
    assert sha256(found["manifest"]) == found["id"]
    assert written(json.loads(found["manifest"])) == found["manifest"]
    check_by_the_book(public_of(found["seed"]), "eduhub-package/1", found["manifest"], found["signature"])
    payload = bytes(number % 251 for number in range(300_000))
    pieces = b"".join(hashlib.sha256(payload[at : at + 131_072]).digest() for at in range(0, 300_000, 131_072))
    assert pieces.hex() == found["piece_list"]["list"]
    assert hashlib.sha256(pieces).hexdigest() == found["piece_list"]["sha256"]


def test_passes_are_right_by_the_book() -> None:
    found = vectors("passes")
    for made in found["passes"]:
        shown = f"1.{made['audience']}.{made['expires']}.{made['person'] or '-'}"
        mac = hmac.new(
            bytes.fromhex(found["secret"]), f"eduhub-pass/1\0{made['package']}\0{shown}".encode(), hashlib.sha256
        ).digest()  # fmt: skip
        assert made["token"] == f"{shown}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


# --- the code -----------------------------------------------------------------------


def test_the_keyring_trusts_what_the_vectors_say() -> None:
    found = vectors("keys")
    ring = Keyring(found["hub"], bytes.fromhex(found["root"]["public"]))
    for sequence, kind, body in found["entries"]:
        ring = ring.with_entry(kind, body, sequence)
    for asked in found["may_sign"]:
        question = {"scope": asked["scope"], "sequence": asked["sequence"]}
        if asked["trusted"]:
            assert ring.public_key(asked["key"], **question)
        else:
            with pytest.raises(BadSignature):
                ring.public_key(asked["key"], **question)
    for wrong in found["refused"]:
        with pytest.raises((BadSignature, BadFormat)):
            ring.with_entry(wrong["kind"], wrong["body"], 9)


def test_manifests_of_the_vectors_are_read_or_refused() -> None:
    found = vectors("package")
    payload = found["manifest"].encode()
    manifest = package.Manifest.from_bytes(payload)
    assert manifest.to_bytes() == payload
    assert manifest.extra == {"mood": {"later": ["kept", 1, None]}}
    assert (manifest.total_bytes(), manifest.total_bytes(floor=True)) == (found["bytes"], found["floor_bytes"])
    assert [part.name for part in manifest.floor_parts] == found["floor"]
    assert package.sign(payload, SigningKey.from_seed(bytes.fromhex(found["seed"]))) == Signature.from_json(found["signature"])
    for wrong in found["refused"]:
        with pytest.raises(BadFormat):
            package.Manifest.from_bytes(wrong["manifest"].encode())


def test_passes_of_the_vectors_are_taken_or_refused() -> None:
    found = vectors("passes")
    secret = bytes.fromhex(found["secret"])
    for made in found["passes"]:
        assert passes.check(secret, made["token"], made["package"], 999).audience == made["audience"]
    for wrong in found["refused"]:
        with pytest.raises(PassRefused):
            passes.check(secret, wrong["token"], wrong["package"], wrong["now"])


@pytest.fixture
def box(make_installation: Any) -> Any:
    """A box that pinned the root of the vectors."""

    def make() -> Machine:
        machine = Machine(make_installation(role="node"))
        with machine.here.database.write() as session:
            keys.pin_root(session, bytes.fromhex(vectors("catalog")["root"]), HUB)
        return machine

    return make


def entries_of(texts: list[str]) -> list[Entry]:
    return [Entry.from_value(json.loads(text)) for text in texts]


def test_a_box_takes_in_the_catalog_of_the_vectors_and_its_new_epoch(box: Any) -> None:
    found, machine = vectors("catalog"), box()
    entries = read_page(found["page"].encode(), 0)
    assert [entry.hash for entry in entries] == found["hashes"]
    assert machine.accept(SignedHead.from_json(found["head"]), entries) == 3
    with machine.here.database.write() as session:
        catalog.start_epoch(session, keys.keyring(session), found["epoch"]["statement"])
    after = entries_of(found["epoch"]["entries"])
    assert machine.accept(SignedHead.from_json(found["epoch"]["head"]), after) == 1


@pytest.mark.parametrize("wrong", vectors("catalog")["refused"], ids=lambda wrong: wrong["why"])
def test_a_box_refuses_what_the_vectors_say(box: Any, wrong: dict[str, Any]) -> None:
    machine, held = box(), entries_of(wrong["held"])
    first = SigningKey.from_seed(bytes([2]) * 32)
    value = {
        "format": "eduhub-head/1", "hub": HUB, "epoch": 1, "sequence": held[-1].sequence, "hash": held[-1].hash
    }  # fmt: skip
    signature = first.sign("eduhub-head/1", canonical(value))
    machine.accept(SignedHead(HUB, 1, held[-1].sequence, held[-1].hash, signature), held)
    with pytest.raises(EduHubError) as refusal:
        machine.accept(SignedHead.from_json(wrong["head"]), entries_of(wrong["offered"]))
    assert refusal.value.code == wrong["error"]
    assert machine.sequence == len(held)
