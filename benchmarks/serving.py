"""Servers over one folder of parts, a light client, and what they cost: the tools of bench_serve.py.

Processor time is user and system time of every thread of a server's processes, from /proc/<pid>/task/*/schedstat (the
same time as utime and stime, in nanoseconds instead of ticks of 10 ms).
"""

import multiprocessing
import os
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eduhub.installation import Installation, open_installation
from eduhub.ops import nginx, serve

BLOCK = 1 << 20
BARE = """
daemon off; pid "{folder}/nginx.pid"; error_log stderr alert; worker_processes 1; {user}
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
    client_body_temp_path "{folder}/b"; proxy_temp_path "{folder}/p"; fastcgi_temp_path "{folder}/f";
    uwsgi_temp_path "{folder}/u"; scgi_temp_path "{folder}/s";
    server {{ listen 127.0.0.1:{port}; location /p/ {{ alias "{packages}/"; default_type video/mp4; }} }}
}}
"""


@dataclass(frozen=True)
class Server:
    """What answers at a port."""

    name: str
    port: int
    processes: tuple[int, ...]

    def cpu_s(self) -> float:
        """Processor seconds of all its processes up to now."""
        return sum(_ran_s(task) for pid in self._all() for task in Path(f"/proc/{pid}/task").iterdir())

    def memory_mb(self) -> float:
        """Proportional memory (PSS: what processes share is counted once)."""
        rows = [line.split() for pid in self._all() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
        return sum(int(row[1]) for row in rows if row[0] == "Pss:") / 1024

    def threads(self) -> int:
        return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in self._all())

    def _all(self) -> list[int]:
        return [found for pid in self.processes for found in _family(pid)]


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(found for child in children for found in _family(int(child)))]


def _ran_s(task: Path) -> float:
    try:
        return int((task / "schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def lane(hub: Installation, name: str, web_server: str, port: int = 0) -> Iterator[Server]:
    """The pages of a hub as `eduhub serve` starts them, without a worker; one web process. `port` 0: a free one."""
    settings = replace(hub.settings, web_server=web_server, port=port or free_port(), web_processes=1)
    here = open_installation(settings)
    services = [service for service in serve.services(here) if not service.title.endswith("worker")]
    here.database.close()
    started = [
        subprocess.Popen(service.command, env=dict(service.environment), cwd=service.folder, stdin=subprocess.DEVNULL)
        for service in services
    ]
    try:
        while not serve.speaks(settings, timeout_s=2):
            time.sleep(0.1)
        yield Server(name, settings.port, tuple(process.pid for process in started))
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(20)


@contextmanager
def bare_nginx(packages: Path, folder: Path) -> Iterator[Server]:
    """nginx with nothing but the files: no pass is asked for."""
    folder.mkdir()
    port, program = free_port(), nginx.program()
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(BARE.format(folder=folder, port=port, packages=packages, user=user))
    process = subprocess.Popen([str(program), "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield Server("bare nginx", port, (process.pid,))
    finally:
        process.terminate()
        process.wait(20)


def requests(path: str, headers: Sequence[str], ranges: Sequence[str]) -> list[bytes]:
    """One request for each range; "" asks for the whole."""
    lines = [f"GET {path} HTTP/1.1", "Host: bench", *headers]
    return [("\r\n".join([*lines, *([f"Range: bytes={part}"] if part else [])]) + "\r\n\r\n").encode() for part in ranges]


def fetch(port: int, payloads: Sequence[bytes], times: int) -> None:
    """Send the requests in turn, `times` in all, over one kept-alive connection, and read the answers."""
    block = bytearray(BLOCK)
    view = memoryview(block)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for number in range(times):
            connection.sendall(payloads[number % len(payloads)])
            read_answer(connection, block, view)


def read_answer(connection: socket.socket, block: bytearray, view: memoryview) -> int:
    """Read one answer with a Content-Length to its end; its status."""
    have, end = 0, -1
    while end < 0:
        have += connection.recv_into(view[have:])
        end = block.find(b"\r\n\r\n", 0, have)
    head = bytes(block[:end]).lower()
    status = int(head[9:12])
    at = head.index(b"content-length: ") + 16
    left = int(head[at:].split(b"\r", 1)[0]) - (have - end - 4)
    while left > 0:
        left -= connection.recv_into(view, min(left, BLOCK))
    return status


class SlowReaders:
    """Readers that hold their connections open and take so many bytes a second, in a process of their own."""

    def __init__(self, port: int, request: bytes, count: int, bytes_per_s: int) -> None:
        fork = multiprocessing.get_context("fork")
        self.taken = fork.Array("q", count, lock=False)  # bytes, by reader; -1: it was cut off
        self._process = fork.Process(target=_read_slowly, args=(port, request, self.taken, bytes_per_s), daemon=True)

    def __enter__(self) -> "SlowReaders":
        self._process.start()
        return self

    def __exit__(self, *_what: object) -> None:
        self._process.terminate()
        self._process.join()

    def wait_until_all_read(self) -> None:
        """Until every one has had its first bytes."""
        while not all(self.taken):
            time.sleep(0.1)


def _read_slowly(port: int, request: bytes, taken: Any, bytes_per_s: int) -> None:
    sockets = []
    for _ in taken:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)  # what is not read stays with the server
        made.connect(("127.0.0.1", port))
        made.sendall(request)
        sockets.append(made)
    while True:
        for number, made in enumerate(sockets):
            if taken[number] >= 0 and select.select([made], [], [], 0)[0]:
                got = len(made.recv(bytes_per_s))
                taken[number] = taken[number] + got if got else -1
            time.sleep(1 / len(sockets))


def page_times_ms(port: int, path: str, times: int) -> list[float]:
    """How long each of so many requests for a page took, one after the other."""
    block, found = bytearray(BLOCK), []
    view, (payload,) = memoryview(block), requests(path, [], [""])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(times):
            began = time.perf_counter()
            connection.sendall(payload)
            read_answer(connection, block, view)
            found.append((time.perf_counter() - began) * 1000)
    return found
