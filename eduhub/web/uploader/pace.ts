// How fast, when, and in which portions bytes leave: a ceiling, a pause until an hour, back-off, the size of a portion,
// the rate that people are told. Plain reckoning with times that are handed in (milliseconds).

const KB = 1024;
export const SMALLEST_PORTION = 32 * KB;
const PORTION_UNDER_CEILING_S = 0.5; // short, so that others on the line are not shut out for long
const LATE_PORTION_S = 4; // as far as it grows while the waits for answers keep the ceiling from being reached
const LARGEST_PORTION = 8 * KB * KB;
const PORTION_LASTS_S = 20;
const AROUND_PORTION = 1500; // bytes of headers and answer that a portion costs beside itself
const CATCH_UP_MS = 500; // what a slow answer cost may be made up for, no more
const LONGEST_WAIT_MS = 30_000;
const RATE_OVER_MS = 30_000;

/** Keeps the average below a ceiling: each portion says when the next one may go. */
export class Pace {
  private free = Infinity; // nothing has left yet

  /** `kbits`: thousands of bits a second; 0 is no ceiling. */
  constructor(public kbits = 0) {}

  /** Milliseconds until the next portion may go. */
  wait(now: number): number {
    return this.kbits && this.free < Infinity ? Math.max(0, this.free - now) : 0;
  }

  /** A portion of `bytes` leaves at `now`. */
  leaves(bytes: number, now: number): void {
    const from = this.free < Infinity ? Math.max(this.free, now - CATCH_UP_MS) : now;
    this.free = this.kbits ? from + ((bytes + AROUND_PORTION) * 8) / this.kbits : Infinity;
  }
}

/**
 * Bytes of the next portion. After each beginning anew it is small and doubles: should the server have the file further than it said
 * just now, only this much goes twice. Large ones save the waits for answers on long links; the server keeps what arrives of them.
 * `late`: the answer to the last one came when the next could have gone already, as far as the ceiling is concerned.
 */
export function nextPortion(before: number, bytesPerS: number, kbits: number, late = false): number {
  const underCeiling = late ? kbits * 125 * LATE_PORTION_S : Math.max(before, kbits * 125 * PORTION_UNDER_CEILING_S);
  const enough = kbits ? underCeiling : bytesPerS * PORTION_LASTS_S;
  const least = kbits ? SMALLEST_PORTION / 2 : SMALLEST_PORTION;
  return Math.round(Math.max(least, Math.min(enough, before ? before * 2 : SMALLEST_PORTION, LARGEST_PORTION)));
}

/** Milliseconds to wait after the `failures`-th failure in a row (1, 2 ...): up to 30 s, never the same for two browsers. */
export function backOff(failures: number, random: number): number {
  return Math.min(LONGEST_WAIT_MS, 1000 * 2 ** Math.min(failures - 1, 10)) * (0.5 + random / 2);
}

/** Milliseconds without any sign of life after which a connection is given up: a changed network leaves it hanging. */
export function patience(portion: number, bytesPerS: number): number {
  return Math.min(120_000, Math.max(15_000, (3000 * Math.min(portion, 256 * KB)) / Math.max(bytesPerS, 2000)));
}

/** The next moment at which it is `hour` o'clock here. */
export function nextTime(hour: number, now: Date): Date {
  const then = new Date(now);
  then.setHours(hour, 0, 0, 0);
  if (then <= now) then.setDate(then.getDate() + 1);
  return then;
}

/** Bytes a second over the last half minute of an unbroken stretch. */
export class Meter {
  private seen: [ms: number, bytes: number][] = [];

  /** `known`: the rate as it was before, for as long as there is too little to tell. */
  constructor(private known = 0) {}

  /** `bytes` is how much has arrived in all. */
  note(bytes: number, now: number): void {
    this.seen.push([now, bytes]);
    while (this.seen.length > 2 && this.seen[1]![0] < now - RATE_OVER_MS) this.seen.shift();
  }

  /** A stretch ends: the time until the next one is not part of any rate. */
  reset(): void {
    this.known = this.rate();
    this.seen = [];
  }

  /** 0 as long as nothing is known. */
  rate(): number {
    const first = this.seen[0];
    const last = this.seen[this.seen.length - 1];
    return first && last && last[0] - first[0] >= 1000 ? ((last[1] - first[1]) * 1000) / (last[0] - first[0]) : this.known;
  }
}
