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
  private _from = 0;
  private _to = 0;
  private _part: string | null = null;
  private _stalls = 0;

  /** The position while playing, several times a second; gives the stretch that a jump or another part ended. */
  at(positionMs: number, part: string | null): Watched | null {
    const position = Math.round(positionMs);
    const step = position - this._to;
    if (step < 0 || step > LEAP_MS || part !== this._part) return this.startAt(position, part);
    this._to = position;
    return null;
  }

  /** Playing waits for bytes. */
  stalled(): void {
    this._stalls++;
  }

  /** Ends the stretch; the next begins where this one ended. Null when nothing was watched. */
  cut(): Watched | null {
    const from_ms = this._from;
    const to_ms = this._to;
    if (to_ms - from_ms < LEAST_MS) return null;
    const watched = { from_ms, to_ms, watched_ms: to_ms - from_ms, stalls: this._stalls, part: this._part };
    this._from = to_ms;
    this._stalls = 0;
    return watched;
  }

  /** Playing begins or goes on at a position that was not played up to. */
  startAt(positionMs: number, part: string | null): Watched | null {
    const ended = this.cut();
    this._from = this._to = Math.round(positionMs);
    this._part = part;
    return ended;
  }
}
