// Finding an MP4's boxes in anybody's file: right ones, cut ones, lies, noise. Never more read than 16 bytes a box, and always an end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { asHeader, rangesToCheck, topBoxes } from "../boxes.js";
import { dice } from "./dice.js";

const HEAD = 1 << 20;
const BESIDE = 1 << 18;

/** A file of boxes that are described, not held: only headers are real. */
class Pretended {
  reads: [number, number][] = [];
  length = 0;
  private parts: { start: number; header: Uint8Array }[] = [];

  box(kind: string, size: number, how: "plain" | "long" | "to the end" = "plain"): this {
    const header = new Uint8Array(how === "long" ? 16 : 8);
    const view = new DataView(header.buffer);
    view.setUint32(0, how === "plain" ? size : how === "long" ? 1 : 0);
    for (let at = 0; at < 4; at++) header[4 + at] = kind.charCodeAt(at);
    if (how === "long") view.setBigUint64(8, BigInt(size));
    this.parts.push({ start: this.length, header });
    this.length += size;
    return this;
  }

  read = (start: number, end: number): Promise<Uint8Array> => {
    this.reads.push([start, end]);
    const found = new Uint8Array(Math.max(0, end - start));
    for (const part of this.parts)
      for (let at = 0; at < part.header.length; at++)
        if (part.start + at >= start && part.start + at < end) found[part.start + at - start] = part.header[at]!;
    return Promise.resolve(found);
  };
}

function noise(bytes: Uint8Array): { read: (start: number, end: number) => Promise<Uint8Array>; asked: () => number } {
  let asked = 0;
  return { read: (start, end) => ((asked += end - start), Promise.resolve(bytes.subarray(start, end))), asked: () => asked };
}

test("a phone's file has its index at the end, which is sent with the head", async () => {
  const file = new Pretended().box("ftyp", 32).box("mdat", 5 * 2 ** 32, "long").box("moov", 900_000);
  const boxes = await topBoxes(file.read, file.length);
  assert.deepEqual(boxes.map((box) => box.kind), ["ftyp", "mdat", "moov"]);
  assert.deepEqual(await rangesToCheck(file.read, file.length), [[0, BESIDE - 1], [32 + 5 * 2 ** 32, file.length - 1]]);
});

test("an index at the front is part of the head, whole even where it is longer", async () => {
  const small = new Pretended().box("ftyp", 32).box("moov", 4000).box("mdat", 10_000_000);
  assert.deepEqual(await rangesToCheck(small.read, small.length), [[0, BESIDE - 1]]);
  const large = new Pretended().box("ftyp", 32).box("moov", 3_000_000).box("mdat", 10_000_000);
  assert.deepEqual(await rangesToCheck(large.read, large.length), [[0, 3_000_031]]);
});

test("an index that is too large, or cut off, is not sent in part", async () => {
  const large = new Pretended().box("ftyp", 32).box("mdat", 5_000_000).box("moov", 7_800_000);
  assert.deepEqual(await rangesToCheck(large.read, large.length), [[0, HEAD - 1]]);
  const cut = new Pretended().box("ftyp", 32).box("mdat", 5_000_000).box("moov", 900_000);
  assert.deepEqual(await rangesToCheck(cut.read, cut.length - 1), [[0, HEAD - 1]]);
});

test("a short file is one range, an empty one none", async () => {
  const nothing = noise(new Uint8Array(0));
  assert.deepEqual(await rangesToCheck(nothing.read, 0), []);
  const one = noise(new Uint8Array([7]));
  assert.deepEqual(await rangesToCheck(one.read, 1), [[0, 0]]);
});

test("a box that says it reaches to the end is the last one", async () => {
  const file = new Pretended().box("ftyp", 24).box("mdat", 5000, "to the end");
  const boxes = await topBoxes(file.read, file.length);
  assert.deepEqual(boxes[1], { kind: "mdat", start: 24, end: 5024 });
});

test("boxes that claim no length, or less than their own header, end the walk", async () => {
  for (const size of [2, 7]) {
    const bytes = new Uint8Array(64);
    new DataView(bytes.buffer).setUint32(0, size);
    bytes.set([0x66, 0x72, 0x65, 0x65], 4);
    assert.deepEqual(await topBoxes(noise(bytes).read, 64), []);
  }
});

test("thousands of small boxes are not all walked through", async () => {
  const bytes = new Uint8Array(800_000);
  for (let at = 0; at < bytes.length; at += 8) bytes.set([0, 0, 0, 8, 0x66, 0x72, 0x65, 0x65], at);
  const file = noise(bytes);
  assert.equal((await topBoxes(file.read, bytes.length)).length, 64);
  assert.ok(file.asked() <= 64 * 16);
});

test("whatever the bytes are: boxes go forward, little is read, ranges lie in the file, apart, and are not too much", async () => {
  const roll = dice(20_261_123);
  const kinds = ["ftyp", "moov", "mdat", "free", "wide", "moof", "uuid"];
  for (let round = 0; round < 4000; round++) {
    const bytes = new Uint8Array(roll(3000));
    for (let at = 0; at < bytes.length; at++) bytes[at] = roll(4) ? 0 : roll(256);
    for (let at = 0, boxes = roll(6); boxes > 0 && at + 16 < bytes.length; boxes--) {
      const view = new DataView(bytes.buffer);
      const size = roll(5) ? 8 + roll(700) : roll(2) ? roll(9) : 4_294_967_295;
      view.setUint32(at, size);
      Array.from(kinds[roll(kinds.length)]!).forEach((letter, index) => (bytes[at + 4 + index] = letter.charCodeAt(0)));
      at += Math.max(1, size);
    }
    const length = roll(3) ? bytes.length : roll(10) ? bytes.length + roll(50_000_000) : 2 ** 53 - 1;
    const file = noise(bytes);
    const boxes = await topBoxes(file.read, length);
    assert.ok(file.asked() <= 16 * (boxes.length + 1));
    boxes.forEach((box, at) => assert.ok(box.end > box.start && box.start === (at ? boxes[at - 1]!.end : 0)));
    const ranges = await rangesToCheck(file.read, length);
    let [before, sent] = [-1, 0];
    for (const [first, last] of ranges) {
      assert.ok(first > before && last >= first && last < length, asHeader(ranges));
      [before, sent] = [last, sent + last - first + 1];
    }
    assert.ok(ranges.length <= 2 && sent <= 8_000_000, asHeader(ranges));
  }
});
