"""A weak line that loses packets between browsers and a server: real TCP over `villagelink`, which lies beside the project, not in it.

Run as a program it listens and prints its port:  python lossy_link.py SERVER_PORT '{"rate_down": "256k", "loss": "2%"}'.
A browser's connection ends here; from here each goes on as one of its own over the emulated link, from the school's side to the hub's,
and there to the server. What the browser gives up is dropped at once on all of the way.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import machinery, util
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.weak_link import Line

TOOL = Path(__file__).parents[2] / "shared" / "tools" / "villagelink"
HUB_PORT = 8000
CUBIC, ALLOWED = "cubic", Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
GONE = struct.pack("ii", 1, 0)  # SO_LINGER: what is still queued is dropped


def missing() -> str:
    """Why there is no such line on this machine; empty when there is."""
    if not TOOL.exists():
        return "villagelink is not beside this project (../shared/tools)"
    return str(tool().unsupported()) or ("" if _allows_cubic() else "this machine lets no namespace control congestion with cubic")


def _allows_cubic() -> bool:
    """A namespace may only choose what its machine allows to everybody, and is not told. So this machine allows cubic from here on."""
    allowed = ALLOWED.read_text().split()
    if CUBIC not in allowed:
        with suppress(OSError):
            ALLOWED.write_text(" ".join([*allowed, CUBIC]))
    return CUBIC in ALLOWED.read_text().split()


@contextmanager
def link(**properties: Any) -> Iterator[Any]:
    """A link of villagelink's whose two ends control congestion with cubic, as Linux starts, whatever this machine does itself.

    Raises RuntimeError where they would not.
    """
    _allows_cubic()
    with tool().Link(congestion=CUBIC, **properties) as made:
        for side in ("hub", "school"):
            with made.inside(side), socket.socket() as probe:
                used = probe.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()
            if used != CUBIC:
                raise RuntimeError(f"the {side}'s connections would use {used}, not {CUBIC}")
        yield made


@contextmanager
def line(server_port: int, **properties: Any) -> Iterator[Line]:
    """A link in a process of its own; `properties` are villagelink's."""
    command = [sys.executable, __file__, str(server_port), json.dumps(properties)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Line(process, int(process.stdout.readline()))
    finally:
        process.communicate()  # the end of its input ends it, and the namespaces with it


@cache
def tool() -> Any:
    """villagelink, as a module."""
    loader = machinery.SourceFileLoader("villagelink", str(TOOL))
    spec = util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _main(server_port: int, properties: dict[str, Any]) -> None:
    with link(**properties) as made:
        with made.inside("hub"):
            hub = socket.create_server((made.hub_address, HUB_PORT), backlog=64)
        browsers = socket.create_server(("127.0.0.1", 0), backlog=64)

        def over_the_link() -> socket.socket:
            with made.inside("school"):
                connection = socket.socket()
            connection.connect((made.hub_address, HUB_PORT))
            return connection

        def to_the_server() -> socket.socket:
            return socket.create_connection(("127.0.0.1", server_port))

        for listener, onwards in ((hub, to_the_server), (browsers, over_the_link)):
            threading.Thread(target=_serve, args=(listener, onwards), daemon=True).start()
        print(browsers.getsockname()[1], flush=True)
        sys.stdin.read()
    os._exit(0)  # threads that wait for a socket would keep it alive


def _serve(listener: socket.socket, onwards: Any) -> None:
    while True:
        here, _ = listener.accept()
        threading.Thread(target=_join, args=(here, onwards), daemon=True).start()


def _join(here: socket.socket, onwards: Any) -> None:
    try:
        there = onwards()
    except OSError:
        here.close()
        return
    for one in (here, there):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    back = threading.Thread(target=_answer, args=(there, here), daemon=True)
    back.start()
    _copy(here, there)
    for one in (here, there):  # the browser is gone: what is still on its way is dropped
        with suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, GONE)
            one.shutdown(socket.SHUT_RDWR)
    back.join()
    for one in (here, there):
        one.close()


def _answer(there: socket.socket, here: socket.socket) -> None:
    _copy(there, here)
    with suppress(OSError):
        here.shutdown(socket.SHUT_WR)  # the server has said all; the browser reads it to the end


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while payload := source.recv(1 << 14):
            target.sendall(payload)


if __name__ == "__main__":
    _main(int(sys.argv[1]), json.loads(sys.argv[2]))
