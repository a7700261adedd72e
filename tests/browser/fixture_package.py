"""A lesson's parts, made with ffmpeg alone, so that the player is tested without the rooms that will make them.

Counting pictures with a tone for sound; tracks, index and stills as docs/formats describes them.
"""

import base64
import hashlib
import io
import json
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from eduhub.web.learning.lesson_data import Controls

FPS = 10
KEY_EVERY_S = 6
# White in the upper left corner from the 30th second on: a picture tells that it is not the first one again.
LATE_MARK = "drawbox=w=iw/4:h=ih/4:color=white:t=fill:enable='gte(t,30)'"
LESSON = "0190a000-0000-7000-8000-000000000001"
TIMELINE = "0190a000-0000-7000-8000-000000000002"
SHEET_CUT = (4, 6, 160, 90, 10)  # columns, pictures, width and height of each, and the seconds it stands for
WORDS = {
    "loading": "Loading · {rate} kB a second", "no_connection": "No connection. It is tried again.",
    "sign_in_again": "Reload the page to go on.", "gone": "A piece of this lesson is not here yet.",
    "cannot_play": "Save the video instead.",
}


@dataclass
class FixturePackage:
    """Blobs by hash, and the index over them."""

    seconds: int
    blobs: dict[str, bytes] = field(default_factory=dict)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    stills: dict[str, Any] | None = None
    poster: str | None = None
    download: str | None = None
    sheet: str | None = None  # of the small pictures

    def put(self, payload: bytes) -> str:
        sha256 = hashlib.sha256(payload).hexdigest()
        self.blobs[sha256] = payload
        return sha256

    def track(self, name: str) -> dict[str, Any]:
        return next(track for track in self.tracks if track["name"] == name)

    def lesson_data(self, *, token: str | None, names: tuple[str, ...], inline_s: int = 180) -> dict[str, Any]:
        """What the lesson page carries, with the tracks in `names` only."""
        tracks = [track for track in self.tracks if track["name"] in names]
        index = {"format": "eduhub-index/1", "duration_ms": self.seconds * 1000, "tracks": tracks, "stills": self.stills}
        whole = self.put(json.dumps(index).encode())
        inline = {**index, "cut": inline_s < self.seconds, "tracks": [_cut(track, inline_s) for track in tracks]}
        init = {t["name"]: base64.b64encode(self.blobs[t["sha256"]][: t["init_bytes"]]).decode() for t in tracks}
        return {
            "lesson": LESSON, "timeline": TIMELINE, "package": "f" * 64, "base": f"/p/{'f' * 64}/",
            "duration_ms": self.seconds * 1000, "resume_ms": 0, "language": "en", "index": inline, "index_sha256": whole,
            "init": init, "poster": self.poster,
            "download": {"sha256": self.download, "bytes": len(self.blobs[self.download or ""])},
            "events": {"url": "/api/v1/events", "token": token}, "context": "own_device", "words": WORDS,
        }


    def controls(self, names: tuple[str, ...]) -> Controls:
        """What the menus of the page offer."""
        sizes = [(name, self.track(name)) for name in names]
        qualities = [
            (name, f"{track['height']}p · {len(self.blobs[track['sha256']]) / 1e6:.1f} MB")
            for name, track in sizes
            if track["kind"] == "video"
        ]
        if len(qualities) > 1:
            qualities.insert(0, ("auto", "Fitting"))
        voices = {str(track["language"] or "en"): track["name"] for _, track in sizes if track["kind"] == "audio"}
        if voices:
            qualities += [("stills", "Voice and pictures"), ("sound", "Sound alone")]
        tags = tuple((tag, tag) for tag in voices)
        sheet = self.sheet and json.dumps([f"/p/{'f' * 64}/{self.sheet}", *SHEET_CUT])
        return Controls(self.seconds, 1_200_000, tuple(qualities), tags, sheet)


def _cut(track: dict[str, Any], seconds: int) -> dict[str, Any]:
    """The track's tables for its first `seconds`."""
    ticks, count = 0, 0
    for step in track["chunk_ticks"]:
        if ticks >= seconds * track["timescale"]:
            break
        ticks, count = ticks + step, count + 1
    keys = [key for key in track["key_chunks"] if key < count]
    return {**track, "chunk_bytes": track["chunk_bytes"][:count], "chunk_ticks": track["chunk_ticks"][:count], "key_chunks": keys}


