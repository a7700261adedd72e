"""Grants and what is asked of mirrors, held by vectors that any other reader can use."""

import json

from eduhub.delivery.trust import Keyring, Trusted
from eduhub.signing import SigningKey
from eduhub.sync import auth
from eduhub.sync.mirrors import grants, holdings
from tests.sync.test_vectors import check_signed, vectors


def test_a_grant_and_its_summary_are_as_documented() -> None:
    found = vectors("mirrors")
    document = check_signed(found["grant"])
    public = bytes.fromhex(found["grant"]["public"])
    ring = Keyring(document["hub"], b"\0" * 32, {found["grant"]["signature"]["key"]: Trusted(public, frozenset({"nodes"}), 1)})
    grant = grants.read(ring, {"grant": document, "signature": found["grant"]["signature"]})
    assert (grant.node_uid, sorted(grant.courses)) == (found["request"]["node"], document["courses"])
    assert grant.until_ms - grant.made_ms == grants.LASTS_MS
    assert grants._hash(document["courses"]) == found["held"]["courses"]


def test_a_request_to_a_mirror_is_as_documented() -> None:
    found = vectors("mirrors")
    asked, key = found["request"], SigningKey.from_seed(bytes.fromhex(found["seeds"]["node_signing"]))
    line = auth.header(key, asked["node"], asked["nonce"], asked["method"], asked["target"], asked["body"].encode())
    assert line == asked["authorization"]
    assert json.loads(asked["body"])["grant"]["grant"] == json.loads(found["grant"]["signed_text"])


def test_holdings_are_as_documented() -> None:
    found = vectors("mirrors")["holdings"]
    assert holdings.write(found["files"], found["held"]) == found["digits"]
    assert holdings.read(found["files"], found["digits"]) == set(found["held"])
