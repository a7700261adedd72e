"""Writes docs/formats/vectors/{keys,package,catalog,passes}.json: `python -m tests.delivery.make_vectors`.

Everything comes from fixed seeds, so that the files change only when a format does; a test compares them.
"""

import json
import sys
from pathlib import Path
from typing import Any

from eduhub.delivery import package, passes
from eduhub.delivery.chain import HEAD_FORMAT, NO_HASH, Entry, SignedHead, head_value, write_page
from eduhub.delivery.trust import SCOPES, key_statement, revoke_statement, signed_statement
from eduhub.signing import SigningKey, canonical, sha256_hex

from .conftest import HUB, lesson_manifest, pieces_of

FOLDER = Path(__file__).parents[2] / "docs" / "formats" / "vectors"
ROOT, FIRST, SECOND, STRANGER = (SigningKey.from_seed(bytes([number]) * 32) for number in (1, 2, 3, 4))


def keys() -> dict[str, Any]:
    first = key_statement(ROOT, HUB, FIRST.public, scopes=SCOPES, from_sequence=1)
    second = key_statement(ROOT, HUB, SECOND.public, scopes=("packages", "catalog"), from_sequence=3)
    entries = [[1, "key", first], [3, "key", second], [5, "revoke", revoke_statement(ROOT, HUB, FIRST.id)]]
    asked = [
        (FIRST, "packages", 1, True), (FIRST, "nodes", 4, True), (FIRST, "packages", 5, False), (FIRST, "catalog", 9, False),
        (FIRST, "packages", None, False), (SECOND, "packages", 2, False), (SECOND, "packages", 3, True),
        (SECOND, "catalog", None, True), (SECOND, "nodes", 3, False), (STRANGER, "packages", 1, False),
    ]  # fmt: skip
    forged = key_statement(STRANGER, HUB, STRANGER.public, scopes=SCOPES, from_sequence=1)
    return {
        "hub": HUB,
        "seeds": {"root": ROOT.seed.hex(), "first": FIRST.seed.hex(), "second": SECOND.seed.hex()},
        "root": {"public": ROOT.public.hex(), "id": ROOT.id},
        "key_file": f"{FIRST.seed.hex()}\n",
        "entries": entries,
        "signed_bytes": [
            f"{body['statement']['format']}\0".encode().hex() + canonical(body["statement"]).hex() for _, _, body in entries
        ],
        "may_sign": [{"key": key.id, "scope": scope, "sequence": at, "trusted": yes} for key, scope, at, yes in asked],
        "refused": [
            {"why": "signed by another key than the pinned root", "kind": "key", "body": forged},
            {"why": "a statement that was changed", "kind": "key",
             "body": {**first, "statement": {**first["statement"], "from_sequence": 0}}},
            {"why": "a revocation is not a key", "kind": "key", "body": entries[2][2]},
        ],
    }  # fmt: skip


def packages() -> dict[str, Any]:
    manifest = lesson_manifest(extra={"mood": {"later": ["kept", 1, None]}})
    payload = manifest.to_bytes()
    value = json.loads(payload)

    def changed(**fields: Any) -> str:
        return canonical({**value, **fields}).decode()

    def changed_part(**fields: Any) -> str:
        return changed(parts=[{**value["parts"][0], **fields}, *value["parts"][1:]])

    pieces = bytes(number % 251 for number in range(300_000))
    return {
        "manifest": payload.decode(), "id": package.id_of(payload), "seed": FIRST.seed.hex(),
        "signature": package.sign(payload, FIRST).as_json(), "bytes": manifest.total_bytes(),
        "floor_bytes": manifest.total_bytes(floor=True), "floor": [part.name for part in manifest.floor_parts],
        "piece_list": {"file": "300000 bytes, byte i is i mod 251", "list": pieces_of(pieces).hex(),
                       "sha256": sha256_hex(pieces_of(pieces))},
        "refused": [
            {"why": "a space: not canonical", "manifest": payload.decode().replace(":", ": ", 1)},
            {"why": "another format", "manifest": changed(format="eduhub-package/2")},
            {"why": "a fraction", "manifest": payload.decode().replace('"revision":1', '"revision":1.5')},
            {"why": "revision 0", "manifest": changed(revision=0)},
            {"why": "a part's name leads elsewhere", "manifest": changed_part(name="../keys")},
            {"why": "a hash in capitals", "manifest": changed_part(sha256="A" * 64)},
            {"why": "a large part without a piece list", "manifest": changed_part(bytes=131_073)},
            {"why": "two parts of one name", "manifest": changed_part(name="v240")},
            {"why": "a line break in a media type", "manifest": changed_part(type="audio/mp4\n")},
        ],
    }  # fmt: skip


