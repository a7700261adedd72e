// How quick the link is, from the bytes of every request together. Pure; time comes in.

const HALF_LIFE_MS = 4000;
const ENOUGH_BYTES = 24_000;
const SAMPLE_MS = 100;

export class Rate {
  private bytes = 0;
  private busyMs = 0;
  private total = 0;
  private open = 0;
  private since = 0;
  private newBytes = 0;

  /** A request begins to deliver. */
  begin(nowMs: number): void {
    if (this.open++ === 0) this.since = nowMs;
  }

  got(bytes: number, nowMs: number): void {
    this.newBytes += bytes;
    this.total += bytes;
    this.settle(nowMs, SAMPLE_MS);
  }

  /** A request that had begun ends, whole or cut. */
  end(nowMs: number): void {
    this.settle(nowMs, 0);
    this.open--;
  }

  private settle(nowMs: number, leastMs: number): void {
    const elapsed = nowMs - this.since;
    if (elapsed < leastMs) return;
    const fade = 0.5 ** (elapsed / HALF_LIFE_MS);
    this.bytes = this.bytes * fade + this.newBytes;
    this.busyMs = this.busyMs * fade + elapsed;
    this.newBytes = 0;
    this.since = nowMs;
  }

  /** Bits per second, or null while too little came to judge. */
  bps(): number | null {
    return this.total < ENOUGH_BYTES ? null : ((this.bytes + this.newBytes) * 8000) / Math.max(this.busyMs, 1);
  }
}
