// Cuts the bytes of a range, as they arrive in any portions, into whole chunks. Pure.

export class Slicer {
  private _held = new Uint8Array(0);
  private _next: number;

  /** `offsets` are those of a Layout; the bytes begin at chunk `first`. */
  constructor(
    private readonly _offsets: number[],
    first: number,
  ) {
    this._next = first;
  }

  /** The byte of the track from which a request must go on. */
  position(): number {
    return this._offsets[this._next]! + this._held.length;
  }

  /** Takes bytes; gives the chunks they complete, with their numbers. */
  push(bytes: Uint8Array): { chunk: number; bytes: Uint8Array }[] {
    const whole: { chunk: number; bytes: Uint8Array }[] = [];
    const held = new Uint8Array(this._held.length + bytes.length);
    held.set(this._held);
    held.set(bytes, this._held.length);
    this._held = held;
    for (;;) {
      const size = this._offsets[this._next + 1]! - this._offsets[this._next]!;
      if (!(this._held.length >= size)) return whole; // also when there is no next chunk
      whole.push({ chunk: this._next++, bytes: this._held.slice(0, size) });
      this._held = this._held.slice(size);
    }
  }
}
