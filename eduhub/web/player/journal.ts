// Which stretches of the lesson were really played. Pure; the shell reports positions, this says what was watched.

/** One stretch that was played without a jump, on the lesson's time axis. */
export interface Watched {
  from_ms: number;
  to_ms: number;
  watched_ms: number;
  stalls: number;
  part: string | null;
}

/** Between two reports of a playing picture the position grows by no more than this, or it was a jump. */
const LEAP_MS = 3000;
/** Shorter stretches are touches of the slider. */
const LEAST_MS = 250;

export class Journal {
  private from = 0;
  private to = 0;
  private part: string | null = null;
  private stalls = 0;

  /** The position while playing, several times a second; gives the stretch that a jump or another part ended. */
  at(positionMs: number, part: string | null): Watched | null {
    const position = Math.round(positionMs);
    const step = position - this.to;
    let ended: Watched | null = null;
    if (step < 0 || step > LEAP_MS || part !== this.part) {
      ended = this.cut();
      this.from = position;
      this.part = part;
    }
    this.to = position;
    return ended;
  }

  /** Playing waits for bytes. */
  stalled(): void {
    this.stalls++;
  }

  /** Ends the stretch; the next begins where this one ended. Null when nothing was watched. */
  cut(): Watched | null {
    const { from, to, part, stalls } = this;
    if (to - from < LEAST_MS) return null;
    this.from = to;
    this.stalls = 0;
    return { from_ms: from, to_ms: to, watched_ms: to - from, stalls, part };
  }

  /** Playing begins or goes on at a position that was not played up to. */
  startAt(positionMs: number, part: string | null): Watched | null {
    const ended = this.cut();
    this.from = this.to = Math.round(positionMs);
    this.part = part;
    return ended;
  }
}
