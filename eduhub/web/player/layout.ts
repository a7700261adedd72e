// Arithmetic of one track: which chunk holds a time, where its bytes lie. Pure; seconds are the lesson's.

import type { Track } from "./lesson.js";

/** One track with the sums of its chunk tables: starts[i] (s) and offsets[i] (bytes); both have one entry more than chunks. */
export interface Layout {
  track: Track;
  chunks: number;
  starts: number[];
  offsets: number[];
  /** True when the tables reach the end of the track, false when the page carried the first minutes only. */
  whole: boolean;
}

/** Sums up a track's tables; `whole`: they reach its end. */
export function layoutOf(track: Track, whole: boolean): Layout {
  let ticks = track.start_ticks - track.priming_ticks;
  let bytes = track.init_bytes;
  const starts = [ticks / track.timescale];
  const offsets = [bytes];
  track.chunk_bytes.forEach((size, i) => {
    ticks += track.chunk_ticks[i] || 0;
    bytes += size;
    starts.push(ticks / track.timescale);
    offsets.push(bytes);
  });
  return { track, chunks: track.chunk_bytes.length, starts, offsets, whole };
}

/** Number of the chunk that plays at `time`: the last one that starts no later; 0 before the first. */
export function chunkAt(layout: Layout, time: number): number {
  let low = 0;
  let high = layout.chunks - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (layout.starts[middle]! <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Where decoding can begin so that `chunk` plays: itself in audio, the key chunk at or before it in video. */
export function entryOf(layout: Layout, chunk: number): number {
  if (layout.track.kind === "audio") return chunk;
  let entry = 0;
  for (const key of layout.track.key_chunks || []) if (key <= chunk) entry = key;
  return entry;
}

/** End of what the tables describe, in seconds. */
export function endOf(layout: Layout): number {
  return layout.starts[layout.chunks]!;
}
