// Keeps one lesson: asks the server what there is, writes down what is coming, fetches it, and reveals it when it is whole.

import { Rate } from "../player/rate.js";
import type { Choice } from "./choices.js";
import { fetchAll, Refused, type Watching } from "./fetching.js";
import * as store from "./store.js";
import type { Kept, Offer } from "./store.js";

/** A lesson's page as it is kept, and what it says of itself. */
export interface Seen {
  offer: Offer;
  html: string;
  headers: Headers;
}

/** Asks for the page of a lesson, and with it for a fresh pass; throws Refused, or another error without a connection. */
export async function look(lesson: string): Promise<Seen> {
  const answer = await fetch(store.pageAt(lesson), { cache: "no-store", headers: { Accept: "text/html" } });
  if (answer.status >= 400 && answer.status < 500) throw new Refused(answer.status);
  if (!answer.ok) throw new Error("no answer");
  const html = await answer.text();
  const data = new DOMParser().parseFromString(html, "text/html").getElementById("keep-data");
  return { offer: JSON.parse(data!.textContent!) as Offer, html, headers: answer.headers };
}

/** Everything below /static/ that a text names, with the hash behind its question mark. */
function filesIn(text: string): string[] {
  return Array.from(new Set(text.match(/\/static\/[\w./-]+(?:\?v=\w+)?/g) || []));
}

/** Stores what a page loads, and what its styles load; gives the addresses. What cannot be had is left out. */
async function storeFiles(html: string): Promise<string[]> {
  const cache = await store.records();
  const wanted = filesIn(html);
  const stored: string[] = [];
  for (let i = 0; i < wanted.length; i++) {
    const address = wanted[i]!;
    const answer = (await cache.match(address)) || (await fetch(address));
    if (!answer.ok) continue;
    if (/\.css(\?|$)/.test(address)) {
      const base = new URL(address, location.href);
      for (const one of (await answer.clone().text()).match(/url\([^)]+/g) || []) {
        const file = new URL(one.slice(4).replace(/["']/g, ""), base);
        const path = file.pathname + file.search;
        if (file.origin === location.origin && !wanted.includes(path)) wanted.push(path);
      }
    }
    await cache.put(address, answer);
    stored.push(address);
  }
  return stored;
}

/** Writes down a page, as `at`; `names` are the parts that will be here. */
async function storePage(at: string, { html, headers }: Seen, names: string[]): Promise<void> {
  const text = html.replace('data-kept=""', `data-kept="${names.join(" ")}"`);
  const kept = new Headers(headers);
  ["Content-Encoding", "Content-Length", "Set-Cookie"].forEach((name) => kept.delete(name));
  await (await store.records()).put(at, new Response(text, { headers: kept }));
}

/** Stores the list of what is kept, so that it opens without a connection. */
export async function storeListPage(): Promise<string[]> {
  const answer = await fetch("/kept", { headers: { Accept: "text/html" } });
  if (!answer.ok) return [];
  const html = await answer.text();
  await storePage("/kept", { html, headers: answer.headers, offer: null as never }, []);
  return storeFiles(html);
}

/** Begins: writes down what was chosen, with its page. Nothing of the lesson that is whole already is touched. */
export async function begin(seen: Seen, choice: Choice, words: string): Promise<Kept> {
  const { offer } = seen;
  const kept: Kept = { ...offer, parts: choice.parts, choice: choice.name, choice_words: words, assets: [], stopped: false };
  await store.write("coming", kept);
  kept.assets = (await storeFiles(seen.html)).concat(await storeListPage());
  await store.write("coming", kept);
  await storePage(store.comingPageAt(offer.lesson), seen, choice.parts.map(({ name }) => name));
  return kept;
}

/** Goes on until the lesson is whole, and reveals it. Rejects as `fetchAll` does. */
export async function goOn(kept: Kept, report: Omit<Watching, "rate"> & { rate: Rate }, signal: AbortSignal): Promise<void> {
  try {
    await fetchAll(kept, report, signal);
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 403) throw error;
    await look(kept.lesson); // the pass has ended: the page brings another one
    await fetchAll(kept, report, signal);
  }
  await reveal(kept);
}

/** Shows what is whole: the page first, then the record by which the worker answers, then what nobody needs goes. */
async function reveal(kept: Kept): Promise<void> {
  const cache = await store.records();
  const page = await cache.match(store.comingPageAt(kept.lesson));
  if (page) await cache.put(store.pageAt(kept.lesson), page);
  await store.write("whole", kept);
  await store.drop("coming", kept.lesson);
  await cache.delete(store.comingPageAt(kept.lesson));
  await store.sweep();
}

/** Stores the newest page of a lesson that is whole, with its scripts; the old ones stay until the new ones are here. */
export async function freshen(kept: Kept, seen: Seen): Promise<Kept> {
  const files = (await storeFiles(seen.html)).concat(await storeListPage());
  await store.write("whole", { ...kept, assets: kept.assets.concat(files) });
  await storePage(store.pageAt(kept.lesson), seen, kept.parts.map(({ name }) => name));
  const fresh = { ...kept, assets: files, looked_ms: Date.now() };
  await store.write("whole", fresh);
  await store.sweep();
  return fresh;
}

/** What this browser may still take, in bytes; null where it does not say. */
export async function room(): Promise<number | null> {
  if (!navigator.storage || !navigator.storage.estimate) return null;
  const { quota, usage } = await navigator.storage.estimate();
  return quota === undefined || usage === undefined ? null : Math.max(0, quota - usage);
}

/** Asks the browser not to clear away what is kept; whether it promised. */
export async function promised(ask: boolean): Promise<boolean> {
  const { storage } = navigator;
  if (!storage || !storage.persisted) return false;
  return (await storage.persisted()) || (ask && (await storage.persist()));
}
