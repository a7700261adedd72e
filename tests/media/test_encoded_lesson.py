"""What the pipeline makes of a lesson: every promise of docs/formats/tracks.md and index.md, on real files."""

import io
import json
from pathlib import Path
from typing import Any

import av
import m3u8
import pytest
from PIL import Image

from eduhub.config import Settings
from eduhub.errors import EncodeFailed
from eduhub.media import encode, index, ladder, making, transcode, workroom
from eduhub.media.facts import Probe
from eduhub.signing import sha256_hex
from tests.media import clips, stepping
from tests.media.reading import AUDIO, VIDEO, Make, beeps_of, decode, flashes_of, read_index

pytestmark = pytest.mark.ffmpeg


def test_pictures_begin_at_0_and_are_as_many_as_the_length_and_rate_say(encoded: Make) -> None:
    made = encoded(clips.lesson)
    for name, fps in (("v240", 15), ("v360", 25), ("v720", 25)):
        frames = decode(made.folder / f"{name}.mp4")
        assert frames[0][0] == pytest.approx(0, abs=1e-6)
        assert [round(time * fps) for time, _frame in frames] == list(range(round(14.4 * fps)))
        assert {(frame.format.name, frame.width % 2, frame.height % 2) for _time, frame in frames} == {
            ("yuv420p", 0, 0)
        }


def test_key_frames_fall_on_the_same_multiples_of_6_s_in_every_rendition(encoded: Make) -> None:
    made = encoded(clips.lesson)
    for name in VIDEO:
        keys = [time for time, frame in decode(made.folder / f"{name}.mp4") if frame.key_frame]
        assert keys == pytest.approx([0, 6, 12], abs=1e-6)


def test_chunks_are_about_1_s_of_pictures_and_2_s_of_sound(encoded: Make) -> None:
    made = encoded(clips.lesson)
    for name in VIDEO + AUDIO:
        track = made.track(name)
        seconds = [chunk.ticks / track.init.timescale for chunk in track.chunks]
        low, high = (1.0, 1.0) if name in VIDEO else (2.0, 2.1)
        assert all(low <= length <= high for length in seconds[:-1]), name
        assert sum(seconds) == pytest.approx(14.4, abs=0.05)


def test_sound_is_mono_at_the_rate_that_each_codec_needs(encoded: Make) -> None:
    made = encoded(clips.lesson)
    assert [(made.track(name).init.channels, made.track(name).init.sample_rate, made.track(name).init.codec)
            for name in AUDIO] == [(1, 24_000, "mp4a.40.2"), (1, 48_000, "opus")]
    assert {row["name"]: row["codec"] for row in made.report.renditions}["v240"].startswith("avc1.64")


def test_every_chunk_of_the_index_can_be_appended_after_the_init_segment(encoded: Make) -> None:
    made = encoded(clips.lesson)
    document = read_index(made)
    assert [track["name"] for track in document["tracks"]] == [*VIDEO, *AUDIO]
    for track in document["tracks"]:
        payload = (made.folder / f"{track['name']}.mp4").read_bytes()
        assert sha256_hex(payload) == track["sha256"]
        assert track["init_bytes"] + sum(track["chunk_bytes"]) == len(payload)
        for number in track["key_chunks"][:: 2 if track["kind"] == "audio" else 1]:
            offset = track["init_bytes"] + sum(track["chunk_bytes"][:number])
            group = payload[: track["init_bytes"]] + payload[offset : offset + track["chunk_bytes"][number]]
            starts_s = (track["start_ticks"] + sum(track["chunk_ticks"][:number])) / track["timescale"]
            assert decode(group)[0][0] == pytest.approx(starts_s, abs=0.007)


def test_the_stills_blob_holds_one_picture_every_30_s(encoded: Make) -> None:
    made = encoded(clips.lesson)
    stills = read_index(made)["stills"]
    blob = (made.folder / "stills.bin").read_bytes()
    assert sha256_hex(blob) == stills["sha256"]
    assert [item[0] for item in stills["items"]] == [0]
    for _time_ms, offset, size in stills["items"]:
        assert Image.open(io.BytesIO(blob[offset : offset + size])).size == (320, 180)
    assert sum(item[2] for item in stills["items"]) == len(blob)


def test_a_still_shows_the_moment_it_is_named_after(tmp_path: Path) -> None:
    """ffmpeg's own `fps=1/30` would show the picture of second 15 at second 0."""
    colours = "color=red:s=64x48:r=5:d=28,format=yuv420p[a];color=blue:s=64x48:r=5:d=8[b];[a][b]concat"
    source = clips.make(tmp_path / "two.mp4", "-f", "lavfi", "-i", colours, "-c:v", "mpeg4")
    encode.encode_file(source, tmp_path / "out", Settings(data_dir=tmp_path))
    document = json.loads((tmp_path / "out" / "index.json").read_bytes())
    blob = (tmp_path / "out" / "stills.bin").read_bytes()
    seen = []
    for time_ms, offset, size in document["stills"]["items"]:
        red, _green, blue = Image.open(io.BytesIO(blob[offset : offset + size])).convert("RGB").getpixel((32, 24))
        seen.append((time_ms, "red" if red > blue else "blue"))
    assert seen == [(0, "red"), (30_000, "blue")]


