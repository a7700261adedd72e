// What a file is known by, what an answer means, what people read.
import assert from "node:assert/strict";
import { test } from "node:test";
import { meaning, sentences } from "../answers.js";
import { verdict } from "../look.js";
import { Patched } from "../patched.js";
import { isSame, knownBy, metadata, type Session } from "../session.js";
import { amount, duration, percent, titleOf } from "../telling.js";
import { dice } from "./dice.js";

const there: Session = { offset: 5, length: 9, name: "a.mp4", modified_ms: 1000, sample: "ab", days: 7 };
const here = { name: "a.mp4", size: 9, modified_ms: 1000, sample: "ab" };

test("the same file is known by name, size, time and beginning", () => {
  assert.ok(isSame(there, here));
  for (const other of [{ name: "b.mp4" }, { size: 10 }, { modified_ms: 1001 }, { sample: "ac" }]) assert.ok(!isSame(there, { ...here, ...other }));
});

test("what one of the two does not say is not asked for", () => {
  assert.ok(isSame({ ...there, sample: null, modified_ms: null, length: null }, here));
  assert.ok(isSame(there, { ...here, sample: null }));
});

test("a name that the server wrote in its own way is the same name", () => {
  assert.ok(isSame({ ...there, name: "\u00e9t\u00e9.mp4" }, { ...here, name: "e\u0301te\u0301.mp4" }));
  assert.ok(isSame({ ...there, name: "ཆུ".repeat(100) }, { ...here, name: "ཆུ".repeat(150) }));
});

test("a file is known by the hash of its first 64 KB", async () => {
  const bytes = new Uint8Array(70_000).fill(3);
  const known = await knownBy(new File([bytes], "x.mp4", { lastModified: 77, type: "video/mp4" }));
  bytes[69_999] = 4;
  const same = await knownBy(new File([bytes], "x.mp4", { lastModified: 77 }));
  bytes[5] = 4;
  const other = await knownBy(new File([bytes], "x.mp4", { lastModified: 77 }));
  assert.equal(known.sample, same.sample);
  assert.notEqual(known.sample, other.sample);
  assert.deepEqual(Object.keys(metadata(known, "video/mp4")), ["filename", "filetype", "modified", "sample"]);
});

test("only our own clear word ends an upload", () => {
  for (const status of [0, 200, 401, 403, 409, 423, 429, 500, 502, 503, 507]) assert.equal(meaning(status, ""), "again");
  for (const status of [400, 403, 413]) assert.equal(meaning(status, "media.upload_refused"), "refused");
  assert.equal(meaning(409, "media.upload_another"), "refused");
  assert.equal(meaning(409, "media.upload_elsewhere"), "again");
  assert.equal(meaning(410, ""), "gone");
  assert.equal(meaning(404, ""), "missing");
});

test("an answer that is no JSON of ours has no sentences", () => {
  for (const body of ["", "<html>", "null", "[1]", '{"happened": 5}']) assert.equal(sentences(body).happened, "");
  assert.equal(sentences('{"code":"x","happened":"It is full."}').happened, "It is full.");
});

test("of the early look only 'refused' counts", () => {
  for (const said of [null, 5, {}, { verdict: "unknown" }, { verdict: "fine", duration_ms: "7" }]) assert.equal(verdict(said).refused, null);
  assert.equal(verdict({ verdict: "fine", duration_ms: 61_000 }).duration_s, 61);
  assert.equal(verdict({ verdict: "refused", happened: "No video." }).refused?.happened, "No video.");
});

test("a lesson is named like its file", () => {
  assert.equal(titleOf("03_Why ice  floats.mp4"), "03 Why ice floats");
  assert.equal(titleOf("ཆུ་དང་འཁྱགས་པ།.webm"), "ཆུ་དང་འཁྱགས་པ།");
  assert.equal(titleOf(".mp4"), ".mp4");
});

test("a hundred percent is said only when all is there", () => {
  assert.equal(percent(999_999, 1_000_000), 99);
  assert.equal(percent(1_000_000, 1_000_000), 100);
  assert.equal(percent(0, 0), 0);
});

test("amounts and times are told in words", () => {
  const words = { percent: "{n} %", of: "{done} of {all}", mb: "{n} MB", gb: "{n} GB", rate: "{n} kB/s", left: "{time} left", minutes: "{m} min", hours: "{h} h {m} min", under_a_minute: "soon" };
  assert.equal(amount(words, 410e6, 1.3e9, 31_000), "31 % · 410 MB of 1.3 GB · 31 kB/s · 8 h 0 min left");
  assert.equal(amount(words, 0, 2e6, 0), "0 % · 0.0 MB of 2.0 MB");
  assert.equal(duration(words, 20), "soon");
  assert.equal(duration(words, 40 * 60), "40 min");
});

test("a file that is written here and there is the file that plain writing makes", async () => {
  const roll = dice(3);
  for (let round = 0; round < 60; round++) {
    const patched = new Patched();
    let plain = new Uint8Array(0);
    for (let writes = roll(12); writes > 0; writes--) {
      const [position, data] = [roll(plain.length + 20), new Uint8Array(roll(50)).fill(1 + roll(255))];
      if (!data.length) continue;
      patched.write(position, data);
      const grown = new Uint8Array(Math.max(plain.length, position + data.length));
      grown.set(plain);
      grown.set(data, position);
      plain = grown;
    }
    assert.deepEqual(new Uint8Array(await patched.whole().arrayBuffer()), plain);
  }
});
