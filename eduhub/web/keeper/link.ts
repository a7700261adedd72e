// A stretch of a part over a link that breaks: read as it arrives, and gone on with at the exact byte after every cut.
// The player's own reader (player/fetching.ts) is for the lesson page, where each byte of script counts: it takes an error of
// its taker for one of the link, and always asks the browser's cache.

import { ask, Refused } from "../player/fetching.js";
import { on } from "../player/listen.js";
import { backOffMs } from "../player/schedule.js";

const SILENCE_MS = 15_000;

export interface Stretch {
  url: string;
  /** The first byte still missing; asked again after every cut. */
  position(): number;
  end: number;
  /** Takes bytes in order; what it throws ends the reading. */
  take(bytes: Uint8Array): Promise<void> | void;
  signal: AbortSignal;
  /** "reload" asks past the browser's cache, which may hold what was damaged. */
  cache: RequestCache;
  link(state: "flows" | "ended" | "lost"): void;
}

/** Reads to the end; rejects with Refused, AbortError, or what `take` threw. */
export async function readOn(stretch: Stretch): Promise<void> {
  const { position, end, signal, link } = stretch;
  let failures = 0;
  while (position() < end) {
    const before = position();
    const own = new AbortController();
    const off = on(signal, "abort", () => own.abort());
    if (signal.aborted) own.abort();
    try {
      await attempt(stretch, own);
    } finally {
      own.abort(); // nothing goes on arriving for a reader who has left
      off();
    }
    if (position() >= end) return;
    failures = position() > before ? 1 : failures + 1;
    link("lost");
    await pause(backOffMs(failures, Math.random()), signal);
  }
}

/** One connection. Returns when it ends, whole or cut; throws what cannot be mended by another one. */
async function attempt({ url, position, end, take, signal, cache, link }: Stretch, own: AbortController): Promise<void> {
  let watchdog = setTimeout(() => own.abort(), SILENCE_MS);
  const careful = async <T>(work: Promise<T>): Promise<T | null> => {
    try {
      return await work;
    } catch (error) {
      if (signal.aborted || error instanceof Refused) throw error;
      return null;
    }
  };
  const from = position();
  let flows = false;
  try {
    const answer = await careful(ask(url, { headers: { Range: `bytes=${from}-${end - 1}` }, signal: own.signal, cache }));
    if (!answer || !answer.body || !(answer.headers.get("Content-Range") || "").startsWith(`bytes ${from}-`)) return;
    link("flows");
    flows = true;
    const reader = answer.body.getReader();
    for (;;) {
      const got = await careful(reader.read());
      if (!got || got.done) return;
      clearTimeout(watchdog);
      await take(got.value);
      watchdog = setTimeout(() => own.abort(), SILENCE_MS);
    }
  } finally {
    clearTimeout(watchdog);
    if (flows) link("ended");
  }
}

/** Waits, or less when the browser says that it is online again; rejects when the signal fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(timer);
      listening.forEach((off) => off());
      if (signal.aborted) reject(new DOMException("", "AbortError"));
      else resolve();
    };
    const timer = setTimeout(finish, ms);
    const listening = [on(window, "online", finish), on(signal, "abort", finish)];
    if (signal.aborted) finish();
  });
}