def test_playlists_are_strict_hls_and_their_byte_ranges_play(encoded: Make) -> None:
    made = encoded(clips.lesson)
    master_text = (made.folder / "master.m3u8").read_text("ascii")
    m3u8.parser.parse(master_text, strict=True)
    master = m3u8.loads(master_text)
    assert [(media.group_id, media.uri, media.language) for media in master.media] == [
        ("aac", "aac.m3u8", "zh"), ("opus", "opus.m3u8", "zh"),
    ]  # fmt: skip
    assert [playlist.uri for playlist in master.playlists] == [f"{name}.m3u8" for name in VIDEO] * 2
    assert all(playlist.stream_info.bandwidth >= playlist.stream_info.average_bandwidth for playlist in master.playlists)
    assert {playlist.stream_info.codecs.split(",")[1] for playlist in master.playlists} == {"mp4a.40.2", "opus"}
    for name in VIDEO + AUDIO:
        text = (made.folder / f"{name}.m3u8").read_text("ascii")
        m3u8.parser.parse(text, strict=True)
        playlist = m3u8.loads(text)
        assert playlist.is_endlist
        assert playlist.is_independent_segments
        assert all(round(segment.duration) <= playlist.target_duration for segment in playlist.segments)
        check_ranges(playlist, (made.folder / f"{name}.mp4").read_bytes())


def check_ranges(playlist: Any, payload: bytes) -> None:
    init, played = payload[: int(playlist.segments[0].init_section.byterange.split("@")[0])], 0
    end = len(init)
    for segment in playlist.segments:
        size, offset = (int(number) for number in segment.byterange.split("@"))
        assert offset == end
        end = offset + size
        frames = decode(init + payload[offset:end])
        assert frames[0][0] == pytest.approx(played, abs=0.01)
        played += segment.duration
    assert end == len(payload)


def test_a_standard_player_reads_the_folder_as_hls(encoded: Make) -> None:
    made = encoded(clips.lesson)
    with av.open(str(made.folder / "v360.m3u8"), options={"allowed_extensions": "ALL"}) as container:
        assert sum(1 for _frame in container.decode(video=0)) == 360


def test_voice_and_picture_are_in_step_within_20_ms_as_tracks_and_as_one_file(encoded: Make) -> None:
    made = encoded(clips.flash_and_beep)
    with av.open(str(made.folder / "download.mp4")) as container:
        whole = [(frame.time, frame) for frame in container.decode()]
    whole_flashes = flashes_of((time, frame) for time, frame in whole if isinstance(frame, av.VideoFrame))
    whole_beeps = beeps_of((time, frame) for time, frame in whole if isinstance(frame, av.AudioFrame))
    assert whole_flashes == pytest.approx(clips.FLASHES_S, abs=0.02)
    assert whole_beeps == pytest.approx(clips.FLASHES_S, abs=0.02)
    for picture in VIDEO:
        assert flashes_of(decode(made.folder / f"{picture}.mp4")) == pytest.approx(whole_flashes, abs=0.02), picture
    for sound in AUDIO:
        assert beeps_of(decode(made.folder / f"{sound}.mp4")) == pytest.approx(whole_beeps, abs=0.02), sound


def test_the_download_is_one_file_with_its_index_in_front(encoded: Make) -> None:
    made = encoded(clips.lesson)
    payload = (made.folder / "download.mp4").read_bytes()
    assert payload.index(b"moov") < payload.index(b"mdat")
    with av.open(io.BytesIO(payload)) as container:
        assert [(stream.type, stream.codec_context.name) for stream in container.streams] == [
            ("video", "h264"), ("audio", "aac"),
        ]  # fmt: skip
        assert container.duration / 1e6 == pytest.approx(14.4, abs=0.1)


def test_the_poster_is_a_small_webp(encoded: Make) -> None:
    with Image.open(encoded(clips.lesson).folder / "poster.webp") as poster:
        assert (poster.format, poster.width) == ("WEBP", 320)


