// Turns what the element plays into events, and sees that they leave before the page does.

import { on } from "./listen.js";
import { Journal, type Watched } from "./journal.js";
import type { Lesson } from "./lesson.js";
import { Outbox, type Post, type Shelf } from "./outbox.js";
import { uuid7 } from "./uids.js";

const EVERY_MS = 10_000;

/** Posts with the batch's own token and no cookie: who is signed in now does not matter. */
const post: Post = async (url, body) => {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
    credentials: "omit",
  });
  const json = await answer.json().catch(() => null); // a proxy on the way answers in HTML
  return { status: answer.status, json };
};

function shelf(): Shelf | null {
  try {
    return localStorage;
  } catch {
    return null; // storage is forbidden in this browser: events live as long as the page
  }
}

/** The outbox of this browser, which sends at once what earlier pages left. */
export function openOutbox(): Outbox {
  const outbox = new Outbox(shelf(), post);
  on(window, "online", () => outbox.flush());
  outbox.flush();
  return outbox;
}

/** When the page goes, hands the batches to the browser. They stay in the outbox, as no answer will be seen. */
export function sendOnLeaving(outbox: Outbox): void {
  on(window, "pagehide", () => {
    for (const { url, token, events } of outbox.batches()) navigator.sendBeacon(url, JSON.stringify({ token, events }));
  });
}

/** Watches `element` for the person whose token the page has; `part` names the hash of the track that plays. */
export function watch(element: HTMLVideoElement, lesson: Lesson, outbox: Outbox, part: () => string | null): void {
  const { url, token } = lesson.events;
  if (!token) return; // nobody is signed in: nothing is noted
  const journal = new Journal();
  const keep = (watched: Watched | null): void => {
    if (!watched) return;
    const event = {
      uid: uuid7(),
      kind: "watched",
      version: 1,
      lesson: lesson.lesson,
      timeline: lesson.timeline,
      ...watched,
      context: lesson.context,
      made_ms: Date.now(),
      subjects: [],
    };
    outbox.put(url, token, event);
  };
  const now = (): number => element.currentTime * 1000;
  const settle = (): void => keep(journal.cut());
  const settleAndSend = (): void => {
    settle();
    outbox.flush();
  };
  on(element, "playing seeked", () => keep(journal.startAt(now(), part())));
  on(element, "seeking", settle);
  on(element, "timeupdate", () => {
    if (!element.paused && !element.seeking) keep(journal.at(now(), part()));
  });
  on(element, "waiting", () => {
    if (!element.seeking && element.currentTime > 0) journal.stalled();
  });
  on(element, "pause ended", settleAndSend);
  setInterval(settleAndSend, EVERY_MS);
  on(window, "pagehide", settle);
  on(document, "visibilitychange", () => {
    if (document.visibilityState === "hidden") settleAndSend();
  });
}
