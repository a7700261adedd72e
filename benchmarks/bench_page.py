"""What pages weigh before anything plays, as Chromium counts it: cold, compressed, over plain HTTP, which a school's box speaks.

The lesson is forty minutes long and has eight tracks: two pictures, and the voice in three languages twice; its chunk tables are
those of a real lecture, repeated with a jitter so that they compress no better than real ones. Every page is opened with an empty cache. Counted is
`encodedDataLength` of every request, heads included, without the parts of packages (`/p/`: pictures, sound, poster); of `js_kb` the script alone,
without its head. The browser is one of a device whose own fonts have no Tibetan: each page brings at least the language switch's word.
A page's figure is that of English or Chinese, whichever is heavier; `lesson_bo_font_kb` is the lesson's page in Tibetan with the web font. The
run ends if a font was not fetched. 1 KB is 1024 bytes.

Prints a table, then one JSON object. Musts: lesson 20, with the Tibetan font 65, JavaScript 8, sign-in 20, a child's first page 20.
"""

import json
import os
import random
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, BrowserContext, Page

from benchmarks import lessons, serving
from benchmarks.lessons import Shown
from eduhub.delivery.package import Part
from eduhub.media import binding
from tests import chromium

MINUTES, KB = 40, 1024
FONTS = Path(__file__).parents[1] / "eduhub" / "web" / "static" / "fonts"
VOICES = ("bo", "en")
# Kolibri 0.19.5 in the same browser, by benchmarks/kolibri.py on 27 November 2026, not in this run: it has to be installed apart.
KOLIBRI = {"lesson_kb": 2259, "signin_kb": 2783, "child_home_kb": 2221}


@dataclass
class Weight:
    """What one page brought."""

    bodies: dict[str, int] = field(default_factory=dict)  # address -> bytes of the body, as it came
    totals: dict[str, int] = field(default_factory=dict)  # with the head
    types: dict[str, str] = field(default_factory=dict)

    def kb(self) -> float:
        """Everything but videos, parts of packages and what came inside of another file."""
        carried = {url: size for url, size in self.totals.items() if "/p/" not in url and not url.startswith("data:")}
        return sum(size for url, size in carried.items() if self.types[url] != "Media") / KB

    def brought(self, font: str) -> None:
        """Ends the run if the whole of a font did not come: a font of this machine's may have stood in."""
        size = (FONTS / font).stat().st_size
        came = sum(size for url, size in self.totals.items() if f"/fonts/{font}" in url)
        if came < size:
            sys.exit(f"{font} has {size} bytes, and {came} came: without it the figures say too little.")

    def script_kb(self) -> float:
        return sum(size for url, size in self.bodies.items() if self.types[url] == "Script") / KB


def main() -> None:
    """All pages."""
    with tempfile.TemporaryDirectory() as folder:
        shown = long_lesson(Path(folder) / "hub")
        bare = chromium.without_tibetan(Path(folder))
        with serving.lane(shown.hub, "hub", "gunicorn") as server, chromium.started(bare) as browser:
            figures = measured(browser, shown, f"http://box.lan:{server.port}")
        shown.hub.database.close()
    print(f"{'':20} {'KB':>8}   Kolibri 0.19.5 (by kolibri.py, not of this run)")
    for name, value in figures.items():
        print(f"{name:20} {value:8.1f}   {KOLIBRI.get(name, '')}")
    print(json.dumps({**{name: round(value, 2) for name, value in figures.items()}, "loadavg": os.getloadavg()}))


def measured(browser: Browser, shown: Shown, address: str) -> dict[str, float]:
    """The figures, by name."""
    signed_in = browser.new_context()
    shown.sign_in(signed_in, address)
    lesson, home = Weight(), Weight()
    for language in ("en", "zh"):
        _speak(signed_in, address, language)
        lesson = max(lesson, weigh(signed_in, address + shown.path), key=Weight.kb)
        home = max(home, weigh(signed_in, address + "/"), key=Weight.kb)
    lesson.brought("switch.woff2")
    _speak(signed_in, address, "bo")
    tibetan = weigh(signed_in, address + shown.path)
    tibetan.brought("tibetan.woff2")
    stranger = browser.new_context()
    signin = max((weigh(stranger, address + path) for path in ("/sign-in", "/card")), key=Weight.kb)
    return {
        "lesson_kb": lesson.kb(), "lesson_bo_font_kb": tibetan.kb(), "js_kb": lesson.script_kb(),
        "signin_kb": signin.kb(), "child_home_kb": home.kb(),
        "lesson_html_kb": lesson.totals[address + shown.path] / KB,
    }


