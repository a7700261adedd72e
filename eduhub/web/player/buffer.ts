// One SourceBuffer with its book: operations one after another, a full buffer evicted behind the playing position.
// Must not know where bytes come from.

import { Book, type Span } from "./book.js";
import { aborted } from "./fetching.js";
import { on } from "./listen.js";
import { video } from "./page.js";

/** Behind the playing position so much is kept when room is needed. */
const KEEP_BEHIND_S = 15;
const FULL_WAIT_MS = 1000;

export class TrackBuffer {
  readonly book = new Book();
  private _type = "";
  private _tail: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly _buffer: SourceBuffer,
    private readonly _signal: AbortSignal,
  ) {}

  /** An init segment; what follows it is `type`, its clock moved by `offset` seconds. */
  init(bytes: Uint8Array, type: string, offset: number): Promise<void> {
    return this._inTurn(async () => {
      // Chrome 70 has changeType; where it is missing, rungs of one codec still change without it.
      if (this._type && this._type !== type && this._buffer.changeType) this._buffer.changeType(type);
      this._type = type;
      this._buffer.timestampOffset = offset;
      await this._give(bytes);
    });
  }

  /** A whole chunk that plays from `from` to `to`. Waits while the browser has no room. */
  append(bytes: Uint8Array, from: number, to: number): Promise<void> {
    return this._inTurn(async () => {
      for (;;) {
        try {
          await this._give(bytes);
          this.book.add(from, to);
          return;
        } catch (error) {
          if ((error as Error).name !== "QuotaExceededError") throw error;
        }
        await this._makeRoom();
      }
    });
  }

  /** Bytes that were appended once play again, `by` seconds later; the book does not have them. */
  repeat(bytes: Uint8Array, by: number): void {
    const again = async (): Promise<void> => {
      this._buffer.timestampOffset += by;
      try {
        await this._give(bytes);
      } finally {
        this._buffer.timestampOffset -= by;
      }
    };
    this._inTurn(again).catch(() => undefined); // it only helped: without it the voice waits for the picture
  }

  /** Forgets from..to. */
  remove(from: number, to: number): Promise<void> {
    this.book.cut(from, to); // at once, for the schedule; and again in its turn, after appends that wait now
    return this._inTurn(() => this._cut(from, to));
  }

  /** Brings the book down to what the browser still has: it may evict by itself. */
  reconcile(): void {
    const { buffered } = this._buffer;
    const held = (i: number): Span => [buffered.start(i), buffered.end(i)];
    this.book.keepOnly(Array.from({ length: buffered.length }, (_, i) => held(i)), 0.5);
  }

  private async _makeRoom(): Promise<void> {
    const behind = video.currentTime - KEEP_BEHIND_S;
    const first = this.book.spans[0];
    const last = this.book.spans[this.book.spans.length - 1];
    if (first && first[0] < behind) await this._cut(0, behind);
    else if (last && last !== first && last[0] > video.currentTime) await this._cut(last[0], Infinity);
    else await new Promise((resolve) => setTimeout(resolve, FULL_WAIT_MS));
  }

  private async _cut(from: number, to: number): Promise<void> {
    this.book.cut(from, to);
    await this._operate(() => this._buffer.remove(from, to));
  }

  private _inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this._tail.then(() => {
      if (this._signal.aborted) throw aborted();
      return work();
    });
    this._tail = turn.catch(() => undefined); // the caller has the error; the queue goes on
    return turn;
  }

  private _give(bytes: Uint8Array): Promise<void> {
    return this._operate(() => this._buffer.appendBuffer(bytes as BufferSource));
  }

  private _operate(begin: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      begin(); // throws at once when the buffer is full or gone
      const off = on(this._buffer, "updateend error", ({ type }) => {
        off();
        if (type === "error") reject(new Error("bad chunk"));
        else resolve();
      });
    });
  }
}
