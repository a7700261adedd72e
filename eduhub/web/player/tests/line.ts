// The weak line of the tests' village, as benchmarks/weak_link.py makes one: rate, delay, holes; and connections that break.

import { after, now } from "./clock.js";

/** [seconds, kbit/s] one after the other, 0 is a hole; begins anew at its end. */
export type Steps = [seconds: number, kbits: number][];

const PACKET = 1460;
/** What an answer says before its first byte. */
export const HEAD_BYTES = 500;
const MOST_CONNECTIONS = 6; // to one server, in every browser

interface Connection {
  isFree: boolean;
  isOpen: boolean;
  /** What is left of the answer that it carries. */
  left: number;
  arrive: (bytes: number) => void;
  broke: () => void;
}

/** One bottleneck for all connections, which take turns; half a round trip each way, a whole one more for a new connection. */
export class Line {
  private _all: Connection[] = [];
  private readonly _turns: Connection[] = [];
  private readonly _queue: (() => void)[] = [];
  private _isSending = false;

  /** `warm`: connections that are open already. */
  constructor(
    private readonly _steps: Steps,
    private readonly _rttMs: number,
    warm: number,
  ) {
    for (let i = 0; i < warm; i++) this._open().isFree = true;
  }

  /** Asks for so many bytes; `arrive` is told of each portion, `broke` of a lost connection. The answer to it ends the connection. */
  ask(bytes: number, arrive: (bytes: number) => void, broke: () => void): () => void {
    let mine: Connection | undefined;
    let isEnded = false;
    const begin = (): void => {
      if (isEnded) return this._next();
      const free = this._all.find(({ isFree }) => isFree);
      const connection = (mine = free || this._open());
      Object.assign(connection, { isFree: false, left: bytes + HEAD_BYTES, arrive, broke });
      after(this._rttMs * (free ? 0.5 : 1.5), () => {
        this._turns.push(connection);
        if (!this._isSending) this._send();
      });
    };
    if (this._all.some(({ isFree }) => isFree) || this._all.length < MOST_CONNECTIONS) begin();
    else this._queue.push(begin);
    return () => {
      isEnded = true;
      if (!mine || mine.isFree || !this._all.includes(mine)) return;
      const gone = mine;
      this._all = this._all.filter((other) => other !== gone);
      gone.arrive = () => undefined;
      after(this._rttMs / 2, () => (gone.isOpen = false)); // what the box has sent until then is wasted
      this._next();
    };
  }

  /** Every connection is lost, with what was on its way. */
  breakAll(): void {
    const lost = this._all;
    this._all = [];
    for (const connection of lost) {
      connection.isOpen = false;
      if (!connection.isFree) connection.broke();
    }
  }

  private _open(): Connection {
    const made = { isFree: false, isOpen: true, left: 0, arrive: () => undefined, broke: () => undefined };
    this._all.push(made);
    return made;
  }

  private _next(): void {
    const begin = this._queue.shift();
    if (begin) begin();
  }

  private _send(): void {
    let connection = this._turns.shift();
    while (connection && !connection.isOpen) connection = this._turns.shift();
    this._isSending = !!connection;
    if (!connection) return;
    const sender = connection;
    const bytes = Math.min(PACKET, sender.left);
    sender.left -= bytes;
    const isLast = !sender.left;
    after(this._sentAt(now(), bytes) - now(), () => {
      after(this._rttMs / 2, () => this._arrived(sender, bytes, isLast));
      if (!isLast) this._turns.push(sender);
      this._send();
    });
  }

  private _arrived(connection: Connection, bytes: number, isLast: boolean): void {
    if (!connection.isOpen) return;
    if (isLast) {
      connection.isFree = true; // before the reader goes on, so that its next request finds it
      this._next();
    }
    connection.arrive(bytes);
  }

  /** When the bottleneck, beginning at `at`, has sent so many bytes; milliseconds. */
  private _sentAt(at: number, bytes: number): number {
    const span = this._steps.reduce((sum, [seconds]) => sum + seconds * 1000, 0);
    let left = bytes * 8; // a kbit/s is a bit a millisecond
    for (;;) {
      let ends = Math.floor(at / span) * span;
      for (const [seconds, kbits] of this._steps) {
        ends += seconds * 1000;
        if (at >= ends) continue;
        if (left <= (ends - at) * kbits) return at + left / kbits;
        left -= (ends - at) * kbits;
        at = ends;
      }
    }
  }
}
