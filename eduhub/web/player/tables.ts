// The lesson's tracks and their tables: the first minutes came with the page, the rest is one part, fetched when needed.

import { ask, Refused } from "./fetching.js";
import { layoutOf, type Layout } from "./layout.js";
import type { Lesson, LessonIndex, Track } from "./lesson.js";

const RETRY_MS = 2000;

export class Tables {
  index: LessonIndex;
  /** The tracks that this browser plays: lowest picture first, smallest sound first. */
  readonly videos: Track[];
  readonly audios: Track[];
  private _asked = false;

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
    const whole = this.index !== this._lesson.index || !this.index.cut;
    return layoutOf(this.index.tracks.find((one) => one.name === name)!, whole);
  }

  /** Fetches the whole index once; `came` is called when it is here, `failed` when the box refused it. */
  complete(signal: AbortSignal, came: () => void, failed: (error: unknown) => void): void {
    if (this._asked) return;
    this._asked = true;
    const { tables, base, index_sha256 } = this._lesson;
    ask(tables || base + index_sha256, { signal })
      .then((answer) => answer.json())
      .then((index: LessonIndex) => {
        this.index = index;
        came();
      })
      .catch((error) => {
        setTimeout(() => (this._asked = false), RETRY_MS);
        if (error instanceof Refused) failed(error);
      });
  }
}
