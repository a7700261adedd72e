// The lesson's tables: the first minutes came with the page, the rest is one part that is fetched when needed.

import { Refused } from "./fetching.js";
import { layoutOf, type Layout } from "./layout.js";
import type { Lesson, LessonIndex, Track } from "./lesson.js";

const RETRY_MS = 2000;

export class Tables {
  private coming = false;
  private whole = false;
  index: LessonIndex;

  constructor(private readonly lesson: Lesson) {
    this.index = lesson.index;
  }

  layout(track: Track): Layout {
    const layout = layoutOf(track, this.index.duration_ms, this.lesson.sizes[track.name]);
    return this.whole ? { ...layout, whole: true } : layout;
  }

  /** The same track with the tables as they are known now. */
  renewed(layout: Layout): Layout {
    const track = this.index.tracks.find((one) => one.name === layout.track.name);
    return track ? this.layout(track) : layout;
  }

  /** Fetches the whole index once; `came` is called when it is here, `failed` when it never will be. */
  complete(signal: AbortSignal, came: () => void, failed: (error: unknown) => void): void {
    if (this.coming || this.whole) return;
    this.coming = true;
    this.fetch(signal).then(came, (error) => {
      if (signal.aborted) this.coming = false;
      else if (error instanceof Refused && error.status < 500) failed(error);
      else setTimeout(() => (this.coming = false), RETRY_MS);
    });
  }

  private async fetch(signal: AbortSignal): Promise<void> {
    const answer = await fetch(this.lesson.base + this.lesson.index_sha256, { signal });
    if (!answer.ok) throw new Refused(answer.status);
    this.index = (await answer.json()) as LessonIndex;
    this.whole = true;
  }
}

/** The tracks that this browser plays: video lowest first, sound smallest first. */
export function playable(index: LessonIndex): { videos: Track[]; audios: Track[] } {
  const known = index.tracks.filter((track) => MediaSource.isTypeSupported(track.type));
  const sorted = known.sort((a, b) => a.bandwidth_bps - b.bandwidth_bps);
  return {
    videos: sorted.filter((track) => track.kind === "video"),
    audios: sorted.filter((track) => track.kind === "audio"),
  };
}
