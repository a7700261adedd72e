// How quick the link is, from the bytes of every request together. Pure; time comes in.

const HALF_LIFE_MS = 4000;
const ENOUGH_BYTES = 24_000;
const SAMPLE_MS = 100;

export class Rate {
  private _bytes = 0;
  private _busyMs = 0;
  private _total = 0;
  private _open = 0;
  private _since = 0;
  private _newBytes = 0;

  /** A request begins to deliver. */
  begin(nowMs: number): void {
    if (this._open++ === 0) this._since = nowMs;
  }

  got(bytes: number, nowMs: number): void {
    this._newBytes += bytes;
    this._total += bytes;
    this._settle(nowMs, SAMPLE_MS);
  }

  /** A request that had begun ends, whole or cut. */
  end(nowMs: number): void {
    this._settle(nowMs, 0);
    this._open--;
  }

  private _settle(nowMs: number, leastMs: number): void {
    const elapsed = nowMs - this._since;
    if (elapsed < leastMs) return;
    const fade = 0.5 ** (elapsed / HALF_LIFE_MS);
    this._bytes = this._bytes * fade + this._newBytes;
    this._busyMs = this._busyMs * fade + elapsed;
    this._newBytes = 0;
    this._since = nowMs;
  }

  /** Bits per second, or null while too little came to judge. */
  bps(): number | null {
    return this._total < ENOUGH_BYTES ? null : ((this._bytes + this._newBytes) * 8000) / Math.max(this._busyMs, 1);
  }
}
