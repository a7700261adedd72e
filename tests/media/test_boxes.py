"""The box reader on real tracks, and on tracks that somebody bent."""

import base64
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eduhub.errors import BadFormat
from eduhub.media import binding, boxes, segment
from tests.media import clips
from tests.media.conftest import Encoded

Make = Callable[[Callable[[Path], Path]], Encoded]


@pytest.fixture(scope="module", params=["v240", "aac", "opus"])
def track(request: pytest.FixtureRequest, encoded: Make) -> bytes:
    return (encoded(clips.lesson).folder / f"{request.param}.mp4").read_bytes()


def read(payload: bytes) -> tuple[boxes.Init, list[boxes.Chunk]]:
    return boxes.read(io.BytesIO(payload))


def test_a_real_track_is_covered_to_its_last_byte(track: bytes) -> None:
    init, chunks = read(track)
    assert init.bytes + sum(chunk.bytes for chunk in chunks) == len(track)
    assert chunks[0].decode_time == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_bent_track_is_read_or_refused_and_nothing_else(track: bytes, data: st.DataObject) -> None:
    bent = bytearray(track)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(bent) - 1, 3000)))
        bent[place : place + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    try:
        init, chunks = read(bytes(bent))
    except BadFormat:
        return
    assert init.bytes + sum(chunk.bytes for chunk in chunks) == len(bent)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_track_that_was_cut_inside_a_box_is_refused(track: bytes, share: float) -> None:
    init, chunks = read(track)
    ends = {init.bytes}
    for chunk in chunks:
        ends.add(max(ends) + chunk.bytes)
    cut = int(share * len(track))
    if cut in ends - {init.bytes}:
        assert len(read(track[:cut])[1]) < len(chunks)
    else:
        with pytest.raises(BadFormat):
            read(track[:cut])


@given(payload=st.binary(max_size=300))
def test_any_bytes_are_refused(payload: bytes) -> None:
    with pytest.raises(BadFormat):
        read(payload)


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def test_sizes_that_lie_do_not_make_it_loop_or_fill_the_memory() -> None:
    for payload in (
        struct.pack(">I4s", 0, b"moov"), struct.pack(">I4sQ", 1, b"mdat", 1 << 62), struct.pack(">I4sQ", 1, b"moov", 0),
        box(b"moov", b"\0" * 70_000), box(b"free", b"") * 250_000, box(b"ftyp", b"iso6") * 3, box(b"mdat", b""),
    ):  # fmt: skip
        with pytest.raises(BadFormat):
            read(payload)


def test_a_chunk_that_is_missing_in_the_middle_is_noticed(track: bytes) -> None:
    init, chunks = read(track)
    cut = init.bytes + chunks[0].bytes
    with pytest.raises(BadFormat, match="follow"):
        read(track[:cut] + track[cut + chunks[1].bytes :])


def test_the_tracks_of_the_vectors_give_their_rows_of_the_index(tmp_path: Path) -> None:
    vectors = json.loads((Path(__file__).parents[2] / "docs" / "formats" / "vectors" / "tracks.json").read_bytes())
    for vector in vectors["tracks"]:
        path = tmp_path / vector["row"]["name"]
        path.write_bytes(base64.b64decode(vector["file"]))
        track = segment.read_track(path.name, path, vector["row"]["language"])
        bound = binding.bind([track.index_row], None, 1)
        assert json.loads(bound[0].payload)["tracks"] == [vector["row"]]
