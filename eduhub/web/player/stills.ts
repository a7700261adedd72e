// The still of a moment over the picture: poster first, then the lesson's stills, each fetched once by range.

import { readWhole } from "./fetching.js";
import type { Lesson } from "./lesson.js";
import type { Tables } from "./tables.js";

/** So many fetched stills are kept: a few hundred kilobytes. */
const KEPT = 60;

export class Stills {
  /** Number of a still -> where it lies in this browser; "" while it is on its way, or when the box refused it. */
  private readonly _known = new Map<number, string>();
  private _wanted = -1;

  constructor(
    private readonly _lesson: Lesson,
    private readonly _tables: Tables,
    private readonly _image: HTMLImageElement,
  ) {
    if (_lesson.poster) _image.src = _lesson.base + _lesson.poster;
  }

  /** Covers the picture with the still of `seconds`: at once what is there, then the right one. */
  show(seconds: number, ahead = false): void {
    const { stills } = this._tables.index;
    this._image.hidden = !this._lesson.poster && !stills;
    if (!stills) return;
    const begun = stills.items.filter((item) => item[0] <= seconds * 1000).length;
    this._wanted = Math.max(0, begun - 1);
    this._load(this._wanted);
    if (ahead) this._load(this._wanted + 1);
  }

  hide(): void {
    this._image.hidden = true;
    this._wanted = -1;
  }

  private _load(number: number): void {
    const { stills } = this._tables.index;
    const item = stills && stills.items[number];
    const known = this._known.get(number);
    if (known) this._put(number, known);
    if (!stills || !item || known !== undefined) return;
    this._known.set(number, "");
    readWhole(this._lesson.base + stills.sha256, item[1], item[2])
      .then((bytes) => this._keep(number, bytes))
      .catch((error) => console.warn(error)); // the poster or the last still stays
  }

  private _keep(number: number, bytes: Uint8Array): void {
    const address = URL.createObjectURL(new Blob([bytes as BlobPart]));
    this._known.set(number, address);
    const [oldest = number] = this._known.keys();
    if (this._known.size > KEPT && oldest !== this._wanted) {
      URL.revokeObjectURL(this._known.get(oldest)!);
      this._known.delete(oldest);
    }
    this._put(number, address);
  }

  private _put(number: number, address: string): void {
    if (number === this._wanted && this._image.src !== address) this._image.src = address;
  }
}
