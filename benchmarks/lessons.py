"""A hub with one lesson to play, made by our own encoder: what the benchmarks of pages and of the player look at.

`encoded` keeps what it made under .build/, because encoding takes a minute; `hub_with` brings it out in a new hub in a folder.
"""

import json
import math
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from playwright.sync_api import BrowserContext

from eduhub.config import Settings
from eduhub.courses.models import Lesson
from eduhub.delivery import holding, keys, package
from eduhub.delivery.package import Manifest, Part
from eduhub.delivery.trust import keyring
from eduhub.installation import Installation, open_installation
from eduhub.media import encode
from eduhub.ops import migrate
from eduhub.signing import sha256_hex
from tests.web.world import World, settle

ROOT = Path(__file__).parents[1]
HALL = ROOT.parent / "shared" / "corpus" / "c1_hall_mit.webm"
KEPT = ROOT / ".build" / "bench-lessons"
LONG_S = 2400


@dataclass(frozen=True)
class Shown:
    """A hub that shows the lesson, and to whom."""

    hub: Installation
    world: World
    package_id: str
    parts: dict[str, Part]

    @property
    def path(self) -> str:
        return f"/lessons/{self.world.lesson}"

    def sign_in(self, context: BrowserContext, address: str) -> None:
        """Dolma signs in, and has the pass for the lesson's parts from its page. Cookies know no ports."""
        page = context.new_page()
        page.goto(f"{address}/card#{self.world.dolma_card}")
        page.wait_for_url(f"{address}/")
        page.goto(address + self.path)
        page.close()


def ffmpeg(*arguments: str) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments], check=True)


