"""The tracks in a real browser's own media pipeline, which reads their times by itself."""

import base64

import pytest
from playwright.sync_api import Browser

from tests.media import clips
from tests.media.reading import Make

pytestmark = [pytest.mark.browser, pytest.mark.ffmpeg]

_APPEND = """
async ([files, looks]) => {
  const video = document.body.appendChild(document.createElement("video"));
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await new Promise(done => source.addEventListener("sourceopen", done, {once: true}));
  const spans = [];
  const buffers = files.map(([type]) => source.addSourceBuffer(type));  // all before the first byte
  for (const [number, [, bytes]] of files.entries()) {
    const buffer = buffers[number];
    buffer.appendBuffer(Uint8Array.from(atob(bytes), letter => letter.charCodeAt(0)));
    await new Promise((done, fail) => { buffer.onupdateend = done; buffer.onerror = fail; });
    spans.push([buffer.buffered.length, buffer.buffered.start(0), buffer.buffered.end(0)]);
  }
  source.endOfStream();
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const light = [];
  for (const second of looks) {
    // "seeked" alone may come before the new picture can be drawn.
    const sought = new Promise(done => video.addEventListener("seeked", done, {once: true}));
    const shown = new Promise(done => video.requestVideoFrameCallback(done));
    video.currentTime = second;
    await Promise.all([sought, shown]);
    const paint = canvas.getContext("2d");
    paint.drawImage(video, 0, 0, 1, 1);
    light.push(paint.getImageData(0, 0, 1, 1).data[0] > 128);
  }
  return [spans, light];
}
"""


@pytest.mark.parametrize(("picture", "sound"), [("v240", "aac"), ("v360", "opus"), ("v720", "aac")])
def test_a_browser_begins_both_tracks_at_0_and_shows_the_flash_when_it_is_due(
    picture: str, sound: str, encoded: Make, chromium: Browser
) -> None:
    made = encoded(clips.flash_and_beep)
    files = [
        (made.track(name).media_type, base64.b64encode((made.folder / f"{name}.mp4").read_bytes()).decode())
        for name in (picture, sound)
    ]
    frame_s = 1000 / made.track(picture).fps_milli
    looks = [(2 - 0.5 * frame_s, False), (2 + 0.5 * frame_s, True), (5 - 0.5 * frame_s, False), (5 + 0.5 * frame_s, True)]
    page = chromium.new_page()
    spans, light = page.evaluate(_APPEND, [files, [second for second, _light in looks]])
    page.close()
    assert light == [is_light for _second, is_light in looks]
    for pieces, start_s, end_s in spans:
        assert pieces == 1
        assert start_s == pytest.approx(0, abs=0.007)
        assert end_s == pytest.approx(10, abs=0.1)
