// Whole sessions over the traces of bad lines that the benchmark plays in a browser, in a village whose clock nobody else can slow
// down: whether playing stands still is judged by what was asked for and when, and not by the machine.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { found, village } from "./browser.js"; // before the player
import { chunkBytes } from "./box.js";
import { chance, live } from "./clock.js";
import type { Steps } from "./line.js";
import { cut, lecture } from "./tracks.js";
import type { Lesson, Track } from "../lesson.js";
import { Session } from "../session.js";
import { Tables } from "../tables.js";

const TRACKS = lecture(180);
const [PICTURE, , VOICE] = TRACKS as [Track, Track, Track];
const RTT_S = 0.6;

/** One of benchmarks/traces; tests run in the project's folder. */
function trace(name: string): Steps {
  return (JSON.parse(readFileSync(`benchmarks/traces/outages_${name}.json`, "utf8")) as { steps: Steps }).steps;
}

/** The same holes, with the rates between them dealt anew. */
function dealt(steps: Steps, seed: number): Steps {
  const random = chance(seed);
  const rates = steps.map(([, kbits]) => kbits).filter((kbits) => kbits);
  return steps.map(([seconds, kbits]) => [seconds, kbits && rates.splice(Math.floor(random() * rates.length), 1)[0]!]);
}

/** A child presses play on a loaded page whose connections are warm. */
function play(steps: Steps, seed: number, startS = 0, tracks = TRACKS): Session {
  const whole = { format: "eduhub-index-1", duration_ms: 1000 * tracks[0]!.chunk_ticks.length, tracks, stills: null };
  found(tracks, whole, steps, seed, { rttS: RTT_S });
  const inPage = tracks.map((track) => cut(track, track.name === "v360" ? 0 : 60));
  const init = (number: number): string => Buffer.from(chunkBytes(number, -1, tracks[number]!.init_bytes)).toString("base64");
  const lesson = {
    base: "/p/", duration_ms: whole.duration_ms, language: "en", index: { ...whole, cut: true, tracks: inPage }, tables: "/tables",
    init: { v240: init(0), opus: init(2) },
  } as unknown as Lesson;
  const tables = new Tables(lesson);
  const failed = (status: number): void => void village.faults.push(new Error(`the player gave up: ${status}`));
  const session = new Session(lesson, tables, startS, "auto", tables.voice("en"), 0, { connected: () => undefined, failed });
  void village.video.play();
  return session;
}

/** For how long a player that wastes nothing, on the lowest rung, would have to stand if it began at `beganS`. */
function unavoidableS(steps: Steps, beganS: number, seconds: number): number {
  const chunks = [PICTURE, VOICE].flatMap(({ chunk_bytes, chunk_ticks, timescale }) =>
    chunk_bytes.map((bytes, i) => ({ bytes, playsS: (i * chunk_ticks[0]!) / timescale })),
  );
  let [at, kbits, ends, step, worst] = [0, 0, 0, 0, 0];
  for (const { bytes, playsS } of chunks.sort((a, b) => a.playsS - b.playsS)) {
    if (playsS > seconds - beganS) break;
    for (let left = bytes / 125; left > 0; ) {
      if (at >= ends) [ends, kbits] = [ends + steps[step % steps.length]![0], steps[step++ % steps.length]![1]];
      const sent = Math.min(left, (ends - at) * kbits);
      at = sent === left ? at + left / kbits : ends;
      left -= sent;
    }
    worst = Math.max(worst, at + RTT_S - (beganS + playsS));
  }
  return worst;
}

for (const name of ["a", "b"]) {
  test(`over trace ${name}, holes and all, neither picture nor voice runs dry`, async () => {
    const session = play(trace(name), 0);
    await live(150);
    session.stop();
    assert.deepEqual([village.video.stalls, village.faults], [[], []]);
    assert.ok(village.video.currentTime > 147, String(village.video.currentTime));
  });

  test(`over trace ${name} with its rates dealt anew, a child waits half a second longer than must be, at most`, async () => {
    for (let seed = 1; seed <= 3; seed++) {
      const steps = dealt(trace(name), seed);
      const session = play(steps, seed);
      await live(150);
      session.stop();
      const { stoodS, beganS, stalls } = village.video;
      const least = unavoidableS(steps, beganS!, 150);
      assert.ok(stoodS <= least + 0.5, `seed ${seed}: stood ${stoodS} s, unavoidable ${least} s; ${stalls.join(", ")}`);
      assert.deepEqual(village.faults, []);
    }
  });
}

test("a line that carries it is used for the better picture", async () => {
  const session = play([[60, 1000]], 0);
  await live(40);
  session.stop();
  const { seenS } = village.video;
  assert.ok(seenS.get("v360")! > 20, String(seenS.get("v360")));
  assert.deepEqual([village.video.stalls, village.faults], [[], []]);
});

test("a line that breaks every few seconds costs no byte of a chunk, and playing goes on", async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const random = chance(seed);
    const session = play([[60, 400]], seed);
    for (let at = 0; at < 120; ) {
      const calm = 1 + 8 * random();
      await live(calm);
      village.line.breakAll();
      at += calm;
    }
    session.stop();
    assert.deepEqual(village.faults, [], `seed ${seed}`);
    assert.ok(village.video.currentTime > 100, `seed ${seed}: came to ${village.video.currentTime} s`);
  }
});

test("a seek does not wait for tables whose answer is lost", async () => {
  const session = play([[60, 256]], 0, 0, lecture(2400));
  village.box.silent = 1;
  await live(6);
  assert.equal(village.box.silent, 0, "they were asked for while it played");
  village.video.currentTime = 1201.5;
  await live(2.5);
  session.stop();
  assert.ok(village.video.currentTime > 1201.5, String(village.video.currentTime));
  assert.deepEqual(village.faults, []);
});

test("after a seek to the middle of forty minutes the voice is heard within two seconds", async () => {
  const session = play([[60, 256]], 0, 0, lecture(2400));
  await live(6);
  village.video.currentTime = 1201.5;
  await live(2);
  assert.ok(village.video.currentTime > 1201.5, String(village.video.currentTime));
  await live(30);
  session.stop();
  assert.ok(village.video.currentTime > 1228, String(village.video.currentTime));
  assert.deepEqual(village.faults, []);
});
