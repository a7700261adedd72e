import assert from "node:assert/strict";
import { test } from "node:test";
import { asked, Cutter, heldBytes, isPiece, missing, PIECE, pieceCount, pieceOf } from "../pieces.js";

const whole = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => (i * 7) % 251);

test("a part is cut into pieces of 128 KiB, the last what is left", () => {
  assert.equal(pieceCount(PIECE), 1);
  assert.equal(pieceCount(PIECE + 1), 2);
  assert.deepEqual(pieceOf(1, PIECE + 5), { from: PIECE, to: PIECE + 5 });
});

test("what is missing is asked for in one stretch, as far as it goes", () => {
  const bytes = 5 * PIECE - 9;
  assert.deepEqual(missing(bytes, new Set()), { from: 0, to: bytes });
  assert.deepEqual(missing(bytes, new Set([0, 1, 3])), { from: 2 * PIECE, to: 3 * PIECE });
  assert.deepEqual(missing(bytes, new Set([0, 1, 2, 3])), { from: 4 * PIECE, to: bytes });
  assert.equal(missing(bytes, new Set([0, 1, 2, 3, 4])), null);
});

test("held bytes count the short last piece as it is", () => {
  assert.equal(heldBytes(2 * PIECE + 10, new Set([0, 2])), PIECE + 10);
});

test("pieces come out whole, whatever portions the bytes arrive in", () => {
  const bytes = whole(2 * PIECE + 100);
  const cutter = new Cutter(0, bytes.length);
  const pieces: { n: number; bytes: Uint8Array }[] = [];
  for (let at = 0; at < bytes.length; at += 50_000) {
    assert.equal(cutter.position(), at);
    pieces.push(...cutter.push(bytes.subarray(at, at + 50_000)));
  }
  assert.deepEqual(pieces.map(({ n, bytes: { length } }) => [n, length]), [[0, PIECE], [1, PIECE], [2, 100]]);
  assert.deepEqual(pieces[1]!.bytes, bytes.slice(PIECE, 2 * PIECE));
});

test("a stretch in the middle keeps the numbers of its pieces", () => {
  const bytes = whole(2 * PIECE);
  const cutter = new Cutter(3 * PIECE, 5 * PIECE);
  assert.deepEqual(cutter.push(bytes).map(({ n }) => n), [3, 4]);
  assert.equal(cutter.position(), 5 * PIECE);
});

test("a range is read as the server reads it", () => {
  assert.equal(asked(null, 100), "whole");
  assert.deepEqual(asked("bytes=0-", 100), { from: 0, to: 100 });
  assert.deepEqual(asked("bytes=10-19", 100), { from: 10, to: 20 });
  assert.deepEqual(asked("bytes=90-500", 100), { from: 90, to: 100 });
  assert.deepEqual(asked("bytes=-10", 100), { from: 90, to: 100 });
  assert.equal(asked("bytes=100-", 100), null);
  assert.equal(asked("bytes=5-2", 100), null);
  assert.equal(asked("bytes=-0", 100), null);
  for (const odd of ["bytes=-", "bytes=1-2,5-6", "lines=1-2"]) assert.equal(asked(odd, 100), "whole");
});

test("one changed bit is noticed", async () => {
  const piece = whole(1000);
  const list = new Uint8Array(64);
  list.set(new Uint8Array(await crypto.subtle.digest("SHA-256", piece as BufferSource)), 32);
  assert.equal(await isPiece(piece, 1, list), true);
  assert.equal(await isPiece(piece, 0, list), false);
  piece[500]! ^= 1;
  assert.equal(await isPiece(piece, 1, list), false);
});
