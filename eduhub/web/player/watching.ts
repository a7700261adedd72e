// Turns what the video plays into events, and sees that they leave before the page does.

import { on } from "./listen.js";
import { Journal, type Watched } from "./journal.js";
import type { Lesson } from "./lesson.js";
import { video } from "./page.js";
import { Outbox, type Post } from "./outbox.js";
import { openShelf } from "./shelf.js";
import { uuid7 } from "./uids.js";

const EVERY_MS = 10_000;

/** Posts with the batch's own token and no cookie: who is signed in now does not matter. As text, like a beacon. */
const post: Post = (url, body) => fetch(url, { method: "POST", body, credentials: "omit" });

/** The outbox of this browser, which sends at once what earlier pages left. */
export function openOutbox(): Outbox {
  const outbox = new Outbox(openShelf(), post);
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

/** Watches the page's video for the person whose token the page has; `part` names the hash of the track that plays. */
export function watch(lesson: Lesson, outbox: Outbox, part: () => string | null): void {
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
  const now = (): number => video.currentTime * 1000;
  const note = (): void => {
    if (!video.paused && !video.seeking) keep(journal.at(now(), part()));
  };
  const settle = (): void => keep(journal.cut());
  const settleAndSend = (): void => {
    note(); // the browser tells of the time four times a second, and less often when it is busy
    settle();
    outbox.flush();
  };
  on(video, "playing seeked", () => keep(journal.startAt(now(), part())));
  on(video, "seeking", settle);
  on(video, "timeupdate", note);
  on(video, "waiting", () => {
    if (!video.seeking && video.currentTime > 0) journal.stalled();
  });
  on(video, "pause ended", settleAndSend);
  setInterval(settleAndSend, EVERY_MS);
  on(window, "pagehide", () => {
    note();
    settle();
  });
  on(document, "visibilitychange", () => {
    if (document.hidden) settleAndSend();
  });
}
