// Voice before picture. After a seek to what is not held the voice plays as soon as it is there, over filler: the first chunk
// of picture that came, put again where the browser wants some picture; a still covers it. The real picture waits here until
// it covers the playing position, because behind filler decoding begins at a key frame only.

import type { TrackBuffer } from "./buffer.js";
import type { Span } from "./book.js";
import { video } from "./page.js";

/** One chunk of picture and the seconds it plays from and to. */
export type Piece = [bytes: Uint8Array, from: number, to: number];

/** Filler reaches so far ahead of the playing position, and the real picture must before it is shown. */
const FILLER_S = 2;
const COVER_S = 1;

export class Bridge {
  private _filler: Piece | null = null;
  private _filled: Span | null = null;
  private _waiting: Piece[] | null = null;

  constructor(private readonly _durationS: number) {}

  /** Whether the picture is behind the voice. */
  get open(): boolean {
    return !!this._waiting;
  }

  /** Pieces of another track follow: what waits and the filler do not fit them. */
  reset(): void {
    this._filler = null;
    if (this._waiting) this._waiting = [];
  }

  /** Playing jumps. `held`: the picture is there. `arrives`: it comes with a request that goes on. */
  seek(buffer: TrackBuffer, held: boolean, arrives: boolean): void {
    if (this._filled) buffer.remove(...this._filled).catch(() => undefined); // fails only with the session
    this._filled = null;
    if (held) this._waiting = null;
    else if (!arrives) this._waiting = this._filler && [];
  }

  /** A piece that came: appended, or kept while the picture is behind. `key`: decoding can begin with it. */
  async put(buffer: TrackBuffer, piece: Piece, key: boolean): Promise<void> {
    const [, from, to] = piece;
    const now = video.currentTime;
    this._filler = this._filler || piece;
    if (!this._waiting) return buffer.append(...piece);
    if (key && from <= now) this._waiting = [];
    this._waiting.push(piece);
    if (to < Math.min(now + COVER_S, this._durationS - 0.2)) return;
    const pieces = this._waiting;
    const filled = this._filled;
    this._waiting = this._filled = null;
    for (const one of pieces) await buffer.append(...one);
    if (!filled) return;
    if (filled[1] > to) await buffer.remove(to, filled[1]);
    video.currentTime += 0.01; // the browser has decoded ahead; a seek makes it look again
  }

  /** Lets a voice that is held at `now` play. */
  fill(buffer: TrackBuffer, now: number): void {
    if (!this._waiting || !this._filler || video.paused) return;
    const [bytes, from, to] = this._filler;
    const filled = (this._filled = this._filled || [now - 0.05, now - 0.05]);
    while (filled[1] < now + FILLER_S && filled[1] + to - from < this._durationS) {
      buffer.repeat(bytes, filled[1] - from);
      buffer.book.cut(filled[1], (filled[1] += to - from));
    }
  }
}
