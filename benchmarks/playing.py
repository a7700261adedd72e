"""What a benchmark does with a player in a browser: three contenders on one lesson, and what is measured of them.

Times are the page's own (`performance.now`). The first frame is the later of two: a picture was put on the screen, and the
clock runs. Stood is for how long the clock then stood still, in stretches of 0.2 s and more, whatever the cause. Frozen is the part of it
in which less than HELD_S of sound and picture lay ahead (`buffered`, which is what both have): a clock that stands with more than that held
waits for a processor, not for the line. `readyState` does not tell the two apart: it falls below 3 when a decoder is late, too.
"""

from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parents[1]
HLS = ROOT / "node_modules" / "hls.js" / "dist" / "hls.min.js"
# What hls.js has to be told for such a line: evidence/player.md.
TUNED = """{startLevel: 0, testBandwidth: false, abrEwmaDefaultEstimate: 100e3, maxBufferLength: 120, maxMaxBufferLength: 600,
 maxBufferSize: 30e6, backBufferLength: 30, abrBandWidthFactor: .7, abrBandWidthUpFactor: .65, maxStarvationDelay: 8,
 ...Object.fromEntries(['frag', 'playlist', 'manifest'].map((name) => [name + 'LoadPolicy', {default: {
  maxTimeToFirstByteMs: 60000, maxLoadTimeMs: 120000,
  timeoutRetry: {maxNumRetry: 20, retryDelayMs: 500, maxRetryDelayMs: 8000},
  errorRetry: {maxNumRetry: 50, retryDelayMs: 500, maxRetryDelayMs: 8000}}}]))}"""
PLAIN_PAGE = "<!doctype html><video playsinline preload=none width=640></video>"
HELD_S = 0.5
WATCH = """(() => {
 const video = document.querySelector('video');
 const w = window.watched = {begun: performance.now(), shown: null, ran: null, stood: 0, frozen: 0, stalls: [], upper: 0, all: 0, seekRan: null, covered: null};
 video.requestVideoFrameCallback(() => { w.shown = performance.now(); });
 let last = video.currentTime, moved = 0, hungry = 0, before = performance.now();
 const held = (at) => { const b = video.buffered; for (let i = 0; i < b.length; i++) if (b.start(i) <= at + .1 && at < b.end(i)) return b.end(i) - at; return 0; };
 setInterval(() => {
  const now = performance.now(), at = video.currentTime, still = document.querySelector('.player-still');
  if (at - last > 0.01) {
   if (w.ran === null && !video.seeking) w.ran = now;
   if (moved && now - moved > 200) { w.stood += now - moved; w.frozen += hungry; w.stalls.push([last, now - moved, hungry].map((x) => Math.round(x * 10) / 10)); }
   moved = now; hungry = 0;
  } else if (!video.ended && held(at) < HELD_S) hungry += now - before;
  last = at;
  if (w.ran !== null) { w.all += now - before; if (video.videoHeight >= 300) w.upper += now - before; }
  before = now;
  if (w.to !== undefined) {
   if (w.seekRan === null && !video.seeking && at > w.to + .03 && at < w.to + 30) w.seekRan = now;
   const own = still && !still.hidden && still.naturalWidth && /^blob:/.test(still.src) && still.src !== w.src;
   const live = !video.seeking && at >= w.to && (!still || still.hidden);
   if (w.covered === null && (own || live)) w.covered = now;
  }
 }, 20);
})()""".replace("HELD_S", str(HELD_S))


def opened(browser: Browser) -> BrowserContext:
    """A browser that has seen nothing yet."""
    context = browser.new_context(bypass_csp=True, viewport={"width": 800, "height": 600})
    context.set_default_timeout(120_000)
    return context


def warm(page: Page) -> None:
    """Four connections that have carried something, as a page with pictures has; then the line is left in peace."""
    page.evaluate("Promise.all([1, 2, 3, 4].map((n) => fetch('/health?' + n, {cache: 'no-store'}).then((a) => a.text())))")
    page.wait_for_timeout(700)


def until(page: Page, holds: str, timeout_s: float = 90) -> None:
    """Waits for an expression without a policy that allows eval."""
    page.evaluate(
        "([text, ms]) => new Promise((resolve, reject) => { const end = performance.now() + ms;"
        f" const look = () => (({holds}) ? resolve() : performance.now() > end ? reject(new Error('never: ' + text)) : setTimeout(look, 20));"
        " look(); })",
        [holds, timeout_s * 1000],
    )


def first_frame_s(page: Page, begin: str) -> float:
    """Seconds from `begin` (a script that presses play) to picture and running clock."""
    page.evaluate(WATCH + "; " + begin)
    until(page, "watched.shown !== null && watched.ran !== null")
    return float(page.evaluate("(Math.max(watched.shown, watched.ran) - watched.begun) / 1000"))


def ours(context: BrowserContext, address: str, path: str, until: Literal["load", "commit"] = "load") -> Page:
    """The lesson's page, ready to play; `until` "commit": the poster may still be on its way."""
    page = context.new_page()
    page.goto(address + path, wait_until=until)
    page.wait_for_selector("[data-player=ready]")
    return page


OURS_BEGIN = "document.querySelector('.player-play').click()"


def stock_hls(context: BrowserContext, address: str) -> Page:
    """A page with stock hls.js, loaded."""
    page = _page_of(context, address, PLAIN_PAGE)
    page.add_script_tag(path=HLS)
    return page


def hls_begin(master: str) -> str:
    return (
        f"(() => {{ const hls = window.hls = new Hls({TUNED}); hls.loadSource('{master}');"
        " const video = document.querySelector('video'); hls.attachMedia(video); video.play(); })()"
    )


def plain_file(context: BrowserContext, address: str) -> Page:
    """A page with nothing but a video element."""
    return _page_of(context, address, PLAIN_PAGE)


def plain_begin(file: str) -> str:
    return f"(() => {{ const video = document.querySelector('video'); video.src = '{file}'; video.play(); }})()"


def _page_of(context: BrowserContext, address: str, html: str) -> Page:
    page = context.new_page()
    page.goto(address + "/health")  # a page of the hub, so that its parts may be asked for; its content is ours
    page.set_content(html)
    return page
