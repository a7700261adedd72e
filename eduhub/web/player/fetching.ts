// Bytes over a link that breaks: a range is read as it arrives and goes on at the exact byte after every cut.
// Must not know what the bytes are.

import { backOffMs } from "./schedule.js";

/** The box answered, and trying again will not change the answer: the pass ran out, or the part is gone. */
export class Refused extends Error {
  constructor(readonly status: number) {
    super("refused " + status);
  }
}

/** A connection that delivers nothing for so long is taken for dead. */
const SILENCE_MS = 15_000;

export interface Reading {
  url: string;
  /** The first byte still missing; asked again after every cut. */
  position(): number;
  /** One past the last byte wanted. */
  end: number;
  /** Takes bytes in order; reading waits for it. */
  take(bytes: Uint8Array): Promise<void>;
  signal: AbortSignal;
  /** Bytes flow (true) or do not (false). */
  flowing?(yes: boolean): void;
  /** Connection lost or found again. */
  connected?(yes: boolean): void;
}

/** Reads a range to its end; rejects with Refused, or with AbortError when the signal fires. */
export async function read(reading: Reading): Promise<void> {
  let failures = 0;
  while (reading.position() < reading.end) {
    const before = reading.position();
    try {
      await once(reading);
    } catch (error) {
      if (reading.signal.aborted || error instanceof Refused) throw error;
    }
    if (reading.position() >= reading.end) return;
    failures = reading.position() > before ? 1 : failures + 1;
    if (reading.connected) reading.connected(false);
    await pause(backOffMs(failures, Math.random()), reading.signal);
  }
}

async function once(reading: Reading): Promise<void> {
  const { url, end, signal } = reading;
  const from = reading.position();
  const own = new AbortController();
  const stop = (): void => own.abort();
  signal.addEventListener("abort", stop);
  let watchdog = setTimeout(stop, SILENCE_MS);
  let flows = false;
  try {
    if (signal.aborted) own.abort();
    const answer = await fetch(url, { headers: { Range: `bytes=${from}-${end - 1}` }, signal: own.signal });
    if (answer.status >= 400 && answer.status < 500 && answer.status !== 408 && answer.status !== 429)
      throw new Refused(answer.status);
    if (answer.status !== 206 || !answer.body || !startsAt(answer, from)) throw new Error("no range");
    if (reading.connected) reading.connected(true);
    if (reading.flowing) reading.flowing((flows = true));
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      await reading.take(value);
      watchdog = setTimeout(stop, SILENCE_MS);
    }
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener("abort", stop);
    if (flows && reading.flowing) reading.flowing(false);
  }
}

function startsAt(answer: Response, from: number): boolean {
  return (answer.headers.get("Content-Range") || "").startsWith(`bytes ${from}-`);
}

/** Waits, or less when the browser says that it is online again; rejects when the signal fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(timer);
      removeEventListener("online", finish);
      signal.removeEventListener("abort", finish);
      if (signal.aborted) reject(new DOMException("", "AbortError"));
      else resolve();
    };
    const timer = setTimeout(finish, ms);
    addEventListener("online", finish);
    signal.addEventListener("abort", finish);
    if (signal.aborted) finish();
  });
}

/** A small range as a whole, for stills and missing init segments. */
export async function readWhole(url: string, from: number, bytes: number, signal: AbortSignal): Promise<Uint8Array> {
  const all = new Uint8Array(bytes);
  let got = 0;
  await read({
    url,
    position: () => from + got,
    end: from + bytes,
    signal,
    take: async (some) => {
      all.set(some, got);
      got += some.length;
    },
  });
  return all;
}
