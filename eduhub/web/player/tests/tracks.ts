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

/** A lecture as our encoder makes it, in bits a second: pictures of 57 and 160 kbit/s, a voice of 16, with the unevenness of the hall clip. */
export function lecture(seconds: number): Track[] {
  const uneven = [1.07, 1.21, 1.56, 1.62, 1.39, 1.52, 1.86, 1.75, 1.2, 0.9, 0.8, 0.7, 0.8, 0.7, 0.7, 0.6, 0.7, 0.6, 0.6, 0.5];
  const sum = uneven.reduce((all, each) => all + each, 0);
  const picture = (name: string, bandwidth_bps: number): Track => {
    const track = video(seconds, name);
    const chunk_bytes = track.chunk_bytes.map((_, i) => Math.round((bandwidth_bps / 8) * (uneven[i % uneven.length]! / sum) * uneven.length));
    return { ...track, sha256: name, bandwidth_bps, chunk_bytes };
  };
  const voice = audio(seconds);
  const opus = { ...voice, name: "opus", sha256: "opus", bandwidth_bps: 16_400, chunk_bytes: voice.chunk_bytes.map(() => 4150) };
  return [picture("v240", 57_300), picture("v360", 160_700), opus];
}

/** The same track as the page carries it: with the tables of so many seconds. */
export function cut(track: Track, seconds: number): Track {
  const chunks = Math.ceil((seconds * track.timescale) / track.chunk_ticks[0]!);
  const keys = track.key_chunks && { key_chunks: track.key_chunks.filter((chunk) => chunk < chunks) };
  return { ...track, chunk_bytes: track.chunk_bytes.slice(0, chunks), chunk_ticks: track.chunk_ticks.slice(0, chunks), ...keys };
}