def make_package(folder: Path, seconds: int = 60) -> FixturePackage:
    """Encodes two video rungs, one AAC track, a still every 10 s and the muxed file to save."""
    package = FixturePackage(seconds)
    for name, size, kbps in (("v240", "426x240", 60), ("v360", "640x360", 250)):
        source = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={FPS}:duration={seconds},{LATE_MARK}"]
        _ffmpeg([*source, "-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "main", "-b:v", f"{kbps}k",
                 "-maxrate", f"{kbps}k", "-bufsize", f"{kbps}k", "-pix_fmt", "yuv420p", "-g", str(FPS * KEY_EVERY_S),
                 "-sc_threshold", "0", *_fragments(1)], folder / f"{name}.mp4")
        width, height = (int(side) for side in size.split("x"))
        facts = {"width": width, "height": height, "bandwidth_bps": kbps * 1000}
        _add_track(package, name, "video", (folder / f"{name}.mp4").read_bytes(), facts)
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=24000:duration={seconds}"]
    _ffmpeg([*tone, "-c:a", "aac", "-b:a", "24k", "-ac", "1", *_fragments(2)], folder / "aac.mp4")
    _add_track(package, "aac", "audio", (folder / "aac.mp4").read_bytes(), {"bandwidth_bps": 24_000})
    _ffmpeg(["-i", str(folder / "v240.mp4"), "-i", str(folder / "aac.mp4"), "-c", "copy", "-movflags", "+faststart"],
            folder / "download.mp4")
    spoken = package.track("aac")
    again = package.put(package.blobs[spoken["sha256"]] + b"in another language, if a fixture could speak")
    package.tracks.append({**spoken, "name": "aac-bo", "language": "bo", "sha256": again})
    package.download = package.put((folder / "download.mp4").read_bytes())
    _add_stills(package)
    _add_sheet(package)
    return package


def _fragments(seconds: int) -> list[str]:
    flags = "+empty_moov+default_base_moof+negative_cts_offsets+skip_trailer"
    return ["-movflags", flags, "-frag_duration", str(seconds * 1_000_000)]


def _ffmpeg(argv: list[str], target: Path) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *argv, str(target)], check=True, timeout=120)


def _add_stills(package: FixturePackage) -> None:
    blob, items = b"", []
    for time_s in range(0, package.seconds, 10):
        image = Image.new("RGB", (64, 36), (20, 4 * time_s % 256, 120))
        out = io.BytesIO()
        image.save(out, "WEBP", quality=60)
        items.append([time_s * 1000, len(blob), out.tell()])
        blob += out.getvalue()
    package.stills = {"sha256": package.put(blob), "items": items}
    first = items[0]
    package.poster = package.put(blob[: first[2]])


def _add_sheet(package: FixturePackage) -> None:
    columns, tiles, width, height, _ = SHEET_CUT
    sheet = Image.new("RGB", (columns * width, -(-tiles // columns) * height))
    for tile in range(tiles):
        at = (tile % columns * width, tile // columns * height)
        sheet.paste(sheet_colour(tile), (*at, at[0] + width, at[1] + height))
    out = io.BytesIO()
    sheet.save(out, "WEBP", lossless=True)
    package.sheet = package.put(out.getvalue())


def sheet_colour(tile: int) -> tuple[int, int, int]:
    """What the small picture of number `tile` is filled with."""
    return (40 * tile, 200 - 30 * tile, 90)


def _add_track(package: FixturePackage, name: str, kind: str, payload: bytes, facts: dict[str, Any]) -> None:
    init_bytes, timescale, chunk_bytes, starts, ticks, keys = 0, 0, [], [], 0, []
    for box, start, end in _boxes(payload, 0, len(payload)):
        if box == b"moov":
            timescale = _timescale(payload, start)
            init_bytes = end
        elif box == b"moof":
            begun = start
            starts.append(_first_tick(payload, start, end))
        elif box == b"mdat":
            chunk_bytes.append(end - begun)
    total = package.seconds * timescale
    chunk_ticks = [later - earlier for earlier, later in zip(starts, [*starts[1:], max(total, starts[-1] + 1)], strict=True)]
    for number, step in enumerate(chunk_ticks):
        if kind == "video" and round(ticks / timescale * FPS) % (FPS * KEY_EVERY_S) == 0:
            keys.append(number)
        ticks += step
    codec = 'video/mp4; codecs="avc1.4d401e"' if kind == "video" else 'audio/mp4; codecs="mp4a.40.2"'
    package.tracks.append({
        "name": name, "kind": kind, "sha256": package.put(payload), "type": codec, "timescale": timescale, "language": None,
        "init_bytes": init_bytes, "priming_ticks": 1024 if kind == "audio" else 0, "start_ticks": starts[0],
        "chunk_bytes": chunk_bytes, "chunk_ticks": chunk_ticks, "key_chunks": keys, **facts,
    })


def _boxes(payload: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", payload[start : start + 8])
        yield kind, start, start + size
        start += size


def _inside(payload: bytes, start: int, *path: bytes) -> int:
    for wanted in path:
        size = struct.unpack(">I", payload[start : start + 4])[0]
        start = next(at for kind, at, _ in _boxes(payload, start + 8, start + size) if kind == wanted)
    return start


def _timescale(payload: bytes, moov: int) -> int:
    mdhd = _inside(payload, moov, b"trak", b"mdia", b"mdhd")
    at = mdhd + (28 if payload[mdhd + 8] == 1 else 20)
    return int(struct.unpack(">I", payload[at : at + 4])[0])


def _first_tick(payload: bytes, moof: int, _end: int) -> int:
    tfdt = _inside(payload, moof, b"traf", b"tfdt")
    wide = payload[tfdt + 8] == 1
    return int(struct.unpack(">Q" if wide else ">I", payload[tfdt + 12 : tfdt + (20 if wide else 16)])[0])
