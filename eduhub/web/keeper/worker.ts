// The service worker (/sw.js): answers for kept lessons. Pages come from the server as long as it answers; parts and files
// that are kept come from here, because their addresses name their bytes. Whatever is not kept goes its way untouched.

import { asked, isPiece, PIECE, pieceOf, type Stretch } from "./pieces.js";
import { type Kept, LIST, pageAt, type Part, partCache, pieceAt, readAll, records, remove } from "./store.js";

declare const self: ServiceWorkerGlobalScope;

/** A kept lesson waits no longer than this for the server. */
const PATIENCE_MS = 5000;
/** The server is asked no more often than this what was taken back. */
const CONTACT_MS = 3_600_000;

interface Shelf {
  lessons: Map<string, Kept>;
  parts: Map<string, Part>;
  assets: Set<string>;
}

let known: Shelf | null = null;
let reading: Promise<Shelf> | null = null;

function shelf(): Promise<Shelf> {
  reading = reading || read();
  return reading;
}

async function read(): Promise<Shelf> {
  const all = await readAll("whole");
  const found: Shelf = { lessons: new Map(), parts: new Map(), assets: new Set() };
  for (const kept of all) {
    found.lessons.set(kept.lesson, kept);
    kept.parts.forEach((part) => found.parts.set(part.sha256, part));
    kept.assets.forEach((address) => found.assets.add(address));
  }
  known = found;
  return found;
}

function readAgain(): Promise<Shelf> {
  known = null;
  reading = null;
  return shelf();
}

// --- pages --------------------------------------------------------------------------

/** A proxy says so when nobody is behind it. */
function isAway(answer: Response | null): boolean {
  return !answer || (answer.status >= 502 && answer.status <= 504);
}

async function fromServer(event: FetchEvent): Promise<Response | null> {
  try {
    return ((await event.preloadResponse) as Response | undefined) || (await fetch(event.request));
  } catch {
    return null;
  }
}

async function page(event: FetchEvent, path: string): Promise<Response> {
  const { lessons } = await shelf();
  const lesson = /^\/lessons\/([0-9a-f-]{36})$/.exec(path);
  const own = lesson && lessons.has(lesson[1]!) ? pageAt(lesson[1]!) : path === "/kept" ? path : null;
  const server = fromServer(event);
  const patience = new Promise<null>((resolve) => own && setTimeout(resolve, PATIENCE_MS, null));
  const answer = await Promise.race([server, patience]);
  if (answer && !isAway(answer)) {
    event.waitUntil(contact());
    return answer;
  }
  const cache = await records();
  const kept = (own && (await cache.match(own))) || (await cache.match("/kept"));
  return kept || answer || (await server) || Response.error();
}

/** Asks, now and then, what was taken back, and lets go of it. */
async function contact(): Promise<void> {
  const cache = await records();
  const last = await cache.match("/kept/contact");
  if (last && Math.abs(Date.now() - Number(await last.text())) < CONTACT_MS) return;
  const { lessons } = await shelf();
  if (!lessons.size) return;
  const answer = await fetch("/kept/withdrawn?lessons=" + Array.from(lessons.keys()).join());
  if (!answer.ok) return;
  const { withdrawn } = (await answer.json()) as { withdrawn: string[] };
  await cache.put("/kept/contact", new Response(String(Date.now())));
  for (const lesson of withdrawn) await remove(lesson);
  if (withdrawn.length) await readAgain();
}

// --- parts --------------------------------------------------------------------------

async function part(request: Request, found: Part): Promise<Response> {
  const { bytes, sha256, type } = found;
  const stretch = asked(request.headers.get("Range"), bytes);
  const headers = new Headers({ "Content-Type": type, "Accept-Ranges": "bytes", ETag: `"${sha256}"`, "X-Content-Type-Options": "nosniff" });
  // What is opened by itself is saved and never run here: somebody may have attached a page (docs/formats/passes.md).
  if (request.mode === "navigate") {
    headers.set("Content-Disposition", "attachment");
    headers.set("Content-Security-Policy", "sandbox; default-src 'none'");
  }
  if (!stretch) {
    headers.set("Content-Range", `bytes */${bytes}`);
    return new Response(null, { status: 416, headers });
  }
  const { from, to } = stretch === "whole" ? { from: 0, to: bytes } : stretch;
  headers.set("Content-Length", String(to - from));
  if (stretch !== "whole") headers.set("Content-Range", `bytes ${from}-${to - 1}/${bytes}`);
  const body = await stream(request.url, found, { from, to });
  return new Response(body, { status: stretch === "whole" ? 200 : 206, headers });
}

/** The bytes of a stretch, piece by piece, as they are read. */
async function stream(url: string, { bytes, sha256 }: Part, { from, to }: Stretch): Promise<ReadableStream<Uint8Array>> {
  const cache = await partCache(sha256);
  const listed = await cache.match(LIST);
  const list = listed ? new Uint8Array(await listed.arrayBuffer()) : new Uint8Array(0);
  let at = from;
  return new ReadableStream(
    {
      async pull(controller): Promise<void> {
        const n = Math.floor(at / PIECE);
        const whole = await piece(cache, url, n, pieceOf(n, bytes), list);
        const start = at - n * PIECE;
        const some = whole.subarray(start, Math.min(whole.length, to - n * PIECE));
        at += some.length;
        controller.enqueue(some);
        if (at >= to) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

/** A piece as it is kept; one that was lost or spoiled here is fetched anew, if the server answers. */
async function piece(cache: Cache, url: string, n: number, { from, to }: Stretch, list: Uint8Array): Promise<Uint8Array> {
  const held = await cache.match(pieceAt(n));
  if (held) {
    const bytes = new Uint8Array(await held.arrayBuffer());
    if (await isPiece(bytes, n, list)) return bytes;
    await cache.delete(pieceAt(n));
  }
  for (const how of ["default", "reload"] as const) {
    const answer = await fetch(url, { headers: { Range: `bytes=${from}-${to - 1}` }, cache: how });
    const all = new Uint8Array(await answer.arrayBuffer());
    const bytes = answer.status === 206 ? all : all.subarray(from, to);
    if (!(await isPiece(bytes, n, list))) continue; // the browser's own cache may hold something damaged
    await cache.put(pieceAt(n), new Response(bytes as BufferSource));
    return bytes;
  }
  throw new Error("a piece is missing");
}

// --- what the browser asks for ------------------------------------------------------

/** Answers what is kept; before the shelf is read, everything that might be. */
function answerWith(event: FetchEvent, isKept: (shelf: Shelf) => boolean, make: (shelf: Shelf) => Promise<Response>): void {
  if (known && !isKept(known)) return;
  event.respondWith(shelf().then((found) => (isKept(found) ? make(found) : fetch(event.request))));
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname, search } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  const asset = pathname + search;
  const named = /^\/p\/[0-9a-f]{64}\/([0-9a-f]{64})$/.exec(pathname);
  if (request.mode === "navigate" && !named) event.respondWith(page(event, pathname));
  else if (named) answerWith(event, ({ parts }) => parts.has(named[1]!), ({ parts }) => part(request, parts.get(named[1]!)!));
  else if (pathname.startsWith("/static/"))
    answerWith(
      event,
      ({ assets }) => assets.has(asset),
      async () => (await (await records()).match(asset)) || fetch(request),
    );
});
self.addEventListener("install", (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener("activate", (event) => {
  const preload = self.registration.navigationPreload;
  event.waitUntil(Promise.all([self.clients.claim(), preload && preload.enable()]));
});
// A page has kept or removed something.
self.addEventListener("message", (event) => event.waitUntil(readAgain()));
