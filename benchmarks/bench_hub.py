"""One hub, a thousand boxes that poll and fifty that fetch, over real HTTP; and the same at ten times the catalogue.

The hub is the program as `eduhub serve` starts it: nginx, and gunicorn with one web process. The boxes live in another
process: each has a kept-alive connection of its own and asks at its hashed moment of a minute; the minute is made shorter.
Some children's names change meanwhile, and the boxes that hear of it read their stream. Processor time is that of all
threads of the hub's processes (see serving.py).

`poll_bytes` is what passes a box's socket for an idle poll, both ways, headers and all, without TCP and TLS (22 bytes each
way more). Beside the cost of a poll stand, from the same run and asked by the same boxes at the same times, a small static
file that nginx sends by itself, and the shortest way through nginx and gunicorn that there is (a poll that is refused before
the database is asked).
"""

import asyncio
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import county, serving
from benchmarks.county import Box
from eduhub.accounts.models import Person
from eduhub.config import Settings
from eduhub.delivery import catalog, holding, package, passes
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate, nginx
from eduhub.signing import sha256_hex
from eduhub.sync import auth, polling
from eduhub.sync.school_stream import scope, streams
from tests.delivery.conftest import lesson_manifest, part, pieces_of

SHORT = os.environ.get("BENCH") == "short"
BOXES, FETCHING = (200, 10) if SHORT else (1000, 50)
LESSONS = 200 if SHORT else 2000
MINUTE_S, MINUTES = (3.0, 2) if SHORT else (20.0, 3)  # a minute of the boxes, and how many of them
CHANGE_EVERY_S = 0.5
PACE_BYTES_S = 32_000  # of one box that fetches: 256 kbit/s
PEERS = ("/static/eduhub.svg", "/sync/v1/poll?x")
PIECE, VIDEO_BYTES = 128 << 10, 4 << 20


@dataclass
class Seen:
    """What the boxes saw of the hub."""

    polls: int = 0
    moved: int = 0
    read: int = 0
    pieces: int = 0
    errors: list[str] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)  # of idle polls, both ways


class Line:
    """A kept-alive connection that counts."""

    def __init__(self, port: int) -> None:
        self._port, self._streams = port, None
        self.passed = 0

    async def ask(self, lines: Sequence[str]) -> tuple[int, dict[str, str], bytes]:
        """One request; status, headers and body."""
        if self._streams is None:
            self._streams: Any = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        asked = ("\r\n".join([lines[0], "Host: hub.nagchu.example.cn", *lines[1:]]) + "\r\n\r\n").encode()
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.passed += len(asked) + len(head) + len(body)
        return int(first.split()[1]), headers, body


async def poll_on(box: Box, token: str, port: int, seen: Seen, until_s: float, at: tuple[int, int], instead: str | None) -> None:
    """One box: polls at its moment, and reads its stream when something moved. `instead`: what it asks for and does not look at."""
    line, sequence = Line(port), box.sequence
    due_s = time.monotonic() + polling.moment_s(box.node_uid, MINUTE_S)
    while due_s < until_s:
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        began_s, before = time.monotonic(), line.passed
        status, _headers, body = await line.ask(
            [f"GET {instead or f'/sync/v1/poll?e={at[0]}&c={at[1]}&s={sequence}'} HTTP/1.1", f"Authorization: {auth.POLL_SCHEME}{token}"]
        )
        seen.polls += 1
        seen.times_s.append(time.monotonic() - began_s)
        if instead is not None:
            pass
        elif status == 204:
            seen.bytes.append(line.passed - before)
        elif status == 200:
            seen.moved += 1
            sequence = await read_stream(box, line, sequence, seen, at[1])
        else:
            seen.errors.append(f"poll {status} {body[:80]!r}")
        due_s += MINUTE_S


async def read_stream(box: Box, line: Line, sequence: int, seen: Seen, at: int) -> int:
    """What a round reads of it: hello and the stream. The page is sealed to a key that nobody has; its place is asked of the hub."""
    status, _headers, body = await line.ask([f"GET /sync/v1/hello?nonce={os.urandom(16).hex()} HTTP/1.1"])
    target = f"/sync/v1/stream?after={sequence}&catalog={at}"
    signed = auth.header(box.key, box.node_uid, json.loads(body)["nonce"], "GET", target, b"")
    status, _headers, body = await line.ask([f"GET {target} HTTP/1.1", f"Authorization: {signed}"])
    seen.read += 1
    if status != 200:
        seen.errors.append(f"stream {status} {body[:80]!r}")
        return sequence
    return sequence + 1  # one child's name: one place moved


async def fetch_on(path: str, token: str, port: int, seen: Seen, until_s: float) -> None:
    """One box that fetches pieces at the pace of a village's link."""
    line, at = Line(port), 0
    while time.monotonic() < until_s:
        began_s = time.monotonic()
        status, _headers, body = await line.ask(
            [f"GET {path} HTTP/1.1", f"Authorization: EduHub-Pass {token}", f"Range: bytes={at}-{at + PIECE - 1}"]
        )
        seen.pieces += 1
        if status != 206 or len(body) != PIECE:
            seen.errors.append(f"piece {status}")
        at = (at + PIECE) % VIDEO_BYTES
        await asyncio.sleep(max(0.0, PIECE / PACE_BYTES_S - (time.monotonic() - began_s)))


def live(
    answers: Any, boxes: list[tuple[Box, str]], port: int, fetching: tuple[str, str] | None, minutes: float, at: tuple[int, int],
    instead: str | None,
) -> None:  # fmt: skip
    """All boxes, in a process of their own."""

    async def all_of_them() -> Seen:
        seen, until_s = Seen(), time.monotonic() + minutes * MINUTE_S
        tasks = [poll_on(box, token, port, seen, until_s, at, instead) for box, token in boxes]
        if fetching is not None:
            tasks += [fetch_on(*fetching, port, seen, until_s) for _ in range(FETCHING)]
        for found in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(found, BaseException):
                seen.errors.append(f"{type(found).__name__}: {found}")
        return seen

    answers.put(asyncio.run(all_of_them()))


