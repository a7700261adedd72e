// What to ask for next. Pure: the whole of the player's judgement about the link is here.

import type { Book } from "./book.js";
import { chunkAt, endOf, entryOf, type Layout } from "./layout.js";

/** Seconds held ahead of the playing position. */
export const AHEAD_S = 120;
/** A new request starts only when this much of AHEAD_S is missing, so that requests stay long. */
const REFILL_S = 20;
/** The first video request is shorter: on a quick link the next rung is a few seconds away. */
const FIRST_VIDEO_S = 24;
/** Sound is asked for in bounded ranges, this far beyond the picture: an open range would starve the picture. */
const AUDIO_RANGE_S = 12;
const AUDIO_MARGIN_S = 8;
const FIRST_AUDIO_S = 4;

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
function goesOn(layout: Layout, book: Book, now: number): { held: boolean; reached: number } | null {
  const at = layout.whole ? Math.min(now, endOf(layout) - 0.2) : now;
  const end = book.end(at);
  const reached = end || at;
  return reached >= endOf(layout) - 0.1 ? null : { held: end !== null, reached };
}

/** Whether all of the track from `now` to its end is held. */
export function isComplete(layout: Layout, book: Book, now: number): boolean {
  return layout.whole && !goesOn(layout, book, now);
}

/** The next request for picture, or null when enough is held. */
export function nextVideo(layout: Layout, book: Book, now: number, follows: number | null): Want | null {
  const on = goesOn(layout, book, now);
  if (!on || on.reached - now > AHEAD_S - REFILL_S) return null;
  const ahead = on.reached - now;
  return until(layout, start(layout, on.reached, follows), ahead < AUDIO_RANGE_S ? now + FIRST_VIDEO_S : now + AHEAD_S);
}

/** The next request for sound; `pictureEnd` is how far the picture reaches, null when no picture is played. */
export function nextAudio(
  layout: Layout,
  book: Book,
  now: number,
  follows: number | null,
  pictureEnd: number | null,
): Want | null {
  const on = goesOn(layout, book, now);
  const limit = pictureEnd === null ? now + AHEAD_S - REFILL_S : pictureEnd + AUDIO_MARGIN_S;
  if (!on || on.reached >= limit) return null;
  return until(layout, start(layout, on.reached, follows), on.reached + (on.held ? AUDIO_RANGE_S : FIRST_AUDIO_S));
}

/** A seek no further than this beyond the arriving bytes waits for them. */
export const SOON_S = 3;

/** After a seek to `now`: whether a request that has come to `arriving` seconds still brings what is needed first. */
export function stillUseful(arriving: number | null, heldTo: number | null, now: number): boolean {
  if (arriving === null) return false;
  return heldTo === null ? now >= arriving && now < arriving + SOON_S : Math.abs(heldTo - arriving) < 0.2;
}

/** Whether the tables in the page are too short for what is needed next from `now` on. */
export function runsShort(layout: Layout, now: number): boolean {
  return !layout.whole && endOf(layout) < now + AHEAD_S;
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

/** Milliseconds to wait before the attempt-th try (from 1) after failures without a single byte between them. */
export function backOffMs(attempt: number, random: number): number {
  return Math.min(8000, 250 * 2 ** attempt) * (0.75 + random / 2);
}
