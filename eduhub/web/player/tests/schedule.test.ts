import assert from "node:assert/strict";
import { test } from "node:test";
import { Book } from "../book.js";
import { layoutOf } from "../layout.js";
import { Rate } from "../rate.js";
import { backOffMs, chooseRung, nextAudio, nextVideo, startRung, stillUseful, wantsTables } from "../schedule.js";
import { audio, video } from "./tracks.js";

const PICTURE = layoutOf(video(600), true);
const SOUND = layoutOf(audio(600), true);

function book(...spans: [number, number][]): Book {
  const made = new Book();
  spans.forEach(([from, to]) => made.add(from, to));
  return made;
}

test("one picture request reaches 120 s ahead, from the first byte or from the one that follows", () => {
  assert.deepEqual(nextVideo(PICTURE, book(), 0, null), { first: 0, last: 121 });
  assert.deepEqual(nextVideo(PICTURE, book([0, 25]), 2, 25), { first: 25, last: 123 });
});

test("nothing is asked for while 100 s are held", () => {
  assert.equal(nextVideo(PICTURE, book([0, 105]), 2, 105), null);
  assert.notEqual(nextVideo(PICTURE, book([0, 105]), 6, 105), null);
});

test("a seek enters at the key chunk before the target", () => {
  assert.equal(nextVideo(PICTURE, book([0, 25]), 303.5, 25)!.first, 300);
});

test("a run that another run ended is entered anew at its key chunk", () => {
  assert.equal(nextVideo(PICTURE, book([0, 25], [300, 310]), 20, 310)!.first, 24);
});

test("a gap ends where the next held stretch begins, which then goes on", () => {
  const held = book([0, 30], [60, 90]);
  held.add(30, 60);
  assert.deepEqual(held.spans, [[0, 90]]);
});

test("sound is asked for when it reaches less than 2 s beyond the picture, the more of it the more picture is held", () => {
  assert.deepEqual(nextAudio(SOUND, book(), 0, null, 0), { first: 0, last: 2 });
  assert.deepEqual(nextAudio(SOUND, book([0, 6]), 0, 3, 5), { first: 3, last: 5 });
  assert.deepEqual(nextAudio(SOUND, book([0, 20]), 0, 10, 19), { first: 10, last: 14 });
  assert.deepEqual(nextAudio(SOUND, book([0, 80]), 0, 40, 90), { first: 40, last: 47 });
  assert.equal(nextAudio(SOUND, book([0, 20]), 0, 10, 18), null);
  assert.notEqual(nextAudio(SOUND, book([0, 20]), 0, 10, 18.5), null);
});

test("sound alone is held as far ahead as a picture would be", () => {
  assert.notEqual(nextAudio(SOUND, book([0, 90]), 0, 45, null), null);
  assert.equal(nextAudio(SOUND, book([0, 100]), 0, 50, null), null);
});

test("tables that end too early are known, and nothing beyond them is guessed", () => {
  const cut = layoutOf(video(180), false);
  assert.equal(wantsTables(cut, book(), 149), false);
  assert.equal(wantsTables(cut, book(), 151), true);
  assert.equal(nextVideo(cut, book(), 400, null), null);
  assert.equal(nextVideo(cut, book([0, 180]), 170, 180), null);
});

test("the rest of the tables is fetched when four seconds are held, and never twice", () => {
  const cut = layoutOf(video(180), false);
  assert.equal(wantsTables(cut, book([0, 4]), 0), false);
  assert.equal(wantsTables(cut, book([0, 5]), 0), true);
  assert.equal(wantsTables(PICTURE, book([0, 600]), 599), false);
});

test("the very end of a whole track can be sought", () => {
  assert.deepEqual(nextVideo(PICTURE, book(), 600, null), { first: 594, last: 600 });
});

