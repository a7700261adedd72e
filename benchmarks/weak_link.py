"""A weak line between browsers and a server, as `evidence/player.md` and `avsplit.md` measured with: rate, delay, outages, no loss.

Run as a program it listens and prints its port:  python weak_link.py SERVER_PORT '{"kbits": 256, "rtt_s": 0.6}'.
One bucket for all connections, which take turns (round robin, a full packet each); what a connection has sent waits in a
queue of at most 32 KB before the bottleneck. Half a round trip passes on each way; a new connection costs one more. Instead of
"kbits", "steps" are [seconds, kbit/s] one after the other, which begin anew at each line on standard input.
"""

import asyncio
import json
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PACKET, QUEUE = 1460, 32 << 10
TRACES = Path(__file__).parent / "traces"


class Rate:
    """What the line carries at a moment."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._steps: list[list[float]] = facts.get("steps") or [[3600, facts["kbits"]]]
        self._span = sum(seconds for seconds, _ in self._steps)
        self.began = 0.0

    def bytes_per_s(self, now: float) -> float:
        """The rate of the step that `now` falls into; a rate of 0 is an outage."""
        at = (now - self.began) % self._span
        for seconds, kbits in self._steps:
            if at < seconds:
                return kbits * 125
            at -= seconds
        return 0.0


class Side:
    """Bytes down one connection: read ahead a little, sent in turn, delivered half a round trip later."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer, self.waiting, self.room, self.ended = writer, deque[bytes](), asyncio.Event(), False
        self.size, self.in_line = 0, False


class Link:
    """The bottleneck and what crosses it."""

    def __init__(self, server_port: int, facts: dict[str, Any]) -> None:
        self._port, self._half_s, self.rate = server_port, facts.get("rtt_s", 0.6) / 2, Rate(facts)
        self._sides: deque[Side] = deque()
        self._some = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a browser."""
        await asyncio.sleep(2 * self._half_s)  # SYN and its answer
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        side = Side(writer)
        up = asyncio.create_task(self._up(reader, to_server, side))
        self._tasks.add(up)
        up.add_done_callback(self._tasks.discard)
        with suppress(OSError):
            while payload := await from_server.read(4096):
                while side.size > QUEUE and not side.ended:
                    side.room.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(side.room.wait(), 0.5)
                if side.ended:
                    break
                side.waiting.append(payload)
                side.size += len(payload)
                self._queue(side)
        while side.size and not side.ended:
            await asyncio.sleep(0.1)
        up.cancel()
        to_server.close()
        self._later(writer.close)

    async def _up(self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter, side: Side) -> None:
        with suppress(OSError):
            while payload := await reader.read(4096):
                self._later(lambda payload=payload: to_server.write(payload))
        side.ended = True
        side.room.set()
        to_server.close()

    def _later(self, act: Any) -> None:
        asyncio.get_running_loop().call_later(self._half_s, act)

    async def run(self) -> None:
        """Sends what waits, a packet of each connection in turn."""
        clock = asyncio.get_running_loop().time
        self.rate.began = free_at = clock()
        while True:
            if not self._sides:
                self._some.clear()
                await self._some.wait()
                free_at = max(free_at, clock())
            side = self._sides.popleft()
            side.in_line = False
            if side.ended:
                continue  # the browser is gone, and so is what waited for it
            if not side.waiting:
                continue
            packet = self._packet(side)
            while not (speed := self.rate.bytes_per_s(free_at)):
                free_at += 0.05
            free_at += len(packet) / speed
            await asyncio.sleep(max(0.0, free_at - clock()))
            self._later(lambda side=side, packet=packet: None if side.ended else side.writer.write(packet))
            side.size -= len(packet)
            side.room.set()
            if side.waiting:
                self._queue(side)

    def _queue(self, side: Side) -> None:
        if not side.in_line:
            self._sides.append(side)
            side.in_line = True
        self._some.set()

    def _packet(self, side: Side) -> bytes:
        first = side.waiting.popleft()
        if len(first) > PACKET:
            side.waiting.appendleft(first[PACKET:])
        return first[:PACKET]


async def _main(server_port: int, facts: dict[str, Any]) -> None:
    link = Link(server_port, facts)
    server = await asyncio.start_server(link.take, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: _restart(link))
    await link.run()


def _restart(link: Link) -> None:
    if not sys.stdin.readline():
        raise SystemExit
    link.rate.began = asyncio.get_running_loop().time()


class Line:
    """A running link."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process, self.port = process, port

    def begin(self) -> None:
        """Now is the start of the trace."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()


@contextmanager
def line(server_port: int, **facts: Any) -> Iterator[Line]:
    """A link in a process of its own."""
    command = [sys.executable, __file__, str(server_port), json.dumps(facts)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Line(process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


def trace(name: str) -> dict[str, Any]:
    """One of the outage traces that lie here as files."""
    found: dict[str, Any] = json.loads((TRACES / f"outages_{name}.json").read_text())
    return found


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), json.loads(sys.argv[2])))
