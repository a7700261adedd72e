"""Whether sound and picture of our player are in step: flashes that beep, beside the muxed file of the same lesson.

How late the browser's own sound is cancels out: the figure is the difference of the two medians.
"""

from playwright.sync_api import Page

from benchmarks import playing

SOURCE = (
    "-f", "lavfi", "-i", "color=black:s=640x360:r=25:d=30,drawbox=color=white:t=fill:enable='lt(mod(t,2),0.12)'",
    "-f", "lavfi", "-i", "aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,2),0.12)':s=48000:d=30",
)  # fmt: skip
LISTEN = """(() => {
 const video = document.querySelector('video'), context = new AudioContext(), ear = context.createAnalyser();
 context.createMediaElementSource(video).connect(ear); ear.connect(context.destination); ear.fftSize = 256;
 const eye = new OffscreenCanvas(8, 8).getContext('2d', {willReadFrequently: true}), heard = new Float32Array(256);
 const w = window.stepped = {flashes: [], beeps: []};
 let bright = true, loud = true;
 const look = (now, {presentationTime}) => {
  eye.drawImage(video, 0, 0, 8, 8);
  const is = eye.getImageData(4, 4, 1, 1).data[0] > 128;
  if (is && !bright) w.flashes.push(presentationTime);
  bright = is; video.requestVideoFrameCallback(look);
 };
 video.requestVideoFrameCallback(look);
 let quiet = 0;
 setInterval(() => {
  ear.getFloatTimeDomainData(heard);
  const is = heard.some((x) => Math.abs(x) > .1), now = performance.now();
  if (is && !loud) w.beeps.push(now);
  if (is) { loud = true; quiet = now; } else if (now - quiet > 300) loud = false;
 }, 3);
})()"""
OFFSETS = """stepped.flashes.map((flash) => stepped.beeps.map((beep) => beep - flash)
 .reduce((least, one) => Math.abs(one) < Math.abs(least) ? one : least, Infinity)).filter((one) => Math.abs(one) < 700)"""


def beep_after_flash_ms(page: Page, begin: str, flashes: int = 10) -> list[float]:
    """Of so many flashes, how much later each beep was heard; `begin` presses play."""
    page.evaluate(LISTEN + "; " + begin)
    playing.until(page, f"stepped.flashes.length >= {flashes} && stepped.beeps.length >= {flashes}")
    found: list[float] = page.evaluate(OFFSETS)
    return found
