"""A manifest reads back to the same bytes, keeps what it does not know, and has bounds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eduhub.delivery import keys, package
from eduhub.delivery.package import Manifest, Part
from eduhub.errors import BadFormat, BadSignature
from eduhub.signing import canonical, sha256_hex

from .conftest import VIDEO, Machine, lesson_manifest, next_revision, part, pieces_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz_", min_size=1), inner, max_size=3),
    max_leaves=6,
)
unknown = st.dictionaries(st.text("qwxyz_", min_size=3, max_size=12), json_values, max_size=4)
words = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,19}", fullmatch=True)
hashes = st.binary(max_size=4).map(sha256_hex)


@st.composite
def parts(draw: st.DrawFn, number: int) -> Part:
    size = draw(st.integers(0, 2**40))
    pieces = sha256_hex(b"pieces %d" % number) if size > package.PIECE_BYTES or draw(st.booleans()) else None
    measures = ("duration_ms", "width", "height", "fps_milli", "bandwidth_bps", "channels", "sample_rate")
    return Part(
        name=f"part-{number}", kind=draw(words), role=draw(words), language=draw(st.sampled_from([None, "zh", "bo-Tibt"])),
        audience=draw(words), licence=draw(st.none() | st.just("CC BY-SA 4.0")),
        type=draw(st.sampled_from(["video/mp4", 'audio/mp4; codecs="mp4a.40.2"', "application/x-hologram+json"])),
        codec=draw(st.none() | st.just("avc1.64000d")), bytes=size, sha256=sha256_hex(b"part %d" % number), pieces=pieces,
        floor=draw(st.booleans()), extra=draw(unknown),
        **{name: draw(st.integers(0, 2**53 - 1)) for name in measures if draw(st.booleans())},
    )  # fmt: skip


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    made = tuple(draw(parts(number)) for number in range(draw(st.integers(0, 4))))
    texts = st.dictionaries(st.sampled_from(["zh", "bo", "en"]), st.text(st.characters(exclude_categories=["Cs"])))
    return lesson_manifest(
        revision=draw(st.integers(1, 2**53 - 1)), parts=made, titles=draw(texts), texts=draw(texts),
        audience=draw(words), supersedes=draw(st.none() | hashes), extra=draw(unknown),
    )  # fmt: skip


@settings(deadline=None)
@given(manifests())
def test_a_manifest_reads_back_to_the_same_bytes_with_everything_it_does_not_know(manifest: Manifest) -> None:
    payload = manifest.to_bytes()
    read = Manifest.from_bytes(payload)
    assert read == manifest
    assert read.to_bytes() == payload


def with_part(**changed: Any) -> dict[str, Any]:
    value = json.loads(lesson_manifest().to_bytes())
    value["parts"][0].update(changed)
    return value


def with_field(**changed: Any) -> dict[str, Any]:
    return {**json.loads(lesson_manifest().to_bytes()), **changed}


@pytest.mark.parametrize(
    "value",
    [
        with_field(format="eduhub-package/2"), with_field(hub="hub"), with_field(lesson=None), with_field(revision=0),
        with_field(revision=True), with_field(revision=1.5), with_field(supersedes="old"), with_field(titles=["zh"]),
        with_field(titles={"zh": 1}), with_field(titles={"not a tag": ""}), with_field(audience="Everyone!"),
        with_field(duration_ms=-1), with_field(parts={}), with_field(parts=[None]), with_field(language=None),
        with_part(name="../v240"), with_part(name=""), with_part(kind="Video"), with_part(bytes=-1),
        with_part(bytes=2**53), with_part(bytes="200"), with_part(sha256="A" * 64), with_part(sha256="a" * 63),
        with_part(sha256=None), with_part(pieces="x"), with_part(bytes=package.PIECE_BYTES + 1), with_part(floor=1),
        with_part(type="video/mp4\r\nSet-Cookie: a=b"), with_part(type="video"), with_part(width=None),
        with_part(width=-1), with_part(language="zh\n"), with_part(licence=3), with_part(codec="x" * 201),
        with_part(name="v240"), with_part(audience=None), [], "text", 7,
    ],
)  # fmt: skip
def test_what_no_hub_can_have_written_is_refused(value: Any) -> None:
    payload = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    with pytest.raises(BadFormat):
        Manifest.from_bytes(payload)


@pytest.mark.parametrize("name", sorted(json.loads(lesson_manifest().to_bytes())))
def test_every_field_of_a_manifest_is_needed(name: str) -> None:
    value = json.loads(lesson_manifest().to_bytes())
    del value[name]
    with pytest.raises(BadFormat):
        Manifest.from_bytes(canonical(value))


def test_only_the_canonical_bytes_are_a_manifest() -> None:
    payload = lesson_manifest().to_bytes()
    for other in (payload + b"\n", payload.replace(b":", b": ", 1), json.dumps(json.loads(payload)).encode(), b""):
        with pytest.raises(BadFormat):
            Manifest.from_bytes(other)


def test_a_manifest_has_at_most_2000_parts_and_512_kib() -> None:
    def many(count: int, padding: str = "") -> Manifest:
        made = tuple(part(f"c{n}", b"%d" % n, kind="captions", type="text/vtt", language=None) for n in range(count))
        return lesson_manifest(parts=made, texts={"en": padding})

    with pytest.raises(BadFormat):
        many(2001)
    with pytest.raises(BadFormat):
        many(1, "x" * (512 << 10)).to_bytes()
    room = (512 << 10) - len(many(1).to_bytes())
    full = many(1, "x" * room).to_bytes()
    assert len(full) == 512 << 10
    assert Manifest.from_bytes(full).to_bytes() == full
    with pytest.raises(BadFormat):
        Manifest.from_bytes(many(1, "x" * (room - 1)).to_bytes() + b"  ")


def test_a_blob_that_is_named_twice_is_the_same_blob() -> None:
    one = part("zh", b"captions", kind="captions")
    other = part("bo", b"captions", kind="captions")
    assert lesson_manifest(parts=(one, other)).total_bytes() == 8
    with pytest.raises(BadFormat):
        lesson_manifest(parts=(one, replace(other, bytes=9)))
    with pytest.raises(BadFormat):
        lesson_manifest(parts=(part("v", VIDEO), part("list", pieces_of(VIDEO))))


def test_the_floor_is_what_is_marked_and_everything_when_nothing_is() -> None:
    manifest = lesson_manifest()
    assert [part.name for part in manifest.floor_parts] == ["aac", "stills"]
    assert manifest.total_bytes(floor=True) == 200 + 180
    assert manifest.total_bytes() == 200 + 180 + 300_000 + 3 * 32 + 23
    unmarked = lesson_manifest(parts=(part("sheet", b"x"),))
    assert unmarked.floor_parts == unmarked.parts


@pytest.mark.parametrize("size", [0, 1, package.PIECE_BYTES - 1, package.PIECE_BYTES, package.PIECE_BYTES + 1, 300_000])
def test_a_piece_list_has_a_hash_for_every_128_kib(tmp_path: Path, size: int) -> None:
    payload = bytes(number % 251 for number in range(size))
    (tmp_path / "file").write_bytes(payload)
    assert package.piece_list(tmp_path / "file") == pieces_of(payload)
    assert len(package.piece_list(tmp_path / "file")) == 32 * package.piece_count(size)


def test_a_signature_is_for_these_bytes_and_by_a_trusted_key(hub: Machine) -> None:
    with hub.here.database.read() as session:
        ring = keys.keyring(session)
    payload = lesson_manifest().to_bytes()
    signature = package.sign(payload, hub.here.keys.publishing)
    package.verify(payload, signature, ring)
    with pytest.raises(BadSignature):
        package.verify(next_revision(lesson_manifest()).to_bytes(), signature, ring)
    with pytest.raises(BadSignature):
        package.verify(payload, package.sign(payload, hub.here.keys.root), ring)
    head_of_the_same_bytes = hub.here.keys.publishing.sign("eduhub-head/1", payload)
    with pytest.raises(BadSignature):
        package.verify(payload, head_of_the_same_bytes, ring)
