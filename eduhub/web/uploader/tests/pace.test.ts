// Ceilings that hold, portions that stay small after a break, waits that grow and differ, hours of the day.
import assert from "node:assert/strict";
import { test } from "node:test";
import { backOff, Meter, nextPortion, nextTime, Pace, patience, SMALLEST_PORTION } from "../pace.js";
import { dice } from "./dice.js";

/** Sends through a line of `lineKbits` for `seconds` of pretended time; gives the average in kbit/s, headers included. */
function average(ceiling: number, lineKbits: number, rttMs: number, seconds: number): number {
  const pace = new Pace(ceiling);
  let [now, portion, sent] = [1_000_000, 0, 0];
  const began = now;
  while (now < began + seconds * 1000) {
    portion = nextPortion(portion, lineKbits * 125, ceiling, pace.wait(now) === 0);
    now += pace.wait(now);
    pace.leaves(portion, now);
    now += ((portion + 1500) * 8) / lineKbits + rttMs;
    sent += portion + 1500;
  }
  return (sent * 8) / (now - began);
}

test("a ceiling holds within a tenth, on fast and long lines", () => {
  for (const ceiling of [64, 128, 256, 512, 1000, 2000])
    for (const [line, rtt] of [[20_000, 20], [4000, 100], [100_000, 5], [8000, 600]] as const) {
      const found = average(ceiling, line, rtt, 300);
      assert.ok(Math.abs(found / ceiling - 1) < 0.1, `${ceiling} kbit/s on ${line}: ${found}`);
    }
});

test("a line that is slower than the ceiling is not slowed further", () => {
  assert.ok(average(1000, 256, 50, 120) > 220);
});

test("without a ceiling nothing waits", () => {
  const pace = new Pace(0);
  pace.leaves(1e9, 5);
  assert.equal(pace.wait(5), 0);
});

test("portions begin small, at most double, and under a ceiling last four seconds at most", () => {
  const roll = dice(7);
  for (let round = 0; round < 2000; round++) {
    const [rate, kbits] = [roll(3_000_000), roll(2) ? roll(9000) : 0];
    let before = 0;
    for (let step = 0; step < 12; step++) {
      const next = nextPortion(before, rate, kbits, roll(2) === 0);
      assert.ok(Number.isInteger(next) && next >= SMALLEST_PORTION / 2 && next <= 8 << 20);
      assert.ok(next <= Math.max(SMALLEST_PORTION, 2 * before));
      if (kbits) assert.ok(next <= Math.max(SMALLEST_PORTION / 2, kbits * 500));
      before = next;
    }
  }
});

test("waits grow to half a minute at most and differ between browsers", () => {
  assert.ok(backOff(1, 0) >= 500 && backOff(1, 1) <= 1000);
  assert.ok(backOff(3, 1) > backOff(2, 1));
  for (const failures of [6, 50, 100_000]) assert.ok(backOff(failures, 0) >= 15_000 && backOff(failures, 1) <= 30_000);
  assert.notEqual(backOff(4, 0.1), backOff(4, 0.9));
});

test("a hanging connection is given up after a quarter of a minute, on a very slow line later", () => {
  assert.equal(patience(1 << 20, 250_000), 15_000);
  assert.ok(patience(640_000, 32_000) <= 30_000);
  assert.ok(patience(SMALLEST_PORTION, 0) > 40_000);
});

test("'until 23:00' is today while it is to come, else tomorrow", () => {
  assert.equal(nextTime(23, new Date(2026, 10, 23, 21, 5)).getTime(), new Date(2026, 10, 23, 23, 0).getTime());
  assert.equal(nextTime(23, new Date(2026, 10, 23, 23, 0)).getTime(), new Date(2026, 10, 24, 23, 0).getTime());
  assert.equal(nextTime(6, new Date(2026, 11, 31, 22, 0)).getTime(), new Date(2027, 0, 1, 6, 0).getTime());
});

test("a rate is that of the last half minute, and a pause is not part of it", () => {
  const meter = new Meter(5);
  assert.equal(meter.rate(), 5);
  for (let second = 0; second <= 60; second++) meter.note(second < 30 ? second * 10 : 300 + (second - 30) * 100, second * 1000);
  assert.ok(Math.abs(meter.rate() - 100) < 5);
  meter.reset();
  assert.ok(Math.abs(meter.rate() - 100) < 5);
  meter.note(3300, 9_000_000);
  meter.note(3500, 9_002_000);
  assert.equal(meter.rate(), 100);
});
