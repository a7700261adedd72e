// Turns what the element plays into events, and sees that they leave before the page does.

import { Journal, type Watched } from "./journal.js";
import type { Lesson } from "./lesson.js";
import { Outbox, type Post, type Shelf } from "./outbox.js";
import { newUid } from "./uids.js";

const EVERY_MS = 10_000;

/** Posts with the batch's own token and no cookie: who is signed in now does not matter. */
const post: Post = async (url, body) => {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
    credentials: "omit",
  });
  const text = await answer.text();
  return { status: answer.status, json: text.startsWith("{") ? JSON.parse(text) : null };
};

function shelf(): Shelf | null {
  try {
    return window.localStorage;
  } catch {
    return null; // storage is forbidden in this browser: events live as long as the page
  }
}

/** The outbox of this browser, which sends at once what earlier pages left. */
export function openOutbox(): Outbox {
  const outbox = new Outbox(shelf(), post);
  const leave = (): void => beacon(outbox);
  addEventListener("pagehide", leave);
  addEventListener("online", () => outbox.flush());
  outbox.flush();
  return outbox;
}

/** The page is going: hand the batches to the browser. They stay in the outbox, as no answer will be seen. */
function beacon(outbox: Outbox): void {
  for (const { url, token, events } of outbox.batches()) {
    const body = JSON.stringify({ token, events });
    const sent = navigator.sendBeacon && navigator.sendBeacon(url, new Blob([body], { type: "text/plain" }));
    if (!sent) {
      fetch(url, { method: "POST", body, keepalive: true, credentials: "omit" }).catch(() => undefined); // stays stored
    }
  }
}

/** Watches `element`; `part` names the hash of the track that plays. */
export function watch(element: HTMLVideoElement, lesson: Lesson, outbox: Outbox, part: () => string | null): void {
  const journal = new Journal();
  const keep = (watched: Watched | null): void => {
    if (!watched) return;
    const { url, token } = lesson.events;
    const event = {
      uid: newUid(),
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
  element.addEventListener("playing", () => keep(journal.startAt(now(), part())));
  element.addEventListener("seeking", settle);
  element.addEventListener("seeked", () => keep(journal.startAt(now(), part())));
  element.addEventListener("timeupdate", () => {
    if (!element.paused && !element.seeking) keep(journal.at(now(), part()));
  });
  element.addEventListener("waiting", () => {
    if (!element.seeking && element.currentTime > 0) journal.stalled();
  });
  element.addEventListener("pause", settleAndSend);
  element.addEventListener("ended", settleAndSend);
  setInterval(settleAndSend, EVERY_MS);
  // Registered in the capture phase, so that the stretch is in the outbox before the outbox's own listener sends.
  addEventListener("pagehide", settle, true);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") settleAndSend();
  });
}
