// Cuts the bytes of a range, as they arrive in any portions, into whole chunks. Pure.

export class Slicer {
  private parts: Uint8Array[] = [];
  private held = 0;
  private next: number;

  /** `offsets` are those of a Layout; the bytes begin at chunk `first`. */
  constructor(
    private readonly offsets: number[],
    first: number,
  ) {
    this.next = first;
  }

  /** The byte of the track from which a request must go on. */
  position(): number {
    return this.offsets[this.next]! + this.held;
  }

  /** Takes bytes; gives the chunks they complete, with their numbers. */
  push(bytes: Uint8Array): { chunk: number; bytes: Uint8Array }[] {
    const whole: { chunk: number; bytes: Uint8Array }[] = [];
    while (bytes.length && this.next + 1 < this.offsets.length) {
      const missing = this.offsets[this.next + 1]! - this.position();
      this.parts.push(bytes.subarray(0, missing));
      this.held += Math.min(missing, bytes.length);
      if (bytes.length < missing) break;
      bytes = bytes.subarray(missing);
      whole.push({ chunk: this.next++, bytes: this.joined() });
    }
    return whole;
  }

  private joined(): Uint8Array {
    const all = new Uint8Array(this.held);
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.length;
    }
    this.parts = [];
    this.held = 0;
    return all;
  }
}
