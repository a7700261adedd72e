// Fetches one lesson's pieces: each is checked before it is kept, and what is here is never asked for again. Must not know
// the page.

import { Refused } from "../player/fetching.js";
import type { Rate } from "../player/rate.js";
import { inOrder } from "./choices.js";
import { readOn } from "./link.js";
import { Cutter, heldBytes, hex, isPiece, missing, PIECE, pieceCount, type Stretch } from "./pieces.js";
import { heldPieces, type Kept, LIST, type Part, partCache, pieceAt } from "./store.js";

/** So often a part may arrive damaged, without a good piece between, before it is given up. */
const DAMAGED = 4;

/** What arrives is not what the lesson's manifest names. */
export class Damaged extends Error {}

export interface Watching {
  rate: Rate;
  /** So many bytes of the lesson are here. */
  reached(bytes: number): void;
  connected(yes: boolean): void;
}

/** Fetches every piece that is not here yet. Rejects with Refused, Damaged, AbortError, or QuotaExceededError. */
export async function fetchAll(kept: Kept, watching: Watching, signal: AbortSignal): Promise<void> {
  let before = 0;
  for (const part of inOrder(kept.parts)) {
    const done = before;
    await fetchPart(kept.base, part, { ...watching, reached: (bytes) => watching.reached(done + bytes) }, signal);
    before += part.bytes;
  }
}

/** Bytes of a lesson that are here. */
export async function bytesHere(parts: Part[]): Promise<number> {
  const each = await Promise.all(parts.map(async ({ sha256, bytes }) => heldBytes(bytes, await heldPieces(sha256))));
  return each.reduce((a, b) => a + b, 0);
}

async function fetchPart(base: string, part: Part, watching: Watching, signal: AbortSignal): Promise<void> {
  const held = await heldPieces(part.sha256);
  watching.reached(heldBytes(part.bytes, held));
  if (!missing(part.bytes, held)) return;
  const cache = await partCache(part.sha256);
  const list = await pieceList(base, part, cache, watching, signal);
  let damaged = 0;
  const keep = async (n: number, bytes: Uint8Array): Promise<void> => {
    if (!(await isPiece(bytes, n, list))) throw new Damaged();
    await cache.put(pieceAt(n), new Response(bytes as BufferSource));
    held.add(n);
    damaged = 0;
  };
  const reached = (under: number): void => watching.reached(heldBytes(part.bytes, held) + under);
  for (let run = missing(part.bytes, held); run; run = missing(part.bytes, held)) {
    try {
      await fetchRun(base + part.sha256, run, { keep, reached }, watching, damaged ? "reload" : "default", signal);
    } catch (error) {
      if (!(error instanceof Damaged) || ++damaged >= DAMAGED) throw error;
    }
  }
}

interface Taker {
  keep(n: number, bytes: Uint8Array): Promise<void>;
  reached(under: number): void;
}

async function fetchRun(url: string, run: Stretch, to: Taker, watching: Watching, cache: RequestCache, signal: AbortSignal): Promise<void> {
  const cutter = new Cutter(run.from, run.to);
  const take = async (bytes: Uint8Array): Promise<void> => {
    watching.rate.got(bytes.length, performance.now());
    for (const piece of cutter.push(bytes)) await to.keep(piece.n, piece.bytes);
    to.reached(cutter.position() % PIECE);
  };
  await readOn({ url, position: () => cutter.position(), end: run.to, take, signal, cache, link: linkOf(watching) });
}

function linkOf({ rate, connected }: Watching): (state: "flows" | "ended" | "lost") => void {
  return (state) => {
    if (state === "flows") rate.begin(performance.now());
    if (state === "ended") rate.end(performance.now());
    else connected(state === "flows");
  };
}

/** The hashes of a part's pieces, checked against the manifest; a part of one piece is its own list. */
async function pieceList(base: string, part: Part, cache: Cache, watching: Watching, signal: AbortSignal): Promise<Uint8Array> {
  const known = await cache.match(LIST);
  if (known) return new Uint8Array(await known.arrayBuffer());
  const list = part.pieces && part.bytes > PIECE ? await named(base, part, watching, signal) : fromHex(part.sha256);
  await cache.put(LIST, new Response(list as BufferSource));
  return list;
}

async function named(base: string, { pieces, bytes }: Part, watching: Watching, signal: AbortSignal): Promise<Uint8Array> {
  for (let attempt = 0; attempt < DAMAGED; attempt++) {
    const list = new Uint8Array(32 * pieceCount(bytes));
    let got = 0;
    const take = (some: Uint8Array): void => {
      list.set(some, got);
      got += some.length;
    };
    const cache = attempt ? "reload" : "default";
    await readOn({ url: base + pieces, position: () => got, end: list.length, take, signal, cache, link: linkOf(watching) });
    const found = new Uint8Array(await crypto.subtle.digest("SHA-256", list as BufferSource));
    if (hex(found) === pieces) return list;
  }
  throw new Damaged();
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
}

/** Whether an error means that the device has no more room. */
export function isFull(error: unknown): boolean {
  return (error as Error).name === "QuotaExceededError";
}

export { Refused };
