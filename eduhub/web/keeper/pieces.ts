// Arithmetic of pieces: 128 KiB of a part each, the last one what is left; and what a Range header asks for. Pure.

export const PIECE = 131_072;

/** Bytes from..to of a part, the last not included. */
export interface Stretch {
  from: number;
  to: number;
}

export function pieceCount(bytes: number): number {
  return Math.ceil(bytes / PIECE);
}

/** Where piece `n` of a part of `bytes` lies. */
export function pieceOf(n: number, bytes: number): Stretch {
  return { from: n * PIECE, to: Math.min(bytes, (n + 1) * PIECE) };
}

/** The first run of pieces that are not held, as one stretch to ask for; null when nothing is missing. */
export function missing(bytes: number, held: Set<number>): Stretch | null {
  const count = pieceCount(bytes);
  let first = 0;
  while (first < count && held.has(first)) first++;
  if (first === count) return null;
  let end = first;
  while (end < count && !held.has(end)) end++;
  return { from: first * PIECE, to: Math.min(bytes, end * PIECE) };
}

/** What is held of a part, in bytes. */
export function heldBytes(bytes: number, held: Set<number>): number {
  let sum = 0;
  held.forEach((n) => {
    const { from, to } = pieceOf(n, bytes);
    sum += Math.max(0, to - from);
  });
  return sum;
}

/**
 * The stretch that a Range header asks for. "whole" without one, and for what is malformed or asks for several: so does
 * the server (docs/formats/passes.md). Null when it begins behind the end.
 */
export function asked(header: string | null, bytes: number): Stretch | "whole" | null {
  const found = /^bytes=(\d*)-(\d*)$/.exec(header || "");
  if (!found || (!found[1] && !found[2])) return "whole";
  if (!found[1]) {
    const last = Number(found[2]);
    return last && bytes ? { from: Math.max(0, bytes - last), to: bytes } : null;
  }
  const from = Number(found[1]);
  const to = found[2] ? Math.min(bytes, Number(found[2]) + 1) : bytes;
  return from < to ? { from, to } : null;
}

/** Cuts bytes, as they arrive in any portions, into whole pieces of one stretch that begins at a piece's first byte. */
export class Cutter {
  private _held: Uint8Array;
  private _filled = 0;

  constructor(
    private _at: number,
    private readonly _bytes: number,
  ) {
    this._held = this._next();
  }

  /** The byte that is wanted next. */
  position(): number {
    return this._at + this._filled;
  }

  /** Takes bytes; gives the pieces that they complete, with their numbers. */
  push(bytes: Uint8Array): { n: number; bytes: Uint8Array }[] {
    const whole: { n: number; bytes: Uint8Array }[] = [];
    while (bytes.length && this._held.length) {
      const some = bytes.subarray(0, this._held.length - this._filled);
      this._held.set(some, this._filled);
      this._filled += some.length;
      bytes = bytes.subarray(some.length);
      if (this._filled < this._held.length) break;
      whole.push({ n: this._at / PIECE, bytes: this._held });
      this._at += this._held.length;
      this._held = this._next();
    }
    return whole;
  }

  private _next(): Uint8Array {
    this._filled = 0;
    return new Uint8Array(Math.min(PIECE, this._bytes - this._at));
  }
}

/** Lower-case hex of bytes. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join("");
}

/** Whether a piece is what the piece list says; `list` is 32 bytes for each piece. */
export async function isPiece(bytes: Uint8Array, n: number, list: Uint8Array): Promise<boolean> {
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource));
  return hex(found) === hex(list.subarray(32 * n, 32 * n + 32));
}