def catalog() -> dict[str, Any]:
    bodies: list[tuple[str, Any, int]] = [
        ("key", key_statement(ROOT, HUB, FIRST.public, scopes=SCOPES, from_sequence=1), 1),
        ("publish", {"package": "a" * 64, "revision": 1}, 1),
        ("hologram", {"not known": ["yet", None]}, 7),
    ]
    entries: list[Entry] = []
    for kind, body, version in bodies:
        entries.append(_entry(entries, 1, kind, body, version))
    statement = signed_statement(
        ROOT, "eduhub-epoch/1", {"hub": HUB, "epoch": 2, "sequence": 2, "hash": entries[1].hash}
    )
    after = [*entries[:2], _entry(entries[:2], 2, "withdraw", {"package": "a" * 64, "reason": "replaced"}, 1)]
    other = [*entries[:1], _entry(entries[:1], 1, "publish", {"package": "b" * 64, "revision": 1}, 1)]
    head, short = _head(entries), _head(entries[:2])
    return {
        "hub": HUB, "root": ROOT.public.hex(), "entries": [entry.raw.decode() for entry in entries],
        "hashes": [entry.hash for entry in entries], "page": write_page(0, [entry.raw for entry in entries]).decode(),
        "head": head.as_json(),
        "epoch": {"statement": statement, "entries": [entry.raw.decode() for entry in after], "head": _head(after).as_json()},
        "refused": [
            _refused("rolled back", "catalog.rolled_back", entries, short, entries[:2]),
            _refused("cut short", "catalog.cut_short", entries[:1], head, entries[:2]),
            _refused("a gap", "format.bad", entries[:1], head, entries[2:]),
            _refused("another history", "catalog.rolled_back", entries[:2], _head(other), other),
            _refused("signed by a stranger", "signing.bad_signature", entries[:1], _head(entries, STRANGER), entries),
            _refused("a head of an epoch that was not begun", "format.bad", entries[:2], _head(after), after),
        ],
    }  # fmt: skip


def _refused(why: str, error: str, held: list[Entry], head: SignedHead, offered: list[Entry]) -> dict[str, Any]:
    texts = {"held": [entry.raw.decode() for entry in held], "offered": [entry.raw.decode() for entry in offered]}
    return {"why": why, "error": error, "head": head.as_json(), **texts}


def _entry(before: list[Entry], epoch: int, kind: str, body: Any, version: int) -> Entry:
    return Entry.from_value({
        "sequence": len(before) + 1, "epoch": epoch, "kind": kind, "version": version, "body": body,
        "previous": before[-1].hash if before else NO_HASH,
    })  # fmt: skip


def _head(entries: list[Entry], key: SigningKey = FIRST) -> SignedHead:
    last = entries[-1]
    payload = canonical(head_value(HUB, last.epoch, last.sequence, last.hash))
    return SignedHead(HUB, last.epoch, last.sequence, last.hash, key.sign(HEAD_FORMAT, payload))


def passes_() -> dict[str, Any]:
    secret, package_id, person = bytes([5]) * 32, "a" * 64, "018bcfe5-6800-7000-8000-000000000009"
    made = [
        {"package": package_id, "audience": audience, "person": who, "expires": 1000 + number,
         "token": passes.mint(secret, package_id=package_id, audience=audience, person_uid=who, expires_steady_s=1000 + number)}
        for number, (audience, who) in enumerate([("learner", person), ("teacher", person), ("open", ""), ("node", "")])
    ]  # fmt: skip
    good = str(made[0]["token"])
    return {
        "secret": secret.hex(), "passes": made,
        "refused": [
            {"why": "its time is over", "token": good, "package": package_id, "now": 1000},
            {"why": "for another package", "token": good, "package": "b" * 64, "now": 0},
            {"why": "for all packages", "token": good, "package": "*", "now": 0},
            {"why": "another audience", "token": good.replace("learner", "teacher"), "package": package_id, "now": 0},
            {"why": "a longer time", "token": good.replace(".1000.", ".9000."), "package": package_id, "now": 0},
            {"why": "a later version", "token": "2" + good[1:], "package": package_id, "now": 0},
            {"why": "padded base64", "token": good + "=", "package": package_id, "now": 0},
        ],
    }  # fmt: skip


MADE = {"keys": keys, "package": packages, "catalog": catalog, "passes": passes_}


def text_of(name: str) -> str:
    return json.dumps(MADE[name](), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    for vector_name in MADE:
        (FOLDER / f"{vector_name}.json").write_text(text_of(vector_name), encoding="utf-8")
        sys.stdout.write(f"{vector_name}.json\n")
