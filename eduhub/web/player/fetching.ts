// Bytes over a link that breaks: a range is read as it arrives and goes on at the exact byte after every cut.
// Must not know what the bytes are.

import { on } from "./listen.js";
import { backOffMs } from "./schedule.js";

/** The box answered, and trying again will not change the answer: the pass ran out, or the part is gone. */
export class Refused extends Error {
  constructor(readonly status: number) {
    super();
  }
}

/** What a stopped piece of work rejects with, as fetch does. */
export function aborted(): DOMException {
  return new DOMException("", "AbortError");
}

/** Whether work was stopped by us and did not fail. */
export function isAbort(error: unknown): boolean {
  return (error as Error).name === "AbortError";
}

/** Whether an answer stays the same however often it is asked for: a 4xx, but 408 and 429. */
export function isFinal(status: number): boolean {
  return /^4(?!08|29)/.test(`${status}`);
}

/** A connection that delivers nothing for so long is taken for dead. */
const SILENCE_MS = 20_000;

/** What becomes of each attempt: its bytes flow, they have ended, the connection was lost before the last. */
export const enum LinkState {
  flows,
  ended,
  lost,
}

export interface Reading {
  url: string;
  /** The first byte still missing; asked again after every cut. */
  position(): number;
  /** One past the last byte wanted. */
  end: number;
  /** Takes bytes in order; reading waits for it. */
  take(bytes: Uint8Array): Promise<void> | void;
  signal: AbortSignal;
  link?(state: LinkState): void;
}

/** A good answer; throws Refused, or another error when it is worth asking again. */
export async function ask(url: string, how: RequestInit): Promise<Response> {
  const answer = await fetch(url, how);
  if (isFinal(answer.status)) throw new Refused(answer.status);
  if (!answer.ok) throw new Error("answer");
  return answer;
}

/** Reads a range to its end; rejects with Refused, or with AbortError when the signal fires. */
export async function read(reading: Reading): Promise<void> {
  const { position, end, signal, link = () => undefined } = reading;
  let failures = 0;
  while (position() < end) {
    if (signal.aborted) throw aborted();
    const before = position();
    try {
      await once(reading, link);
    } catch (error) {
      if (signal.aborted || error instanceof Refused) throw error;
    }
    if (position() >= end) return;
    failures = position() > before ? 1 : failures + 1;
    link(LinkState.lost);
    await pause(backOffMs(failures, Math.random()), signal);
  }
}

async function once({ url, position, end, take, signal }: Reading, link: (state: LinkState) => void): Promise<void> {
  const from = position();
  const own = new AbortController();
  const stop = (): void => own.abort();
  const off = on(signal, "abort", stop);
  let watchdog = setTimeout(stop, SILENCE_MS);
  let ended = (): void => undefined;
  try {
    const answer = await ask(url, { headers: { Range: `bytes=${from}-${end - 1}` }, signal: own.signal });
    const range = answer.headers.get("Content-Range") || "";
    if (!answer.body || !range.startsWith(`bytes ${from}-`)) throw new Error("answer");
    link(LinkState.flows);
    ended = () => link(LinkState.ended);
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      await take(value);
      watchdog = setTimeout(stop, SILENCE_MS);
    }
  } finally {
    clearTimeout(watchdog);
    off();
    ended();
  }
}

/** Waits, or less when the browser says that it is online again or the signal fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      listening.forEach((off) => off());
      resolve();
    };
    const timer = setTimeout(finish, ms);
    const listening = [on(window, "online", finish), on(signal, "abort", finish)];
  });
}

/** A small range as a whole, for stills and missing init segments. */
export async function readWhole(
  url: string,
  from: number,
  bytes: number,
  signal = new AbortController().signal,
): Promise<Uint8Array> {
  const all = new Uint8Array(bytes);
  let got = 0;
  const take = (some: Uint8Array): void => {
    all.set(some, got);
    got += some.length;
  };
  await read({ url, position: () => from + got, end: from + bytes, signal, take });
  return all;
}