def test_the_strip_shows_the_stills_in_their_order_on_one_sheet(tmp_path: Path) -> None:
    colours = "color=red:s=320x180:r=1:d=40[a];color=lime:s=320x180:r=1:d=30[b];color=blue:s=320x180:r=1:d=30[c];[a][b][c]concat=3"
    source = clips.make(tmp_path / "three.mp4", "-f", "lavfi", "-i", colours, "-c:v", "mpeg4")
    strip = stepping.run(source, tmp_path, "floor").facts("strip")
    assert {key: strip[key] for key in ("columns", "tiles", "every_s", "tile_width", "tile_height", "width", "height")} == {
        "columns": 4, "tiles": 4, "every_s": 30, "tile_width": 160, "tile_height": 90, "width": 640, "height": 90,
    }  # fmt: skip
    with Image.open(tmp_path / "out" / "strip.webp") as sheet:
        assert (sheet.format, sheet.size) == ("WEBP", (640, 90))
        seen = [sheet.convert("RGB").getpixel((80 + 160 * number, 45)) for number in range(4)]
    assert ["rgb"[colour.index(max(colour))] for colour in seen] == ["r", "r", "g", "b"]


def test_a_step_that_writes_more_than_was_kept_free_for_it_is_stopped(
    clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "most_bytes", lambda _chosen, _step: 20_000)
    with pytest.raises(EncodeFailed):
        stepping.run(clip(clips.lesson), tmp_path, "v240")


@pytest.mark.parametrize("hidden", ["second", "folder/second"])
def test_many_small_files_are_counted_together_wherever_they_are_put(hidden: str, tmp_path: Path) -> None:
    watch = transcode.watched(tmp_path, 10_000)
    (tmp_path / "first").write_bytes(bytes(3000))
    watch()
    (tmp_path / hidden).parent.mkdir(exist_ok=True)
    (tmp_path / hidden).write_bytes(bytes(1000))
    with pytest.raises(EncodeFailed):
        watch()


def test_no_step_writes_more_than_what_is_kept_free_for_it(encoded: Make) -> None:
    made = encoded(clips.lesson)
    chosen = ladder.choose(Probe.from_json({key: value for key, value in made.report.source.items() if key != "file"}))
    sizes = {row["name"]: row["bytes"] for row in made.report.renditions}
    for step in chosen.steps:
        names = [rung.name for rung in (*step.video, *step.audio)] + (["stills", "poster", "strip"] if step.stills else [])
        names += ["download"] if chosen.has_download(step) else []
        assert sum(sizes[name] for name in names) <= ladder.most_bytes(chosen, step)


def test_cancelling_is_heard_while_a_step_and_the_download_are_made(clip: Any, encoded: Make, tmp_path: Path) -> None:
    class Cancelled(Exception):
        pass

    def cancel(*_done: float) -> None:
        raise Cancelled

    settings = Settings(data_dir=tmp_path)
    with workroom.staged(clip(clips.silent), tmp_path / "work") as work:
        probe = making.look(work, settings)
        chosen = ladder.choose(probe)
        for step in chosen.steps:
            with pytest.raises(Cancelled):
                making.make_step(work, settings, probe, chosen, step, cancel)
        track = encoded(clips.lesson).folder / "v240.mp4"
        with pytest.raises(Cancelled):
            making.download_part(work, (track,), chosen, settings, cancel)


def test_the_manifest_names_every_file_with_its_hash_and_measures(encoded: Make) -> None:
    made = encoded(clips.lesson)
    manifest = json.loads((made.folder / "manifest.json").read_bytes())
    assert manifest["format"] == "eduhub-encode/1"
    assert manifest["duration_ms"] == 14_400
    for part in manifest["parts"]:
        payload = (made.folder / part["file"]).read_bytes()
        assert (part["bytes"], part["sha256"]) == (len(payload), sha256_hex(payload))
        assert (part["pieces"] is None) == (len(payload) <= 128 << 10)
    floor = {part["name"] for part in manifest["parts"] if part["floor"]}
    assert floor == {"index", "stills", "poster", "aac"}
    assert {path.name for path in made.folder.iterdir()} == {part["file"] for part in manifest["parts"]} | {
        "manifest.json"
    }


def test_the_same_source_gives_the_same_bytes_again_on_one_thread(encoded: Make, clip: Any, tmp_path: Path) -> None:
    # With several threads x264 keeps its ceiling by what the others have done so far: a matter of luck.
    settings = Settings(data_dir=tmp_path, encode_threads=1)
    encode.encode_file(clip(clips.silent), tmp_path / "again", settings)
    encode.encode_file(clip(clips.silent), tmp_path / "and_again", settings)
    for path in (tmp_path / "again").iterdir():
        assert path.read_bytes() == (tmp_path / "and_again" / path.name).read_bytes(), path.name


def test_the_page_carries_whole_groups_of_the_first_seconds(encoded: Make) -> None:
    document = read_index(encoded(clips.lesson))
    cut = index.for_page(document, first_s=6)
    video, audio = cut["tracks"][0], cut["tracks"][-1]
    assert (len(video["chunk_bytes"]), video["key_chunks"]) == (6, [0])
    assert len(audio["chunk_bytes"]) == 3
    assert cut["cut"] is True
    assert cut["stills"] == document["stills"]
    assert index.for_page(document, first_s=180) == {**document, "cut": False}
