// What this browser keeps of lessons, in its Cache API: docs/formats/kept-lessons.md. Read by the pages and by the service
// worker, so it must know neither. A later release reads what this one wrote: names and records only ever gain fields.

/** Records, pages, scripts and styles; the pieces of each part lie in a cache of the part's own. */
export const RECORDS = "eduhub-kept-1";
const PARTS = "eduhub-part-1-";

export interface Part {
  name: string;
  kind: string;
  language: string | null;
  type: string;
  codec: string | null;
  height: number | null;
  bytes: number;
  sha256: string;
  pieces: string | null;
}

/** What the server says of a lesson that can be kept. */
export interface Offer {
  format: string;
  lesson: string;
  package: string;
  base: string;
  titles: Record<string, string>;
  language: string;
  duration_ms: number;
  parts: Part[];
}

/** One lesson here. `parts` are those that were chosen. */
export interface Kept extends Offer {
  /** The name of the choice ("v240", "stills", "file") and its words, as they were shown. */
  choice: string;
  choice_words: string;
  /** Addresses of the scripts, styles and pictures that its page loads. */
  assets: string[];
  stopped: boolean;
  /** When the server was last asked for a newer version of what is whole. */
  looked_ms?: number;
}

/** "whole": every piece is here, and the worker answers with it. "coming": it is being fetched. */
export type State = "whole" | "coming";

const recordAt = (state: State, lesson: string): string => `/kept/${state}/${lesson}`;
export const pageAt = (lesson: string): string => `/lessons/${lesson}/kept`;
/** The page that a lesson which is still coming will have. */
export const comingPageAt = (lesson: string): string => pageAt(lesson) + "/coming";

export function records(): Promise<Cache> {
  return caches.open(RECORDS);
}

export function partCache(sha256: string): Promise<Cache> {
  return caches.open(PARTS + sha256);
}

/** Address of a piece within its part's cache; that of the part's piece list. */
export const pieceAt = (n: number): string => "/piece/" + n;
export const LIST = "/pieces";

export function bytesOf(kept: { parts: Part[] }): number {
  return kept.parts.reduce((sum, part) => sum + part.bytes, 0);
}

export async function write(state: State, kept: Kept): Promise<void> {
  await (await records()).put(recordAt(state, kept.lesson), new Response(JSON.stringify(kept)));
}

export async function drop(state: State, lesson: string): Promise<void> {
  await (await records()).delete(recordAt(state, lesson));
}

/** Every record of one state. */
export async function readAll(state: State): Promise<Kept[]> {
  if (!(await caches.has(RECORDS))) return [];
  const cache = await records();
  const prefix = recordAt(state, "");
  const names = (await cache.keys()).map(({ url }) => new URL(url).pathname).filter((path) => path.startsWith(prefix));
  const found = await Promise.all(names.map((path) => cache.match(path)));
  return Promise.all(found.filter((one): one is Response => !!one).map((one) => one.json() as Promise<Kept>));
}

/** The pieces that are here of a part; an empty set also for a part that is not here at all. */
export async function heldPieces(sha256: string): Promise<Set<number>> {
  const held = new Set<number>();
  if (!(await caches.has(PARTS + sha256))) return held;
  for (const { url } of await (await partCache(sha256)).keys()) {
    const found = /\/piece\/(\d+)$/.exec(url);
    if (found) held.add(Number(found[1]));
  }
  return held;
}

/** Lets go of a lesson, and then of everything that no lesson needs. */
export async function remove(lesson: string): Promise<void> {
  await drop("whole", lesson);
  await drop("coming", lesson);
  const cache = await records();
  await cache.delete(pageAt(lesson));
  await cache.delete(comingPageAt(lesson));
  await sweep();
}

/** Removes parts and files that no record names. A record is written before what it names, so nothing new is taken. */
export async function sweep(): Promise<void> {
  const all = (await readAll("whole")).concat(await readAll("coming"));
  const parts = new Set(all.map((kept) => kept.parts.map(({ sha256 }) => PARTS + sha256)).reduce((a, b) => a.concat(b), []));
  for (const name of await caches.keys()) if (name.startsWith(PARTS) && !parts.has(name)) await caches.delete(name);
  if (!all.length) {
    await caches.delete(RECORDS);
    return;
  }
  const files = new Set(all.map(({ assets }) => assets).reduce((a, b) => a.concat(b), []));
  const cache = await records();
  for (const request of await cache.keys()) {
    const { pathname, search } = new URL(request.url);
    const isOurs = pathname.startsWith("/kept") || pathname.startsWith("/lessons/");
    if (!isOurs && !files.has(pathname + search)) await cache.delete(request);
  }
}
