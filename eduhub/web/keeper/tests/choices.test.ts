import assert from "node:assert/strict";
import { test } from "node:test";
import { choicesOf, inOrder, voicesOf } from "../choices.js";
import type { Offer, Part } from "../store.js";

const part = (name: string, kind: string, bytes: number, language: string | null = null): Part => ({
  name, kind, bytes, language, type: kind + "/mp4", codec: null, height: kind === "video" ? Number(name.slice(1)) : null,
  sha256: name, pieces: null,
});
const LESSON: Offer = {
  format: "eduhub-keep/1", lesson: "l", package: "p", base: "/p/p/", titles: {}, language: "zh", duration_ms: 1000,
  parts: [
    part("v360", "video", 900), part("v240", "video", 300), part("aac", "audio", 100), part("opus", "audio", 80),
    part("opus-bo", "audio", 90, "bo"), part("stills", "stills", 50), part("index", "index", 5), part("download", "download", 410),
  ],
};
const names = (parts: Part[]): string[] => parts.map(({ name }) => name);

test("each choice is one picture with one voice and all that belongs to the lesson", () => {
  const choices = choicesOf(LESSON, "zh", () => true);
  assert.deepEqual(choices.map(({ name, bytes }) => [name, bytes]), [["v240", 435], ["v360", 1035], ["stills", 135]]);
  assert.deepEqual(names(choices[0]!.parts).sort(), ["index", "opus", "stills", "v240"]);
});

test("the voice is that of the chosen language, in a codec that plays", () => {
  assert.deepEqual(voicesOf(LESSON), ["zh", "bo"]);
  assert.ok(names(choicesOf(LESSON, "bo", () => true)[0]!.parts).includes("opus-bo"));
  assert.ok(names(choicesOf(LESSON, "zh", ({ name }) => !name.startsWith("opus"))[0]!.parts).includes("aac"));
});

test("a browser that plays no tracks keeps the whole video", () => {
  const [only, ...more] = choicesOf(LESSON, "zh", () => false);
  assert.equal(only!.name, "file");
  assert.deepEqual(more, []);
  assert.ok(names(only!.parts).includes("download"));
});

test("the index comes first and the picture last, so that a full device has what is useful", () => {
  assert.deepEqual(names(inOrder(choicesOf(LESSON, "zh", () => true)[0]!.parts)), ["index", "opus", "stills", "v240"]);
});
