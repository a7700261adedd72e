"""How soon a lesson plays over a bad line: our player, stock hls.js with every setting tuned for it, and the plain file.

256 kbit/s, 600 ms (`weak_link.py`), one lesson of our own encoder on a hub as it is served (gunicorn, passes, signed in). First
frame: from pressing play on a loaded page with warm connections to a picture on the screen and a running clock; cold: from opening
the page with an empty browser, play pressed as soon as it can be, and once all has loaded. Seek: to the middle of forty minutes, from a lesson that has played for some seconds, until the clock runs
there (the voice plays) and the picture or the still of that place is seen. Frozen and stood: how long the clock stood still on the two
outage traces of `traces/`, 150 s each, for want of bytes and in all (`playing.py`); what stood and was not frozen is this machine's.
Lossy: first frame and seek over `villagelink` with the same rate and delay and 2 % of the packets lost, for ours and for hls.js;
null where that tool is missing. Sync: how much later the beep follows the flash than in the muxed file. Medians. Prints a table, then
one JSON object. BENCH=short: one run of each, 20 s of the traces, no seek with loss.

hls.js and the file are measured in the same run, by turns. The musts: first frame 1.5 s and 0.45 of hls.js, cold 4.2 s, frozen 0.5 s,
seek 2 s, sync within 40 ms.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, Page

from benchmarks import in_step, lessons, lossy_link, playing, serving, weak_link
from benchmarks.lessons import Shown
from tests import chromium

SHORT = os.environ.get("BENCH") == "short"
RUNS = 1 if SHORT else 5
LESSON_S = 60 if SHORT else 180
TRACE_S = 20 if SHORT else 150
KBITS, RTT_S = 256, 0.6
FROM_THE_START = "#t=0"  # else the child goes on where the take before ended
HOST = "http://box.lan:{}"
LOSSY: dict[str, Any] = {"rate_down": "256k", "rate_up": "64k", "rtt": "600ms", "loss": "2%"}


def main() -> None:
    """Everything, in turns."""
    began = os.getloadavg()
    made = lessons.lecture(LESSON_S)
    with tempfile.TemporaryDirectory() as folder:
        shown = lessons.hub_with(Path(folder) / "hub", made)
        with serving.lane(shown.hub, "python", "gunicorn") as server, chromium.started() as browser:
            figures = measured(browser, shown, server.port)
            figures["sync_ms"] = out_of_step_ms(browser, Path(folder) / "flashes")
            figures |= sought(browser, lessons.forty_minutes(Path(folder) / "long", made))
        shown.hub.database.close()
    for name, value in figures.items():
        print(f"{name:26} {value}")
    print(json.dumps({**figures, "runs": RUNS, "loadavg": [*began, *os.getloadavg()]}))


def measured(browser: Browser, shown: Shown, port: int) -> dict[str, float | None]:
    """First frames and the traces, by name."""
    with weak_link.line(port, kbits=KBITS, rtt_s=RTT_S) as line:
        found = Bench(browser, shown, HOST.format(port), HOST.format(line.port)).starts()
    for name in ("a", "b"):
        trace = weak_link.trace(name)
        with weak_link.line(port, steps=trace["steps"], rtt_s=RTT_S) as line:
            endured = Bench(browser, shown, HOST.format(port), HOST.format(line.port)).endure(line)
        found |= {title.format(name): figure for title, figure in endured.items()}
    if reason := lossy_link.missing():
        print(f"nothing is measured with loss: {reason}")
        return {**rounded(found), "lossy_first_frame_s": None, "lossy_hlsjs_first_frame_s": None}
    with lossy_link.line(port, **LOSSY) as line:
        first = Bench(browser, shown, HOST.format(port), HOST.format(line.port)).starts("first_frame_s", "hlsjs_first_frame_s")
    return rounded({**found, **{f"lossy_{name}": first[name] for name in ("first_frame_s", "hlsjs_first_frame_s")}})


def rounded(figures: Mapping[str, float]) -> dict[str, float | None]:
    """To the millisecond."""
    return {name: round(value, 3) for name, value in figures.items()}


def sought(browser: Browser, shown: Shown) -> dict[str, float | None]:
    """A seek to the middle of forty minutes, over the line without loss and over the one with."""
    with serving.lane(shown.hub, "python", "gunicorn") as server:
        direct = HOST.format(server.port)
        with weak_link.line(server.port, kbits=KBITS, rtt_s=RTT_S) as line:
            bench = Bench(browser, shown, direct, HOST.format(line.port))
            found: dict[str, float | None] = rounded({"seek_s": bench.median(bench.seek)})
        found["lossy_seek_s"] = None
        if not SHORT and not lossy_link.missing():
            with lossy_link.line(server.port, **LOSSY) as line:
                bench = Bench(browser, shown, direct, HOST.format(line.port))
                found |= rounded({"lossy_seek_s": bench.median(bench.seek)})
    shown.hub.database.close()
    return found


def out_of_step_ms(browser: Browser, folder: Path) -> float:
    """How much later sound follows picture in our player than in the muxed file, on an unhindered line."""
    shown = lessons.hub_with(folder, lessons.encoded("flashes", in_step.SOURCE))
    with serving.lane(shown.hub, "python", "gunicorn") as server:
        bench = Bench(browser, shown, HOST.format(server.port), HOST.format(server.port))
        ours, file = bench.in_step()
    shown.hub.database.close()
    return round(statistics.median(ours) - statistics.median(file), 1)


class Bench:
    """One lesson seen over one line; signing in goes past it."""

    def __init__(self, browser: Browser, shown: Shown, direct: str, address: str) -> None:
        self._browser, self._shown, self._direct, self._address = browser, shown, direct, address
        base = f"/p/{shown.package_id}/"
        named = {name: base + part.sha256 for name, part in shown.parts.items()}
        self._master, self._file = named.get("master.m3u8", ""), named.get("download", "")

    def median(self, take: Callable[[], float]) -> float:
        """Of RUNS takes."""
        return statistics.median(take() for _ in range(RUNS))

    def starts(self, *only: str) -> dict[str, float]:
        """First frames, the contenders by turns; `only` some of them."""
        takes = {
            "first_frame_s": lambda: self._first_frame(self._ours, playing.OURS_BEGIN),
            "hlsjs_first_frame_s": lambda: self._first_frame(playing.stock_hls, playing.hls_begin(self._master)),
            "native_mp4_s": lambda: self._first_frame(playing.plain_file, playing.plain_begin(self._file)),
            "first_frame_cold_s": lambda: self._cold("commit"),
            "first_frame_loaded_s": lambda: self._cold("load"),
        }
        rows: dict[str, list[float]] = {name: [] for name in only or takes}
        for _ in range(RUNS):
            for name, row in rows.items():
                row.append(takes[name]())
        found = {name: statistics.median(row) for name, row in rows.items()}
        return {**found, "share_of_hlsjs": found["first_frame_s"] / found["hlsjs_first_frame_s"]}

    def _ours(self, context: object, address: str) -> Page:
        return playing.ours(context, address, self._shown.path + FROM_THE_START)  # type: ignore[arg-type]

    def _first_frame(self, page_of: Callable[..., Page], begin: str) -> float:
        context = playing.opened(self._browser)
        self._shown.sign_in(context, self._direct)
        page = page_of(context, self._address)
        playing.warm(page)
        found = playing.first_frame_s(page, begin)
        context.close()
        return found

    def _cold(self, until: Literal["load", "commit"]) -> float:
        """From opening the page; what signing in brought lies under another address, so nothing is in the cache."""
        context = playing.opened(self._browser)
        self._shown.sign_in(context, self._direct)
        began = time.monotonic()
        page = playing.ours(context, self._address, self._shown.path + FROM_THE_START, until)
        loaded = time.monotonic() - began
        found = loaded + playing.first_frame_s(page, playing.OURS_BEGIN)
        context.close()
        return found

    def seek(self) -> float:
        """Seconds from letting go of the slider in the middle until voice, and picture or its still."""
        context = playing.opened(self._browser)
        self._shown.sign_in(context, self._direct)
        page = self._ours(context, self._address)
        playing.warm(page)
        playing.first_frame_s(page, playing.OURS_BEGIN)
        page.wait_for_timeout(4000)
        page.evaluate(
            "(to) => { const slider = document.querySelector('.player-position'); watched.to = to;"
            " watched.src = document.querySelector('.player-still').src; watched.begun = performance.now(); slider.value = to;"
            " slider.dispatchEvent(new Event('input')); slider.dispatchEvent(new Event('change')); }",
            lessons.LONG_S / 2 + 1.5,
        )
        playing.until(page, "watched.seekRan !== null && watched.covered !== null")
        found = float(page.evaluate("(Math.max(watched.seekRan, watched.covered) - watched.begun) / 1000"))
        context.close()
        return found

    def in_step(self) -> list[list[float]]:
        """How much later each beep was heard than its flash was seen: our player, the file."""
        found = []
        contenders: list[tuple[Callable[..., Page], str]] = [
            (self._ours, playing.OURS_BEGIN), (playing.plain_file, playing.plain_begin(self._file))
        ]  # fmt: skip
        for page_of, begin in contenders:
            context = playing.opened(self._browser)
            self._shown.sign_in(context, self._direct)
            found.append(in_step.beep_after_flash_ms(page_of(context, self._address), begin))
            context.close()
        return found

    def endure(self, line: weak_link.Line) -> dict[str, float]:
        """Over one trace: seconds in which the clock was frozen and in which it stood, the share of time on an upper rung."""
        context = playing.opened(self._browser)
        self._shown.sign_in(context, self._direct)
        page = self._ours(context, self._address)
        playing.warm(page)
        line.begin()
        playing.first_frame_s(page, playing.OURS_BEGIN)
        page.wait_for_timeout(TRACE_S * 1000)
        frozen, stood, upper = page.evaluate("[watched.frozen / 1000, watched.stood / 1000, watched.upper / watched.all]")
        context.close()
        return {"frozen_{}_s": frozen, "stood_{}_s": stood, "upper_rung_share_{}": upper}


if __name__ == "__main__":
    main()
