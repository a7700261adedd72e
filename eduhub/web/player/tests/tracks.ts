// Tracks with round numbers for the unit tests.
import type { Track } from "../lesson.js";

/** `seconds` chunks of 1 s and 1000, 1001, ... bytes; key chunks every 6 s. */
export function video(seconds: number, name = "v240"): Track {
  const numbers = Array.from({ length: seconds }, (_, i) => i);
  return {
    name, kind: "video", sha256: name, type: "video/mp4", timescale: 15_360, bandwidth_bps: 60_000, init_bytes: 800,
    priming_ticks: 0, start_ticks: 0, chunk_bytes: numbers.map((i) => 1000 + i), chunk_ticks: numbers.map(() => 15_360),
    key_chunks: numbers.filter((i) => i % 6 === 0),
  };
}

/** Chunks of 2 s and 6000 bytes. */
export function audio(seconds: number): Track {
  const numbers = Array.from({ length: seconds / 2 }, (_, i) => i);
  return {
    name: "aac", kind: "audio", sha256: "aac", type: "audio/mp4", timescale: 24_000, bandwidth_bps: 24_000, init_bytes: 700,
    priming_ticks: 0, start_ticks: 0, chunk_bytes: numbers.map(() => 6000), chunk_ticks: numbers.map(() => 48_000),
  };
}
