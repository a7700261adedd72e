// Our own book of what was appended, as spans of lesson seconds. Needed because `buffered` merges holes
// where samples are long, and because it says nothing of where a run of chunks began. Pure.

export type Span = [from: number, to: number];

/** Two chunks that end and start within this many seconds touch: tables are rounded, samples are not. */
const TOUCH_S = 0.1;

export class Book {
  spans: Span[] = [];

  add(from: number, to: number): void {
    const rest: Span[] = [];
    for (const span of this.spans) {
      if (span[1] < from - TOUCH_S || span[0] > to + TOUCH_S) rest.push(span);
      else {
        from = Math.min(from, span[0]);
        to = Math.max(to, span[1]);
      }
    }
    rest.push([from, to]);
    this.spans = rest.sort((a, b) => a[0] - b[0]);
  }

  /** Forgets from..to. */
  cut(from: number, to: number): void {
    const rest: Span[] = [];
    for (const [start, end] of this.spans) {
      if (start < from) rest.push([start, Math.min(end, from)]);
      if (end > to) rest.push([Math.max(start, to), end]);
    }
    this.spans = rest;
  }

  /** Forgets what the browser no longer has; `held` is its own list, right to `slack` seconds. */
  keepOnly(held: Span[], slack: number): void {
    let reached = 0;
    for (const [from, to] of held) {
      this.cut(reached, from - slack);
      reached = to + slack;
    }
    this.cut(reached, Infinity);
  }

  /** End of what can be played on from `time` without a hole, or null when `time` itself is missing. */
  end(time: number): number | null {
    for (const [from, to] of this.spans) if (from - TOUCH_S <= time && time < to) return to;
    return null;
  }
}
