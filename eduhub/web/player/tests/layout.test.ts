import assert from "node:assert/strict";
import { test } from "node:test";
import { chunkAt, endOf, entryOf, layoutOf } from "../layout.js";
import type { Track } from "../lesson.js";
import { Slicer } from "../slicer.js";
import { audio, video } from "./tracks.js";

test("a chunk is found by its time, and its bytes by the sums before it", () => {
  const layout = layoutOf(video(30), true);
  assert.equal(chunkAt(layout, 0), 0);
  assert.equal(chunkAt(layout, 6.99), 6);
  assert.equal(chunkAt(layout, 7), 7);
  assert.equal(chunkAt(layout, 999), 29);
  assert.equal(layout.offsets[0], 800);
  assert.equal(layout.offsets[3], 800 + 1000 + 1001 + 1002);
  assert.equal(endOf(layout), 30);
});

test("picture is entered at the key chunk before, sound anywhere", () => {
  assert.equal(entryOf(layoutOf(video(30), true), 17), 12);
  assert.equal(entryOf(layoutOf(audio(30), true), 7), 7);
});

test("priming moves the sound back, so that its first real sample is at zero", () => {
  const track: Track = { ...audio(10), priming_ticks: 1024 };
  assert.equal(layoutOf(track, true).starts[0], -1024 / 24_000);
});

test("bytes in any portions become the same chunks, and the position is exact after every portion", () => {
  const layout = layoutOf(video(12), true);
  const file = Uint8Array.from({ length: layout.offsets[12]! }, (_, i) => (i * 7 + (i >> 8)) & 255);
  for (const portion of [1, 3, 999, 1000, 1001, 5000, 100_000]) {
    const slicer = new Slicer(layout.offsets, 2);
    let next = 2;
    for (let at = layout.offsets[2]!; at < file.length; at += portion) {
      assert.equal(slicer.position(), at);
      for (const { chunk, bytes } of slicer.push(file.subarray(at, at + portion))) {
        assert.equal(chunk, next++);
        assert.deepEqual(bytes, file.slice(layout.offsets[chunk]!, layout.offsets[chunk + 1]!));
      }
    }
    assert.equal(next, 12);
    assert.equal(slicer.position(), file.length);
  }
});
