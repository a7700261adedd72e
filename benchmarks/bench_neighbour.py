"""How quickly one box copies from another on a fast network, beside curl that fetches the same file in the same run.

Both boxes are the real program: the mirror is what `eduhub serve` starts, with and without nginx, in a network namespace of its own; the other
asks it as a round does, over a cable (veth) of so many Mbit/s, checks every piece, and stores the part (files synced to disk). curl has a pass
for the same part and writes what it gets to the same disk; nothing is checked or synced there. They take turns. `loopback`: a cable
without a ceiling, where what is compared is what the programs cost. `ratio`: the box's rate over curl's, medians. Needs root, ip and tc; without
them only the loopback is measured. Prints a table, then one JSON object. BENCH=short: fewer bytes, without nginx.

    python benchmarks/bench_neighbour.py
"""

import ctypes
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import serving
from eduhub.config import Settings
from eduhub.delivery import passes
from eduhub.delivery.models import BlobRow, PackageRow, PartRow
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate
from eduhub.sync.allowance.ledger import Ledger
from eduhub.sync.mirrors import known
from eduhub.sync.mirrors.models import Mirror
from eduhub.sync.mirrors.nearby import Nearby
from tests.sync.world import Hub, noise

SHORT = os.environ.get("BENCH") == "short"
PART_BYTES = (16 << 20) if SHORT else (64 << 20)
TURNS = 2 if SHORT else 5
MBIT_S = (100,) if SHORT else (100, 300, 1000)  # a cable of a school, good air, a cable of today
_NEW_NETWORK = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


_own_network = os.open("/proc/self/ns/net", os.O_RDONLY)  # before any other was entered


def enter(namespace: str | None) -> None:
    """This thread, and the programs that it starts, are on that network from now on; None: the machine's own."""
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY) if namespace else os.dup(_own_network)
    try:
        if _libc.setns(descriptor, _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(descriptor)


@contextmanager
def cable(mbit_s: int) -> Iterator[tuple[str, str]]:
    """Two namespaces, at 10.98.0.1 and 10.98.0.2."""
    names = [f"ehb{os.getpid()}{side}" for side in "ab"]

    def run(*words: str) -> None:
        subprocess.run(words, check=True)

    try:
        for name in names:
            run("ip", "netns", "add", name)
        run("ip", "link", "add", names[0], "netns", names[0], "type", "veth", "peer", "name", names[1], "netns", names[1])
        for number, name in enumerate(names, 1):
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "addr", "add", f"10.98.0.{number}/24", "dev", name)
            run("ip", "-n", name, "link", "set", name, "up")
            run("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", name, "root", "tbf", "rate", f"{mbit_s}mbit", "burst", "256kb", "latency", "30ms")
        yield names[0], names[1]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


def machine(folder: Path, role: str) -> Installation:
    settings = Settings(role=role, data_dir=folder, secure_cookies=False, bind="0.0.0.0")  # type: ignore[arg-type]  # noqa: S104 - in a namespace
    made = open_installation(settings)
    migrate.upgrade(made.database)
    return made


def forget(box: Installation, package: str) -> None:
    """As if nothing of the package had ever come."""
    with box.database.write() as session:
        for model, column in ((PartRow, PartRow.package_id), (PackageRow, PackageRow.id)):
            session.execute(delete(model).where(column == package))
        names = session.scalars(select(BlobRow.sha256)).all()
        session.execute(delete(BlobRow))
        for row in session.scalars(select(Mirror)):
            row.aside_until_steady_s, row.failures = 0, 0
    box.blobs.unlink_package(package)
    for name in names:
        box.blobs.path(name).unlink(missing_ok=True)


def by_box(box: Installation, node_uid: str, org: str, expected: int) -> float:
    with Ledger(box) as ledger:
        began = time.perf_counter()
        done = Nearby(box, ledger, node_uid).fetch(org, None, lambda: None, lambda: True)
        took = time.perf_counter() - began
    assert done.bytes >= expected, (done, [vars(row) for row in _mirrors(box)])
    return took


def _mirrors(box: Installation) -> list[Mirror]:
    with box.database.read() as session:
        return list(session.scalars(select(Mirror)))


def by_curl(near: Installation, base: str, package: str, sha256: str, node_uid: str, folder: Path) -> float:
    token = passes.mint(
        near.keys.secret, package_id=package, audience="node", person_uid=node_uid, expires_steady_s=near.steady.now_s() + 3600
    )
    url, out = f"{base}/p/{package}/{sha256}", folder / "curl.out"
    began = time.perf_counter()
    subprocess.run(["curl", "-sf", "-H", f"Authorization: EduHub-Pass {token}", "-o", str(out), url], check=True)
    took = time.perf_counter() - began
    assert out.stat().st_size == PART_BYTES
    out.unlink()
    return took


def measure(web_server: str, folder: Path, mbit_s: int | None) -> dict[str, Any]:
    hub = Hub(machine(folder / "hub", "hub"))
    near, far = machine(folder / "near", "node"), machine(folder / "far", "node")
    one, two = hub.school("One"), hub.school("Two")
    package = hub.lesson(hub.course(hub.region, groups=(one, two)), parts={"aac": noise("v", PART_BYTES)})
    near_uid, far_uid = hub.join(near, one, "one-1"), hub.join(far, two, "two-1")
    hub.sync(near)
    with near.database.read() as session:
        sha256 = session.scalars(select(PartRow.sha256).where(PartRow.bytes == PART_BYTES)).one()
    hub.wire.instead[f"/p/{package}/{package}"] = (404, b'{"code": "asked.not_found"}')
    hub.sync(far)
    box_s, curl_s = [], []

    def take_turns(base: str) -> None:
        with far.database.write() as session:
            known.sighted(session, [known.Sighting(base, near_uid, "one-1", 1)], int(far.steady.now_s()))
        for _ in range(TURNS):
            forget(far, package)
            box_s.append(by_box(far, far_uid, two.org, PART_BYTES))
            curl_s.append(by_curl(near, base, package, sha256, far_uid, folder))

    if mbit_s is None:
        with serving.lane(near, "mirror", web_server) as server:
            take_turns(f"http://127.0.0.1:{server.port}")
    else:
        with cable(mbit_s) as (here, there):
            enter(here)
            try:
                with serving.lane(near, "mirror", web_server) as server:
                    enter(there)
                    take_turns(f"http://10.98.0.1:{server.port}")
            finally:
                enter(None)
    box_mb_s, curl_mb_s = (PART_BYTES / 1e6 / statistics.median(took) for took in (box_s, curl_s))
    for made in (hub.here, near, far):
        made.database.close()
    return {"box_mb_s": round(box_mb_s, 1), "curl_mb_s": round(curl_mb_s, 1), "ratio": round(box_mb_s / curl_mb_s, 2)}


def main() -> None:
    logging.disable(logging.CRITICAL)
    has_cables = os.geteuid() == 0 and shutil.which("ip") and shutil.which("tc")
    found = {}
    for web_server in ("gunicorn",) if SHORT else ("gunicorn", "nginx"):
        for mbit_s in (*(MBIT_S if has_cables else ()), None):
            name = f"{web_server} {mbit_s or 'loopback'}"
            with tempfile.TemporaryDirectory(prefix="neighbour-") as folder:
                found[name] = measure(web_server, Path(folder), mbit_s)
            print(f"{name:20} {found[name]}", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