test("a seek keeps a request that is about to arrive and drops any other", () => {
  assert.equal(stillUseful(20, null, 22), true);
  assert.equal(stillUseful(20, null, 30), false);
  assert.equal(stillUseful(20, null, 10), false);
  assert.equal(stillUseful(20, 20, 5), true);
  assert.equal(stillUseful(20, 90, 70), false);
  assert.equal(stillUseful(null, null, 0), false);
});

const RUNGS = [60_000, 150_000, 400_000];

test("a rung is climbed one at a time, with a reserve and room for the sound", () => {
  const quick = { rate: 5e6, reserve: 5, audioBps: 24_000 };
  assert.equal(chooseRung(RUNGS, 0, quick), 1);
  assert.equal(chooseRung(RUNGS, 1, quick), 2);
  assert.equal(chooseRung(RUNGS, 2, quick), 2);
  assert.equal(chooseRung(RUNGS, 0, { ...quick, reserve: 3 }), 0);
  assert.equal(chooseRung(RUNGS, 0, { ...quick, rate: 174_000 / 0.7 - 100 }), 0);
  assert.equal(chooseRung(RUNGS, 0, { ...quick, rate: 174_000 / 0.7 + 100 }), 1);
  assert.equal(chooseRung(RUNGS, 0, { ...quick, rate: null }), 0);
});

test("a thin reserve on a slow link falls at once to what the link carries, a thick one is spent first", () => {
  const slow = { rate: 100_000, reserve: 5, audioBps: 24_000 };
  assert.equal(chooseRung(RUNGS, 2, slow), 0);
  assert.equal(chooseRung(RUNGS, 2, { ...slow, reserve: 60 }), 2);
});

test("rungs stay within bounds for every link", () => {
  for (let i = 0; i < 2000; i++) {
    const link = { rate: Math.random() < 0.1 ? null : 10 ** (3 + 5 * Math.random()), reserve: 130 * Math.random(), audioBps: 24_000 };
    const current = i % 3;
    const rung = chooseRung(RUNGS, current, link);
    assert.ok(rung >= 0 && rung <= Math.min(2, current + 1));
  }
});

test("waiting doubles up to eight seconds, spread so that thirty phones do not return together", () => {
  assert.deepEqual([1, 2, 3].map((attempt) => backOffMs(attempt, 0.5)), [500, 1000, 2000]);
  assert.equal(backOffMs(40, 0.5), 8000);
  assert.ok(backOffMs(1, 0) < backOffMs(1, 1));
});

test("the rate is that of all requests together, over the time in which any delivers", () => {
  const rate = new Rate();
  assert.equal(rate.bps(), null);
  rate.begin(0);
  rate.begin(0);
  for (let ms = 100; ms <= 4000; ms += 100) {
    rate.got(1000, ms);
    rate.got(500, ms);
  }
  rate.end(4000);
  rate.end(4000);
  assert.ok(Math.abs(rate.bps()! - 120_000) < 4000, String(rate.bps()));
  rate.begin(60_000); // idle time is not slowness
  rate.got(1500, 60_100);
  assert.ok(Math.abs(rate.bps()! - 120_000) < 4000, String(rate.bps()));
});

test("what the browser evicted by itself is forgotten", () => {
  const held = book([0, 100], [200, 300]);
  held.keepOnly([[39.8, 100.3], [199.9, 250]], 0.5);
  assert.equal(held.end(10), null);
  assert.equal(held.end(50), 100);
  assert.equal(held.end(240), 250.5);
  held.cut(45, 60);
  assert.equal(held.end(50), null);
  assert.equal(held.end(44), 45);
});

test("playing starts on the lowest rung, unless this network was ten times quicker than a higher one", () => {
  assert.equal(startRung([60_000, 250_000, 900_000], 0), 0);
  assert.equal(startRung([60_000, 250_000, 900_000], 2_400_000), 0);
  assert.equal(startRung([60_000, 250_000, 900_000], 2_600_000), 1);
  assert.equal(startRung([60_000, 250_000, 900_000], 90_000_000), 2);
  assert.equal(startRung([], 90_000_000), 0);
});