def _speak(context: BrowserContext, address: str, language: str) -> None:
    context.add_cookies([{"name": "eduhub_language", "value": language, "url": address}])


def weigh(context: BrowserContext, url: str, settle_ms: int = 500) -> Weight:
    """Opens a page with an empty cache and adds up what comes, until so long after the network was quiet."""
    page = context.new_page()
    weight = Weight()
    count(context, page, weight)
    page.goto(url, wait_until="networkidle")
    page.wait_for_timeout(settle_ms)
    page.close()
    return weight


def count(context: BrowserContext, page: Page, weight: Weight) -> None:
    """Begins with an empty cache, and adds to `weight` what a page fetches from now on."""
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.clearBrowserCache")
    urls: dict[str, str] = {}

    def asked(event: dict[str, Any]) -> None:
        urls[event["requestId"]] = event["request"]["url"]
        weight.types[event["request"]["url"]] = event["type"]

    def came(event: dict[str, Any]) -> None:
        url = urls[event["requestId"]]
        weight.bodies[url] = weight.bodies.get(url, 0) + event["encodedDataLength"]

    def ended(event: dict[str, Any]) -> None:
        weight.totals[urls[event["requestId"]]] = event["encodedDataLength"]

    session.on("Network.requestWillBeSent", asked)
    session.on("Network.dataReceived", came)
    session.on("Network.loadingFinished", ended)


def long_lesson(folder: Path) -> Shown:
    """A hub whose lesson is forty minutes long and has eight tracks."""
    made = lessons.lecture(60)
    shown = lessons.hub_with(folder, made)
    index = json.loads((made / "index.json").read_bytes())
    chance = random.Random(4)
    kept = [row for row in index["tracks"] if row["name"] in ("v240", "v360", "aac", "opus")]
    parts = {part.name: part for part in shown.parts.values() if part.kind not in ("video", "audio", "index", "playlist")}
    rows = []
    for row in kept:
        for language in ("", *VOICES) if row["kind"] == "audio" else ("",):
            named = binding.in_language(row, language) if language else row
            payload = (made / f"{row['name']}.mp4").read_bytes() + language.encode()
            part = lessons.stored(shown.hub, _named(shown.parts[row["name"]], named), payload)
            parts[part.name] = part
            rows.append({**_stretched(named, chance), "sha256": part.sha256})
    payload = json.dumps({**index, "duration_ms": MINUTES * 60_000, "tracks": rows, "stills": _more_stills(index)}).encode()
    parts["index"] = lessons.stored(shown.hub, shown.parts["index"], payload)
    package_id = lessons.bring_out(shown.hub, shown.world.lesson, tuple(parts.values()), MINUTES * 60_000)
    return replace(shown, package_id=package_id, parts=parts)


def _named(part: Part, row: dict[str, Any]) -> Part:
    return replace(part, name=row["name"], language=row["language"], floor=part.floor and row["name"] == part.name)


def _stretched(row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Tables of forty minutes with the sizes of a real lecture, shaken."""
    span_s = sum(row["chunk_ticks"]) / row["timescale"]
    times = round(MINUTES * 60 / span_s)
    count = len(row["chunk_bytes"])
    return {
        **row, "chunk_bytes": [round(size * chance.uniform(0.85, 1.15)) for _ in range(times) for size in row["chunk_bytes"]],
        "chunk_ticks": row["chunk_ticks"] * times,
        "key_chunks": [key + count * turn for turn in range(times) for key in row["key_chunks"]],
    }


def _more_stills(index: dict[str, Any]) -> dict[str, Any]:
    items = index["stills"]["items"]
    sizes = [items[number % len(items)] for number in range(MINUTES * 2)]
    return {**index["stills"], "items": [[30_000 * number, size[1], size[2]] for number, size in enumerate(sizes)]}


if __name__ == "__main__":
    main()
