"""Index and playlists are made of rows alone: the same tracks give the same bytes, in whatever order they became ready."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.delivery import package
from eduhub.errors import BadFormat
from eduhub.media import binding
from eduhub.signing import sha256_hex
from tests.media import clips
from tests.media.reading import AUDIO, VIDEO, Make


def row(name: str, chunks: int = 14, bandwidth: int = 50_000, language: str | None = "zh") -> dict[str, Any]:
    is_video = name.startswith("v")
    shape = {"width": 426, "height": 240, "fps_milli": 15_000} if is_video else {"channels": 1}
    return {
        "name": name, "kind": "video" if is_video else "audio", "sha256": sha256_hex(name.encode()),
        "type": f'{"video" if is_video else "audio"}/mp4; codecs="{"avc1.64000c" if is_video else name.split("-")[0]}"',
        "timescale": 1000, "bandwidth_bps": bandwidth, "language": None if is_video else language, "init_bytes": 700,
        "start_ticks": 0, "priming_ticks": 0, "chunk_bytes": [6000] * chunks, "chunk_ticks": [1000] * chunks,
        "key_chunks": list(range(0, chunks, 6 if is_video else 1)), **shape,
    }  # fmt: skip


ROWS = [row(name) for name in (*VIDEO, *AUDIO, "aac-bo", "opus-bo")]
STILLS = {"sha256": "0" * 64, "items": [[0, 0, 900]]}


@pytest.mark.ffmpeg
def test_the_folder_that_media_encode_writes_is_what_its_rows_bind_to(encoded: Make) -> None:
    made = encoded(clips.lesson)
    rows = [made.track(name).index_row for name in VIDEO]
    rows += [dict(made.track(name).index_row, language="zh") for name in AUDIO]
    stills = json.loads((made.folder / "index.json").read_bytes())["stills"]
    bound = binding.bind(reversed(rows), stills, 14_400, file_uris=True)
    assert [part.facts["name"] for part in bound] == [
        "index", "master.m3u8", *(f"{name}.m3u8" for name in (*VIDEO, *AUDIO)),
    ]  # fmt: skip
    for part in bound:
        name = "index.json" if part.facts["kind"] == "index" else part.facts["name"]
        assert (made.folder / name).read_bytes() == part.payload, name


@given(st.permutations(ROWS))
def test_the_order_in_which_tracks_became_ready_leaves_no_trace(rows: list[dict[str, Any]]) -> None:
    assert binding.bind(rows, STILLS, 14_000) == binding.bind(ROWS, STILLS, 14_000)


def test_within_a_package_every_address_is_a_hash_of_one_of_its_parts() -> None:
    bound = binding.bind(ROWS, STILLS, 14_000)
    known = {part.facts["sha256"] for part in bound} | {found["sha256"] for found in ROWS}
    for part in bound:
        assert part.facts["sha256"] == sha256_hex(part.payload)
        assert package.Part.from_json(part.facts).bytes == len(part.payload)
        if part.facts["kind"] == "playlist":
            lines = part.payload.decode("ascii").splitlines()
            uris = {line for line in lines if line and not line.startswith("#")}
            uris |= {line.split('URI="')[1].split('"')[0] for line in lines if 'URI="' in line}
            assert uris <= known


def test_the_index_says_nothing_that_only_playlists_need() -> None:
    index = json.loads(binding.bind(ROWS, STILLS, 14_000)[0].payload)
    assert [track["name"] for track in index["tracks"]] == [*VIDEO, *AUDIO, "aac-bo", "opus-bo"]
    assert all("fps_milli" not in track and "channels" not in track for track in index["tracks"])


def test_a_lesson_of_voices_alone_offers_its_languages() -> None:
    master = binding.bind([row("aac"), row("opus"), row("aac-bo", language="bo")], None, 14_000)[1].payload.decode("ascii")
    assert master.count("#EXT-X-STREAM-INF") == 2
    assert master.count("#EXT-X-MEDIA") == 2
    assert 'AUDIO="aac"' in master
    assert 'AUDIO="opus"' not in master


def test_an_index_of_many_hours_names_its_piece_list() -> None:
    index = binding.bind([row(name, chunks=21_600) for name in VIDEO], None, 21_600_000)[0]
    assert index.facts["bytes"] > package.PIECE_BYTES
    assert index.pieces is not None
    assert index.facts["pieces"] == sha256_hex(index.pieces)
    assert len(index.pieces) == 32 * package.piece_count(index.facts["bytes"])


def test_the_voice_of_another_file_becomes_a_further_language() -> None:
    found = binding.in_language({"name": "aac", "language": "zh", "floor": True, "bytes": 5}, "bo")
    assert found == {"name": "aac-bo", "language": "bo", "floor": False, "bytes": 5}
    assert "floor" not in binding.in_language(row("opus"), "bo")


@pytest.mark.parametrize("bad", [{}, {"chunk_ticks": [1]}, {"type": "video/mp4"}, {"chunk_bytes": [], "chunk_ticks": []}])
def test_a_row_that_is_none_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(BadFormat):
        binding.bind([{**row("v240"), **bad} if bad else {"name": "v240", "kind": "audio"}], None, 1)
