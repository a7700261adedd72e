// Cuts the bytes of a range, as they arrive in any portions, into whole chunks. Pure.

export class Slicer {
  private _parts: Uint8Array[] = [];
  private _held = 0;
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
    return this._offsets[this._next]! + this._held;
  }

  /** Takes bytes; gives the chunks they complete, with their numbers. */
  push(bytes: Uint8Array): { chunk: number; bytes: Uint8Array }[] {
    const whole: { chunk: number; bytes: Uint8Array }[] = [];
    while (bytes.length && this._next + 1 < this._offsets.length) {
      const missing = this._offsets[this._next + 1]! - this.position();
      this._parts.push(bytes.subarray(0, missing));
      this._held += Math.min(missing, bytes.length);
      if (bytes.length < missing) break;
      bytes = bytes.subarray(missing);
      whole.push({ chunk: this._next++, bytes: this._joined() });
    }
    return whole;
  }

  private _joined(): Uint8Array {
    const all = new Uint8Array(this._held);
    let at = 0;
    for (const part of this._parts) {
      all.set(part, at);
      at += part.length;
    }
    this._parts = [];
    this._held = 0;
    return all;
  }
}
