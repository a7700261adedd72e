// The still of a moment over the picture: poster first, then the lesson's stills, each fetched once by range.

import { readWhole } from "./fetching.js";
import type { Lesson, LessonIndex } from "./lesson.js";

/** Number of the still that shows at `timeMs`, -1 when there is none. Pure. */
export function stillAt(index: LessonIndex, timeMs: number): number {
  const items = index.stills ? index.stills.items : [];
  let found = items.length ? 0 : -1;
  items.forEach((item, i) => {
    if (item[0] <= timeMs) found = i;
  });
  return found;
}

/** So many decoded-elsewhere blobs are kept: a few hundred kilobytes. */
const KEPT = 60;

export class Stills {
  private readonly known = new Map<number, string>();
  private readonly coming = new Map<number, Promise<void>>();
  private readonly stopped = new AbortController();
  private wanted = -1;

  constructor(
    private readonly lesson: Lesson,
    private readonly index: () => LessonIndex,
    private readonly image: HTMLImageElement,
  ) {
    if (lesson.poster) image.src = lesson.base + lesson.poster;
  }

  /** Covers the picture with the still of `timeMs`: at once what is there, then the right one. */
  show(timeMs: number, ahead: boolean): void {
    this.image.hidden = !this.lesson.poster && !this.index().stills;
    const number = stillAt(this.index(), timeMs);
    if (number >= 0 && number !== this.wanted) {
      this.wanted = number;
      this.load(number);
    }
    if (ahead && number >= 0) this.load(number + 1);
  }

  hide(): void {
    this.image.hidden = true;
    this.wanted = -1;
  }

  private load(number: number): void {
    const { stills } = this.index();
    const item = stills && stills.items[number];
    const address = this.known.get(number);
    if (address) this.put(number, address);
    else if (stills && item && !this.coming.has(number)) {
      const coming = readWhole(this.lesson.base + stills.sha256, item[1], item[2], this.stopped.signal)
        .then((bytes) => this.keep(number, bytes))
        .catch((error) => console.warn(error)) // the poster or the last still stays
        .then(() => {
          this.coming.delete(number);
        });
      this.coming.set(number, coming);
    }
  }

  private keep(number: number, bytes: Uint8Array): void {
    const address = URL.createObjectURL(new Blob([bytes as BlobPart]));
    this.known.set(number, address);
    const oldest = this.known.keys().next().value;
    if (this.known.size > KEPT && oldest !== undefined && oldest !== this.wanted) {
      URL.revokeObjectURL(this.known.get(oldest)!);
      this.known.delete(oldest);
    }
    this.put(number, address);
  }

  private put(number: number, address: string): void {
    if (number === this.wanted) this.image.src = address;
  }
}