def encoded(name: str, source: Iterable[str]) -> Path:
    """The folder with every part of the lecture that `source` (arguments of ffmpeg) makes; made once."""
    folder = KEPT / name
    if not (folder / "manifest.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        KEPT.mkdir(parents=True, exist_ok=True)
        clip = KEPT / f"{name}.mp4"
        ffmpeg(*source, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-c:a", "aac", str(clip))
        encode.encode_file(clip, folder, Settings(data_dir=KEPT))
        clip.unlink()
    return folder


def lecture(seconds: int) -> Path:
    """The hall lecture of the shared corpus, looped and enlarged so that it has two rungs; else a drawn one."""
    if HALL.exists():
        source = ["-stream_loop", "9", "-i", str(HALL), "-vf", "scale=640:480"]
        return encoded(f"hall-{seconds}", [*source, "-t", str(seconds)])
    picture = f"testsrc2=s=640x480:r=15:d={seconds}"
    voice = f"aevalsrc='0.3*sin(900*t+3*sin(30*t))*(0.5+0.5*sin(8*t))':s=48000:d={seconds}"
    return encoded(f"drawn-{seconds}", ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", voice])


def hub_with(folder: Path, made: Path) -> Shown:
    """A new hub in `folder` that has brought out the lesson whose parts lie in `made`."""
    hub = open_installation(Settings(data_dir=folder, secure_cookies=False))
    migrate.upgrade(hub.database)
    with hub.database.write() as session:
        keys.make_hub_keys(session, hub.keys)
    world = settle(hub)
    facts = json.loads((made / "manifest.json").read_bytes())
    parts = _within_a_package(hub, made, facts["parts"])
    return Shown(hub, world, bring_out(hub, world.lesson, parts, facts["duration_ms"]), {part.name: part for part in parts})


def bring_out(hub: Installation, lesson_uid: str, parts: tuple[Part, ...], duration_ms: int) -> str:
    """The next package of a lesson, whose parts are in the blob store; its id."""
    with hub.database.write() as session:
        lesson = session.get_one(Lesson, lesson_uid)
        lesson.revision += 1
        manifest = Manifest(
            hub=keyring(session).hub_uid, lesson=lesson.uid, course=lesson.course_uid, org=lesson.org_uid,
            revision=lesson.revision, timeline=lesson.timeline_uid, supersedes=None, language=lesson.language, titles=lesson.titles,
            texts=lesson.texts, audience="own", duration_ms=duration_ms, parts=parts,
        ).to_bytes()
        signature = package.sign(manifest, hub.keys.publishing)
        row = holding.hold(session, hub.blobs, manifest, signature, course_uid=lesson.course_uid)
        holding.reveal_present(session, hub.blobs, row.id)
        lesson.state, lesson.package_id = "published", row.id
    return row.id


def forty_minutes(folder: Path, made: Path) -> Shown:
    """A new hub whose lesson is the lecture in `made` again and again, as one recording: nothing is encoded for it."""
    shown = hub_with(folder, made)
    index = json.loads((made / "index.json").read_bytes())
    seconds = index["duration_ms"] / 1000
    turns = math.ceil(LONG_S / seconds)
    parts = {name: part for name, part in shown.parts.items() if part.kind in ("stills", "poster")}
    for row in index["tracks"]:
        payload = _again(row, (made / f"{row['name']}.mp4").read_bytes(), turns, round(seconds * row["timescale"]))
        parts[row["name"]] = stored(shown.hub, replace(shown.parts[row["name"]], duration_ms=LONG_S * 1000), payload)
        row["sha256"] = parts[row["name"]].sha256
    stills = index["stills"]["items"]
    index["stills"]["items"] = [[turn * index["duration_ms"] + at, *where] for turn in range(turns) for at, *where in stills]
    index["duration_ms"] = turns * index["duration_ms"]
    parts["index"] = stored(shown.hub, shown.parts["index"], json.dumps(index).encode())
    package_id = bring_out(shown.hub, shown.world.lesson, tuple(parts.values()), index["duration_ms"])
    return replace(shown, package_id=package_id, parts=parts)


def _again(row: dict[str, Any], payload: bytes, turns: int, span: int) -> bytes:
    """A track `turns` times, each `span` ticks long; `row`, its tables, grows with it."""
    chunks, at = [], row["init_bytes"]
    for size in row["chunk_bytes"]:
        chunks.append(payload[at : at + size])
        at += size
    row["chunk_ticks"][-1] += span - sum(row["chunk_ticks"])  # a voice is some milliseconds longer than the picture
    made = payload[: row["init_bytes"]] + b"".join(_later(chunk, turn * span) for turn in range(turns) for chunk in chunks)
    row["key_chunks"] = [turn * len(chunks) + key for turn in range(turns) for key in row["key_chunks"]]
    row["chunk_bytes"], row["chunk_ticks"] = row["chunk_bytes"] * turns, row["chunk_ticks"] * turns
    return made


def _later(chunk: bytes, ticks: int) -> bytes:
    """A chunk of our packager (`tfdt` of version 1) that plays so much later."""
    at = chunk.index(b"tfdt") + 8
    time = int.from_bytes(chunk[at : at + 8], "big") + ticks
    return chunk[:at] + time.to_bytes(8, "big") + chunk[at + 8 :]


def stored(hub: Installation, part: Part, payload: bytes) -> Part:
    """The same part with these bytes, which are in the store then."""
    blob = hub.blobs.put_bytes(payload)
    pieces = None
    if len(payload) > package.PIECE_BYTES:
        pieces = hub.blobs.put_bytes(package.piece_list(hub.blobs.path(blob.sha256))).sha256
    return replace(part, bytes=len(payload), sha256=blob.sha256, pieces=pieces)


def _within_a_package(hub: Installation, made: Path, facts: list[dict[str, Any]]) -> tuple[Part, ...]:
    """The parts in the store; their playlists name hashes instead of files."""
    names: dict[str, str] = {}
    parts = []
    for row in sorted(facts, key=lambda row: (row["kind"] == "playlist", row["name"] == "master.m3u8")):
        file = row.pop("file")
        payload = (made / file).read_bytes()
        if row["kind"] == "playlist":
            text = payload.decode()
            for known, sha256 in sorted(names.items(), reverse=True):
                text = text.replace(f'"{known}"', f'"{sha256}"').replace(f"\n{known}\n", f"\n{sha256}\n")
            payload = text.encode()
        names[file] = sha256_hex(payload)
        parts.append(stored(hub, Part.from_json(row), payload))
    return tuple(parts)
