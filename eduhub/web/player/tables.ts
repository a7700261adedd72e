// The lesson's tracks and their tables: the first minutes came with the page, the rest is one part, fetched when needed.

import { ask, Refused } from "./fetching.js";
import { layoutOf, type Layout } from "./layout.js";
import type { Lesson, LessonIndex, Track } from "./lesson.js";

/**
 * What was asked for and has not come is asked for again: where playing waits for it soon, because the lost last packet of so short an
 * answer is missed late.
 */
const AGAIN_MS = 20_000;
const AGAIN_SOON_MS = 1500;

export class Tables {
  index: LessonIndex;
  /** The tracks that this browser plays: lowest picture first, smallest sound first. */
  readonly videos: Track[];
  readonly audios: Track[];
  private _askedMs = -AGAIN_MS;

  constructor(private readonly _lesson: Lesson) {
    this.index = _lesson.index;
    const known = this.index.tracks
      .filter(({ type }) => "MediaSource" in window && MediaSource.isTypeSupported(type))
      .sort((a, b) => a.bandwidth_bps - b.bandwidth_bps);
    this.videos = known.filter(({ kind }) => kind === "video");
    this.audios = known.filter(({ kind }) => kind === "audio");
  }

  /** The smallest sound in a language; without one in it, the smallest there is. */
  voice(language: string): Track | undefined {
    return this.audios.find((track) => (track.language || this._lesson.language) === language) || this.audios[0];
  }

  /** A track with the tables as they are known now. */
  layout({ name }: Track): Layout {
    return layoutOf(this.index.tracks.find((one) => one.name === name)!, !this.index.cut);
  }

  /** Fetches the whole index; `came` is called when it is here, `failed` when the box refused it. `waited`: playing stands still. */
  complete(signal: AbortSignal, waited: boolean, came: () => void, failed: (error: unknown) => void): void {
    const now = performance.now();
    if (now < this._askedMs + (waited ? AGAIN_SOON_MS : AGAIN_MS)) return;
    this._askedMs = now;
    const { tables, base, index_sha256 } = this._lesson;
    // With a cache the second request would wait for the first, whose answer it would share.
    ask(tables || base + index_sha256, { signal, cache: "reload" })
      .then((answer) => answer.json())
      .then((index: LessonIndex) => {
        this.index = index;
        came();
      })
      .catch((error) => {
        if (error instanceof Refused) failed(error);
      });
  }
}
