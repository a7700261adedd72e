"""Canonical bytes, signatures and sealing."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub import signing
from eduhub.errors import BadFormat, BadSignature
from eduhub.signing import Signature, SigningKey

VECTORS = json.loads((Path(__file__).parents[2] / "docs/formats/vectors/signatures.json").read_text(encoding="utf-8"))
CONTEXT = "eduhub-test/1"

texts = st.text(st.characters(exclude_categories=("Cs",)))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


@given(value=values)
def test_what_is_written_canonically_reads_back(value: Any) -> None:
    payload = signing.canonical(value)
    assert signing.parse_canonical(payload) == value
    assert signing.canonical(json.loads(payload)) == payload


@pytest.mark.parametrize("vector", VECTORS["canonical"], ids=lambda vector: str(vector["name"]))
def test_the_canonical_vectors_hold(vector: dict[str, Any]) -> None:
    assert signing.canonical(vector["value"]).hex() == vector["bytes_hex"]


@pytest.mark.parametrize("payload", VECTORS["not_canonical"])
def test_bytes_that_are_not_canonical_are_refused(payload: str) -> None:
    with pytest.raises(BadFormat):
        signing.parse_canonical(payload.encode())


@pytest.mark.parametrize(
    "value", [0.5, 1.0, float("nan"), float("inf"), [{"a": 0.1}], 2**53, -(2**53), {1: "a"}, {"a": b"x"}, "\ud800", object(),
              {"\ud800": 1}]
)
def test_a_value_without_one_way_to_write_it_is_refused(value: object) -> None:
    with pytest.raises(BadFormat):
        signing.canonical(value)


def test_a_value_that_is_nested_too_deeply_is_refused() -> None:
    value: Any = 1
    for _ in range(5000):
        value = [value]
    with pytest.raises(BadFormat):
        signing.canonical(value)


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", b"[" * 100_000, b"1.0", b"NaN", b'{"a":1}' + b" ", b'{"a":1,"a":1}', b"\xef\xbb\xbf1",
                b'{"\\ud800":1}']
)
def test_bytes_that_are_no_json_of_ours_are_refused(payload: bytes) -> None:
    with pytest.raises(BadFormat):
        signing.parse_canonical(payload)


def test_more_bytes_than_allowed_are_not_even_read() -> None:
    with pytest.raises(BadFormat):
        signing.parse_canonical(b'"' + b"x" * 100 + b'"', max_bytes=50)


@pytest.mark.parametrize("vector", VECTORS["signatures"], ids=lambda vector: str(vector["name"]))
def test_the_signature_vectors_hold(vector: dict[str, Any]) -> None:
    key = SigningKey.from_seed(bytes.fromhex(vector["seed_hex"]))
    payload = bytes.fromhex(vector["payload_hex"])
    assert key.public.hex() == vector["public_hex"]
    assert key.sign(vector["context"], payload).as_json() == vector["signature"]
    signing.verify(key.public, vector["context"], payload, Signature.from_json(vector["signature"]))


@given(payload=st.binary(max_size=200), other=st.binary(max_size=200))
def test_a_signature_fits_its_payload_context_and_key_only(payload: bytes, other: bytes) -> None:
    key, stranger = SigningKey.from_seed(b"\1" * 32), SigningKey.from_seed(b"\2" * 32)
    signature = key.sign(CONTEXT, payload)
    signing.verify(key.public, CONTEXT, payload, signature)
    wrong: list[tuple[bytes, str, bytes, Signature]] = [
        (key.public, "eduhub-other/1", payload, signature),
        (stranger.public, CONTEXT, payload, signature),
        (stranger.public, CONTEXT, payload, Signature(stranger.id, signature.value)),
        (key.public, CONTEXT, payload + b"\0", signature),
        (key.public, CONTEXT, payload, Signature(key.id, "0" * 128)),
    ]
    if other != payload:
        wrong.append((key.public, CONTEXT, other, signature))
    for case in wrong:
        with pytest.raises(BadSignature):
            signing.verify(*case)


def test_context_and_payload_cannot_be_shifted_into_each_other() -> None:
    key = SigningKey.generate()
    with pytest.raises(BadSignature):
        signing.verify(key.public, "eduhub", b"-test\0x", key.sign("eduhub-test", b"x"))


@pytest.mark.parametrize(
    "found",
    [None, {}, [], {"key": "0" * 16}, {"key": "0" * 16, "value": "0" * 127}, {"key": "0" * 16, "value": "G" * 128},
     {"key": "A" * 16, "value": "0" * 128}, {"key": 0, "value": "0" * 128}],
)  # fmt: skip
def test_what_is_no_signature_is_refused(found: object) -> None:
    with pytest.raises(BadFormat):
        Signature.from_json(found)


@given(payload=st.binary(max_size=500))
def test_only_the_holder_of_the_key_unseals_and_only_for_the_same_purpose(payload: bytes) -> None:
    seed, other = signing.new_sealing_seed(), signing.new_sealing_seed()
    sealed = signing.seal(signing.sealing_public(seed), CONTEXT, payload)
    assert signing.unseal(seed, CONTEXT, sealed) == payload
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for case in ((other, CONTEXT, sealed), (seed, "eduhub-other/1", sealed), (seed, CONTEXT, changed), (seed, CONTEXT, b""),
                 (seed, CONTEXT, sealed[:31])):  # fmt: skip
        with pytest.raises(BadSignature):
            signing.unseal(*case)


def test_the_sealing_vector_opens() -> None:
    vector = VECTORS["sealed"]
    opened = signing.unseal(bytes.fromhex(vector["seed_hex"]), vector["context"], bytes.fromhex(vector["sealed_hex"]))
    assert opened.hex() == vector["payload_hex"]
    assert signing.sealing_public(bytes.fromhex(vector["seed_hex"])).hex() == vector["public_hex"]


def test_a_key_reads_back_from_its_seed() -> None:
    key = SigningKey.generate()
    again = SigningKey.from_seed(key.seed)
    assert (again.public, again.id) == (key.public, key.id)
    assert key.id == signing.sha256_hex(key.public)[:16]
