// What the page says about the lesson (docs/formats/lesson-page.md), as types. Knows nothing of playing.

export interface Track {
  name: string;
  kind: "video" | "audio";
  sha256: string;
  type: string;
  timescale: number;
  bandwidth_bps: number;
  width?: number;
  height?: number;
  language?: string | null;
  init_bytes: number;
  priming_ticks: number;
  start_ticks: number;
  chunk_bytes: number[];
  chunk_ticks: number[];
  key_chunks?: number[];
}

/** One still: from which millisecond, and where its bytes lie in the blob of stills. */
export type Still = [timeMs: number, offset: number, bytes: number];

export interface LessonIndex {
  format: string;
  duration_ms: number;
  /** Whether the tables end early. */
  cut?: boolean;
  tracks: Track[];
  stills: { sha256: string; items: Still[] } | null;
}

/** Whether a choice of quality has a moving picture: "stills" and "sound" have none. */
export function pictures(choice: string): boolean {
  return !/^s/.test(choice);
}

export interface Lesson {
  lesson: string;
  timeline: string;
  package: string;
  base: string;
  duration_ms: number;
  resume_ms: number;
  language: string;
  index: LessonIndex;
  index_sha256: string;
  tables?: string | null;
  init: Record<string, string>;
  poster: string | null;
  master?: string | null;
  download: { sha256: string; bytes: number } | null;
  events: { url: string; token: string | null };
  context: string;
  words: Record<string, string>;
}
