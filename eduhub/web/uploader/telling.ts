// What people are told of an upload, in the page's words: amounts, rates, times. Knows no element of the page.

import { megabytes, say } from "../player/words.js";

export type Words = Record<string, string>;

/** "1.2 MB", "340 MB", "2.4 GB". */
export function size(words: Words, bytes: number): string {
  return bytes < 999.5e6 ? say(words, "mb", { n: megabytes(bytes) }) : say(words, "gb", { n: (bytes / 1e9).toFixed(1) });
}

/** "less than a minute", "about 40 min", "about 3 h 20 min". */
export function duration(words: Words, seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return say(words, "under_a_minute");
  if (minutes < 100) return say(words, "minutes", { m: String(minutes) });
  const rounded = Math.round(minutes / 5) * 5;
  return say(words, "hours", { h: String(Math.floor(rounded / 60)), m: String(rounded % 60) });
}

/** Whole percent that have arrived; 100 only when all has. */
export function percent(bytes: number, of: number): number {
  return of > 0 ? Math.min(bytes >= of ? 100 : 99, Math.floor((bytes * 100) / of)) : 0;
}

/** "63 % · 410 MB of 650 MB · 31 kB a second · about 2 h 10 min left" */
export function amount(words: Words, bytes: number, of: number, bytesPerS: number): string {
  const told = [say(words, "percent", { n: String(percent(bytes, of)) }), say(words, "of", { done: size(words, bytes), all: size(words, of) })];
  if (bytesPerS > 0) {
    told.push(say(words, "rate", { n: String(Math.max(1, Math.round(bytesPerS / 1000))) }));
    told.push(say(words, "left", { time: duration(words, (of - bytes) / bytesPerS) }));
  }
  return told.join(" · ");
}

/** "23:00" */
export function hour(at: Date): string {
  const two = (n: number): string => (n < 10 ? "0" : "") + n;
  return two(at.getHours()) + ":" + two(at.getMinutes());
}

/** "03 Why ice floats.mp4" -> "03 Why ice floats" */
export function titleOf(name: string): string {
  return name.replace(/\.[A-Za-z0-9]{1,5}$/, "").replace(/[_\s]+/g, " ").trim().slice(0, 200) || name.slice(0, 200);
}
