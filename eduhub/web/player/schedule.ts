// What to ask for next. Pure: the whole of the player's judgement about the link is here.

import type { Book } from "./book.js";
import { chunkAt, endOf, entryOf, type Layout } from "./layout.js";

/** Seconds held ahead of the playing position. */
export const AHEAD_S = 120;
/** A new request starts only when this much of AHEAD_S is missing, so that requests stay long. */
const REFILL_S = 20;
/**
 * Sound is asked for in bounded ranges, whenever it reaches less than a margin beyond the picture: an open range would starve the
 * picture. It takes half of the link while it comes, so a range is short where little picture is held, and grows with that.
 */
const AUDIO_MARGIN_S = 2;
const AUDIO_RANGE_S = 12;
const AUDIO_SHARE = 0.3;

/** Chunks first..last (last not included) of one track, to be fetched in one request. */
export interface Want {
  first: number;
  last: number;
}

/** The chunk from which a track goes on: `follows` (next of the run that was last appended) if it fits, else an entry. */
function start(layout: Layout, at: number, follows: number | null): number {
  const chunk = chunkAt(layout, at + 0.05);
  return chunk === follows || chunk + 1 === follows ? follows : entryOf(layout, chunk);
}

function until(layout: Layout, first: number, time: number): Want | null {
  if (first >= layout.chunks) return null;
  const last = time >= endOf(layout) ? layout.chunks : chunkAt(layout, time) + 1;
  return { first, last: Math.max(last, first + 1) };
}

/** Where the track goes on after what is held at `now`; null when the tables (so far) hold no more. */
function goesOn(layout: Layout, book: Book, now: number): number | null {
  const at = layout.whole ? Math.min(now, endOf(layout) - 0.2) : now;
  const reached = book.end(at) || at;
  return reached >= endOf(layout) - 0.1 ? null : reached;
}

/** Whether all of the track from `now` to its end is held. */
export function isComplete(layout: Layout, book: Book, now: number): boolean {
  return layout.whole && goesOn(layout, book, now) === null;
}

/** The next request for picture, or null when enough is held. */
export function nextVideo(layout: Layout, book: Book, now: number, follows: number | null): Want | null {
  const reached = goesOn(layout, book, now);
  if (reached === null || reached - now > AHEAD_S - REFILL_S) return null;
  return until(layout, start(layout, reached, follows), now + AHEAD_S);
}

/** The next request for sound; `pictureEnd` is how far the picture reaches, null when no picture is played. */
export function nextAudio(
  layout: Layout,
  book: Book,
  now: number,
  follows: number | null,
  pictureEnd: number | null,
): Want | null {
  const reached = goesOn(layout, book, now);
  const limit = pictureEnd === null ? now + AHEAD_S - REFILL_S : pictureEnd + AUDIO_MARGIN_S;
  if (reached === null || reached >= limit) return null;
  const span = Math.max(AUDIO_MARGIN_S, Math.min(AUDIO_RANGE_S, (limit - now) * AUDIO_SHARE));
  return until(layout, start(layout, reached, follows), reached + span);
}

/** A seek no further than this beyond the arriving bytes waits for them. */
export const SOON_S = 3;

/** After a seek to `now`: whether a request that has come to `arriving` seconds still brings what is needed first. */
export function stillUseful(arriving: number | null, heldTo: number | null, now: number): boolean {
  if (arriving === null) return false;
  return heldTo === null ? now >= arriving && now < arriving + SOON_S : Math.abs(heldTo - arriving) < 0.2;
}

/** With so many seconds held there is room on the link for the rest of the tables, which a higher rung needs; with so few left there has to be. */
const CALM_S = 4;
const TABLES_LEFT_S = 30;

/** Whether it is time to fetch the whole tables; `book` is that of the picture where there is one, which has less to spare than the sound. */
export function wantsTables(layout: Layout, book: Book, now: number): boolean {
  return !layout.whole && (endOf(layout) < now + TABLES_LEFT_S || (book.end(now) || now) > now + CALM_S);
}

/** What the choice of rung looks at. */
export interface Link {
  /** Measured bits per second of sound and picture together; null while too little was measured. */
  rate: number | null;
  /** Seconds of picture held beyond the playing position. */
  reserve: number;
  audioBps: number;
}

const UP_SHARE = 0.7;
const UP_RESERVE_S = 4;
const DOWN_SHARE = 0.9;
const DOWN_RESERVE_S = 15;

/** Rung for the next group of pictures; `rungs` are bits per second, lowest first. One up at a time; down at once. */
export function chooseRung(rungs: number[], current: number, link: Link): number {
  const { rate, reserve, audioBps } = link;
  if (rate === null) return current;
  const need = (rung: number): number => rungs[rung]! + audioBps;
  if (current + 1 < rungs.length && reserve >= UP_RESERVE_S && rate * UP_SHARE >= need(current + 1)) return current + 1;
  if (reserve >= DOWN_RESERVE_S || rate * DOWN_SHARE >= need(current)) return current;
  let rung = current;
  while (rung > 0 && rate * DOWN_SHARE < need(rung)) rung--;
  return rung;
}

/** On a link that was last so many times quicker than a rung, playing starts with it. */
const START_SHARE = 0.1;

/** Rung to start on, after the bits per second of this network when it was used last; 0: nothing is known. */
export function startRung(rungs: number[], lastBps: number): number {
  return Math.max(0, rungs.filter((bps) => bps <= lastBps * START_SHARE).length - 1);
}

/** Milliseconds to wait before the attempt-th try (from 1) after failures without a single byte between them. */
export function backOffMs(attempt: number, random: number): number {
  return Math.min(8000, 250 * 2 ** attempt) * (0.75 + random / 2);
}