def measure(folder: Path, lessons: int) -> dict[str, Any]:
    """The figures of one hub with so many lessons."""
    hub = open_installation(Settings(data_dir=folder, secure_cookies=False))
    migrate.upgrade(hub.database)
    boxes = county.build(hub, BOXES, lessons)
    check(hub, boxes[-1])
    fetching = a_video(hub)
    with hub.database.read() as session:
        at = (catalog.state(session).epoch, catalog.sequence(session))
    known = [(box, auth.poll_token(hub, box.node_uid)) for box in boxes]
    with serving.lane(hub, "hub", "nginx" if nginx.program() else "gunicorn") as server:
        run(server, known, None, 1, at)  # each process of the hub has met all boxes, and everything is warm
        idle, idle_s = run(server, known, None, MINUTES, at)
        full, _full_s = run(server, known, fetching, MINUTES, at, hub)
        memory_mb = server.memory_mb()
        peers_ms = [
            spent_s / asked.polls * 1000
            for asked, spent_s in (run(server, known, None, MINUTES if not SHORT else 1, at, instead=path) for path in PEERS)
        ]
    hub.database.close()
    return {
        "poll_cpu_ms": idle_s / idle.polls * 1000, "static_cpu_ms": peers_ms[0], "shortest_cpu_ms": peers_ms[1],
        "poll_bytes": max(idle.bytes), "rss_mb": memory_mb, "p95_s": statistics.quantiles(full.times_s, n=20)[-1],
        "errors": len(idle.errors) + len(full.errors), "said": (idle.errors + full.errors)[:5],
        "polls": idle.polls + full.polls, "moved_idle": idle.moved, "moved": full.moved, "read": full.read, "pieces": full.pieces,
    }  # fmt: skip


def check(hub: Installation, box: Box) -> None:
    """The county is what the program makes: the stream of one school, brought on as a whole, does not move."""
    with hub.database.write() as session:
        state = session.get_one(streams.StreamState, box.org_uid)
        before = state.sequence
        state.day = None  # all of it is asked for
        session.flush()
        assert streams.refresh(session, box.org_uid).sequence == before, "the county is not what the program would have made"
        assert len(scope.of_school(session, box.org_uid, str(state.day)).rows) == before


def a_video(hub: Installation) -> tuple[str, str]:
    """A lesson's video, and a pass for it."""
    video = random.Random(5).randbytes(VIDEO_BYTES)
    with hub.database.write() as session:
        hub_uid = county.keys.keyring(session).hub_uid
        payload = lesson_manifest(hub=hub_uid, parts=(
            part("aac", b"voice", floor=True), part("stills", b"stills", kind="stills", type="image/webp", language=None, floor=True),
            part("v240", video, kind="video", type="video/mp4", width=426, height=240, language=None),
        )).to_bytes()  # fmt: skip
        for piece in (b"voice", b"stills", video, pieces_of(video)):
            hub.blobs.put_bytes(piece)
        row = holding.hold(session, hub.blobs, payload, package.sign(payload, hub.keys.publishing))
        holding.reveal_present(session, hub.blobs, row.id)
        token = passes.mint(
            hub.keys.secret, package_id=row.id, audience="node", person_uid=None, expires_steady_s=hub.steady.now_s() + 36_000
        )
        return f"/p/{row.id}/{sha256_hex(video)}", token


def run(
    server: serving.Server, boxes: list[tuple[Box, str]], fetching: tuple[str, str] | None, minutes: float, at: tuple[int, int],
    changing: Installation | None = None, instead: str | None = None,
) -> tuple[Seen, float]:  # fmt: skip
    """Let the boxes live for some minutes; what they saw, and the processor seconds of the hub."""
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    before_s = server.cpu_s()
    process = fork.Process(target=live, args=(answers, boxes, server.port, fetching, minutes, at, instead), daemon=True)
    process.start()
    until_s = time.monotonic() + (minutes - 0.5) * MINUTE_S
    while changing is not None and time.monotonic() < until_s:
        box, _token = random.choice(boxes)
        with changing.database.write() as session:
            session.get_one(Person, box.child_uid).name = f"卓玛 {time.monotonic_ns()}"
        time.sleep(CHANGE_EVERY_S)
    seen: Seen = answers.get(timeout=minutes * MINUTE_S + 120)
    process.join(30)
    return seen, server.cpu_s() - before_s


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="eduhub-bench-hub-") as place:
        small = measure(Path(place) / "small", LESSONS)
        print(f"  {BOXES} boxes, {LESSONS} lessons: {small}")
        large = measure(Path(place) / "large", 10 * LESSONS)
        print(f"  {BOXES} boxes, {10 * LESSONS} lessons: {large}")
    figures = {
        "poll_cpu_ms": round(small["poll_cpu_ms"], 3), "poll_cpu_ms_10x_catalogue": round(large["poll_cpu_ms"], 3),
        "poll_bytes": max(small["poll_bytes"], large["poll_bytes"]), "rss_mb": round(large["rss_mb"]),
        "p95_s": round(max(small["p95_s"], large["p95_s"]), 4), "errors": small["errors"] + large["errors"],
        "poll_vs_static_file": round(large["poll_cpu_ms"] / large["static_cpu_ms"], 1),
        "poll_vs_shortest_way": round(large["poll_cpu_ms"] / large["shortest_cpu_ms"], 2),
        "boxes": BOXES, "fetching": FETCHING,
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
