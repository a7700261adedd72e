// One SourceBuffer with its book: operations one after another, a full buffer evicted behind the playing position.
// Must not know where bytes come from.

import { Book, type Span } from "./book.js";

/** Behind the playing position so much is kept when room is needed. */
const KEEP_BEHIND_S = 15;
const FULL_WAIT_MS = 1000;

export function spansOf(ranges: TimeRanges): Span[] {
  return Array.from({ length: ranges.length }, (_, i): Span => [ranges.start(i), ranges.end(i)]);
}

export class TrackBuffer {
  readonly book = new Book();
  private type = "";
  private tail: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly buffer: SourceBuffer,
    private readonly now: () => number,
    private readonly signal: AbortSignal,
  ) {}

  /** An init segment; what follows it is `type`, its clock moved by `offset` seconds. */
  init(bytes: Uint8Array, type: string, offset: number): Promise<void> {
    return this.inTurn(async () => {
      // Chrome 70 has changeType; where it is missing, rungs of one codec still change without it.
      if (this.type && this.type !== type && this.buffer.changeType) this.buffer.changeType(type);
      this.type = type;
      this.buffer.timestampOffset = offset;
      await this.operate(() => this.buffer.appendBuffer(bytes as BufferSource));
    });
  }

  /** A whole chunk that plays from `from` to `to`. Waits while the browser has no room. */
  append(bytes: Uint8Array, from: number, to: number): Promise<void> {
    return this.inTurn(async () => {
      for (;;) {
        try {
          await this.operate(() => this.buffer.appendBuffer(bytes as BufferSource));
          this.book.add(from, to);
          return;
        } catch (error) {
          if (!(error instanceof DOMException) || error.name !== "QuotaExceededError") throw error;
        }
        await this.makeRoom();
      }
    });
  }

  /** Forgets from..to. */
  remove(from: number, to: number): Promise<void> {
    this.book.cut(from, to); // at once, for the schedule; and again in its turn, after appends that wait now
    return this.inTurn(() => this.cut(from, to));
  }

  /** Brings the book down to what the browser still has: it may evict by itself. */
  reconcile(): void {
    this.book.keepOnly(spansOf(this.buffer.buffered), 0.5);
  }

  private async makeRoom(): Promise<void> {
    const behind = this.now() - KEEP_BEHIND_S;
    const first = this.book.spans[0];
    const last = this.book.spans[this.book.spans.length - 1];
    if (first && first[0] < behind) await this.cut(0, behind);
    else if (last && last !== first && last[0] > this.now()) await this.cut(last[0], Infinity);
    else await new Promise((resolve) => setTimeout(resolve, FULL_WAIT_MS));
  }

  private async cut(from: number, to: number): Promise<void> {
    this.book.cut(from, to);
    await this.operate(() => this.buffer.remove(from, to));
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.tail.then(() => {
      if (this.signal.aborted) throw new DOMException("", "AbortError");
      return work();
    });
    this.tail = turn.catch(() => undefined); // the caller has the error; the queue goes on
    return turn;
  }

  private operate(begin: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (event: Event): void => {
        this.buffer.removeEventListener("updateend", done);
        this.buffer.removeEventListener("error", done);
        if (event.type === "error") reject(new Error("the browser refused a chunk"));
        else resolve();
      };
      begin(); // throws at once when the buffer is full or gone
      this.buffer.addEventListener("updateend", done);
      this.buffer.addEventListener("error", done);
    });
  }
}
