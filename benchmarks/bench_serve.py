"""What serving costs: both lanes against bare nginx, pages beside 200 slow readers, catalogue pages.

A ratio is the processor time of bare nginx (the same tree, no passes) for a request, divided by that of the lane, both
measured in turns in this run; 1.0 is nginx, and what is larger is better. A page's figure beside slow readers is the 95th percentile of its
time with 200 readers of 8 KB/s held open, divided by that without. `python_lane_vs_kolibri` is null: Kolibri is not
installed beside this project. Prints a table, then one JSON object. BENCH=short: under a minute.
"""

import json
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import serving
from benchmarks.serving import Server
from eduhub.config import Settings
from eduhub.delivery import catalog, holding, keys, package, passes
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate, nginx
from eduhub.signing import sha256_hex
from tests.delivery.conftest import HUB, lesson_manifest, part, pieces_of

SHORT = os.environ.get("BENCH") == "short"
WHOLE_BYTES, RANGE_BYTES = 4 << 20, 64 << 10
ROUNDS = 20 if SHORT else 40  # a round is a few milliseconds of processor time
READERS, READER_BYTES_S = 200, 8192
TURNS, PAGE_TIMES = (3, 60) if SHORT else (7, 150)  # windows with and without slow readers, requests in each
PAGES = ("/health", "/sign-in")


def hub_in(folder: Path) -> tuple[Installation, str, str]:
    """A hub with one package of a 4 MB video; the address of the video, and a pass for it."""
    hub = open_installation(Settings(data_dir=folder, secure_cookies=False))
    migrate.upgrade(hub.database)
    video = os.urandom(WHOLE_BYTES)
    payload = lesson_manifest(
        parts=(
            part("aac", b"voice", floor=True), part("stills", b"stills", kind="stills", type="image/webp", language=None, floor=True),
            part("v240", video, kind="video", type="video/mp4", width=426, height=240, language=None),
        )
    ).to_bytes()  # fmt: skip
    with hub.database.write() as session:
        keys.make_hub_keys(session, hub.keys, hub_uid=HUB)
    for piece in (b"voice", b"stills", video, pieces_of(video)):
        hub.blobs.put_bytes(piece)
    signature = package.sign(payload, hub.keys.publishing)
    with hub.database.write() as session:
        row = holding.hold(session, hub.blobs, payload, signature)
        holding.reveal_present(session, hub.blobs, row.id)
        catalog.append(session, hub.keys, "publish", {"package": row.id, "signature": signature.as_json()})
        package_id = row.id
    token = passes.mint(
        hub.keys.secret, package_id=package_id, audience="learner", person_uid=None,
        expires_steady_s=hub.steady.now_s() + 36_000,
    )  # fmt: skip
    return hub, f"/p/{package_id}/{sha256_hex(video)}", token


def costs_us(servers: list[Server], payloads: list[bytes], times: int) -> dict[str, list[float]]:
    """Processor microseconds for a request, round by round, the servers in turns."""
    found: dict[str, list[float]] = {server.name: [] for server in servers}
    for server in servers:
        serving.fetch(server.port, payloads, times)  # everything is in memory, and every pass was asked about
    for number in range(ROUNDS):
        for server in servers if number % 2 else reversed(servers):
            before = server.cpu_s()
            serving.fetch(server.port, payloads, times)
            found[server.name].append((server.cpu_s() - before) / times * 1e6)
    return found


def ratios(found: dict[str, list[float]]) -> dict[str, float]:
    """Bare nginx divided by each lane: the median of the rounds' own ratios."""
    bare = found["bare nginx"]
    return {
        name: statistics.median(one / other for one, other in zip(bare, times, strict=True)) for name, times in found.items()
    }


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def beside_slow_readers(server: Server, request: bytes) -> dict[str, float]:
    """p95 of pages with and without slow readers, in turns; threads and memory with them."""
    without: dict[str, list[float]] = {page: [] for page in PAGES}
    beside: dict[str, list[float]] = {page: [] for page in PAGES}
    alone_mb = server.memory_mb()
    for _ in range(TURNS):
        for page in PAGES:
            without[page] += serving.page_times_ms(server.port, page, PAGE_TIMES)
        with serving.SlowReaders(server.port, request, READERS, READER_BYTES_S) as readers:
            readers.wait_until_all_read()
            for page in PAGES:
                beside[page] += serving.page_times_ms(server.port, page, PAGE_TIMES)
            threads, memory_mb = server.threads(), server.memory_mb()
    for page in PAGES:
        print(f"  {server.name}: {page} p95 {p95(without[page]):.1f} ms, beside {READERS} slow readers {p95(beside[page]):.1f} ms")
    print(f"  {server.name}: {threads} threads and {memory_mb:.0f} MB with the readers, {alone_mb:.0f} MB before")
    both = [p95([time for page in PAGES for time in times[page]]) for times in (beside, without)]
    return {
        "ratio": round(both[0] / both[1], 2), "threads": threads, "memory_mb": round(memory_mb), "memory_before_mb": round(alone_mb),
    }  # fmt: skip


def catalogue(folder: Path) -> dict[str, float | None]:
    """The figures of pages.py; null where the pages cannot be measured."""
    try:
        from benchmarks import pages  # noqa: PLC0415 - needs the tests' school

        found: dict[str, float | None] = pages.measure(folder, requests=10 if SHORT else 30)
    except Exception as error:  # noqa: BLE001 - the other figures are still worth having
        print(f"  catalogue pages were not measured: {type(error).__name__}: {error}")
        found = dict.fromkeys(("catalogue_uncached_ms", "catalogue_cached_ms", "catalogue_304_ms"))
    return found


def main() -> None:
    figures: dict[str, object] = {"python_lane_vs_kolibri": None}
    if nginx.program() is None:
        print("nginx is not installed: there is nothing to compare with")
    with tempfile.TemporaryDirectory(prefix="eduhub-bench-") as place, ExitStack() as stack:
        folder = Path(place)
        hub, path, token = hub_in(folder / "hub")
        hub.database.close()
        lanes = [stack.enter_context(serving.lane(hub, "Python lane", "gunicorn"))]
        servers = list(lanes)
        if nginx.program() is not None:
            lanes.append(stack.enter_context(serving.lane(hub, "nginx lane", "nginx")))
            servers = [stack.enter_context(serving.bare_nginx(hub.packages_dir, folder / "bare")), *lanes]
        cookie = [f"Cookie: theme=dark; eduhub_pass={token}"]
        parts = [f"{at}-{at + RANGE_BYTES - 1}" for at in range(0, WHOLE_BYTES, RANGE_BYTES)]
        for ending, payloads, times in (
            ("", serving.requests(path, cookie, [""]), 8), ("_range", serving.requests(path, cookie, parts), 256),
        ):  # fmt: skip
            found = costs_us(servers, payloads, times)
            for name, rows in found.items():
                print(f"  {name}{ending}: {statistics.median(rows):.0f} us of processor time a request")
            if "bare nginx" in found:
                compared = ratios(found)
                figures[f"python_lane_vs_nginx{ending}"] = round(compared["Python lane"], 3)
                figures[f"nginx_lane_vs_nginx{ending}"] = round(compared["nginx lane"], 3)
        beside = {lane.name: beside_slow_readers(lane, serving.requests(path, cookie, [""])[0]) for lane in lanes}
        figures["slow_reader_page_p95_ratio"] = max(row["ratio"] for row in beside.values())
        figures["beside_slow_readers"] = beside
        (folder / "school").mkdir()
        figures |= catalogue(folder / "school")
    figures["loadavg"] = [round(load, 2) for load in os.getloadavg()]
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
