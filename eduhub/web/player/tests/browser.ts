// As much of a browser as a session touches: an element with a clock, source buffers that hold chunks and refuse what could not be
// decoded, `fetch` over the village's line. Import it before the player: it takes the place of the browser's globals.

import type { Track } from "../lesson.js";
import { Box, marked } from "./box.js";
import { after, begin, chance, every, forget, now } from "./clock.js";
import { Line, type Steps } from "./line.js";

/** What there is now; made anew by `found`, because the player's modules take hold of the page when they are loaded. */
export const village = {
  tracks: [] as Track[],
  line: undefined as unknown as Line,
  box: undefined as unknown as Box,
  video: undefined as unknown as Video,
  /** What the browser could not use. */
  faults: [] as Error[],
};

/** A fresh box with these tracks, behind a line, and a fresh browser. `tables` is what the box says of the whole lesson. */
export function found(tracks: Track[], tables: unknown, steps: Steps, seed: number, { rttS = 0.6, warm = 4 } = {}): typeof village {
  begin();
  village.tracks = tracks;
  village.line = new Line(steps, rttS * 1000, warm);
  village.box = new Box(tracks, tables, village.line);
  village.video = new Video();
  village.faults = [];
  Math.random = chance(seed);
  return village;
}

const APPEND_MS = 3;

class Ranges {
  constructor(private readonly _spans: [number, number][]) {}

  get length(): number {
    return this._spans.length;
  }

  start(i: number): number {
    return this._spans[i]![0];
  }

  end(i: number): number {
    return this._spans[i]![1];
  }
}

/** Holds what was appended. A fault is what a browser cannot decode: half a chunk, one of another init segment, no key frame. */
class Buffer extends EventTarget {
  updating = false;
  timestampOffset = 0;
  held: [from: number, to: number, track: Track][] = [];
  private _spans: Ranges | null = null;
  private _init = -1;
  private _follows = -1;

  appendBuffer(bytes: Uint8Array): void {
    this._work(() => {
      const { track: number, chunk } = marked(bytes);
      if (chunk < 0) this._init = number;
      else this._take(village.tracks[number]!, chunk, bytes.length, number === this._init);
      this._follows = chunk + 1;
    });
  }

  remove(from: number, to: number): void {
    this._work(() => this._drop(from, to));
  }

  changeType(): void {}

  get buffered(): Ranges {
    if (this._spans) return this._spans;
    const spans: [number, number][] = [];
    for (const [from, to] of this.held) {
      const last = spans[spans.length - 1];
      if (last && from < last[1] + 0.1) last[1] = Math.max(last[1], to);
      else spans.push([from, to]);
    }
    return (this._spans = new Ranges(spans));
  }

  /** How far one can play on from `time`; `time` itself where nothing is held. */
  end(time: number): number {
    const { buffered } = this;
    for (let i = 0; i < buffered.length; i++)
      if (buffered.start(i) <= time + 0.1 && time < buffered.end(i)) return buffered.end(i);
    return time;
  }

  private _take(track: Track, chunk: number, size: number, isOfInit: boolean): void {
    const isEntry = track.kind === "audio" || track.key_chunks!.includes(chunk);
    if (!isOfInit) throw new Error(`${track.name} behind another init segment`);
    if (size !== track.chunk_bytes[chunk]) throw new Error(`${size} bytes of chunk ${chunk} of ${track.name}`);
    if (chunk !== this._follows && !isEntry) throw new Error(`${track.name} cannot be decoded from chunk ${chunk} on`);
    const from = (track.start_ticks + chunk * track.chunk_ticks[0]!) / track.timescale + this.timestampOffset; // all of one length
    const to = from + track.chunk_ticks[chunk]! / track.timescale;
    this._drop(from, to);
    let place = this.held.length;
    while (place && this.held[place - 1]![0] > from) place--;
    this.held.splice(place, 0, [from, to, track]);
    this._spans = null;
  }

  private _drop(from: number, to: number): void {
    const rest: typeof this.held = [];
    for (const [start, end, track] of this.held) {
      if (start < from - 1e-6) rest.push([start, Math.min(end, from), track]);
      if (end > to + 1e-6) rest.push([Math.max(start, to), end, track]);
    }
    this.held = rest;
    this._spans = null;
  }

  private _work(work: () => void): void {
    if (this.updating) throw new DOMException("", "InvalidStateError");
    this.updating = true;
    after(APPEND_MS, () => {
      this.updating = false;
      try {
        work();
      } catch (error) {
        village.faults.push(error as Error);
        this.dispatchEvent(new Event("error"));
      }
      this.dispatchEvent(new Event("updateend"));
    });
  }
}

class Source extends EventTarget {
  readyState = "closed";
  duration = NaN;
  readonly sourceBuffers: Buffer[] = [];

  static isTypeSupported(): boolean {
    return true;
  }

  addSourceBuffer(): Buffer {
    const made = new Buffer();
    this.sourceBuffers.push(made);
    return made;
  }

  endOfStream(): void {
    this.readyState = "ended";
  }
}

const TICK_MS = 40;
/** So much of both must be held before a clock that stood goes on. */
const ENOUGH_S = 0.2;

/** A video element. Its clock stands where sound or picture is missing, and it keeps a record of that. */
class Video extends EventTarget {
  paused = true;
  seeking = false;
  readyState = 0;
  /** Second of the village at which the clock first ran. */
  beganS: number | null = null;
  /** For how long the clock stood after that, and where: what was missing, at which second of the lesson and of the village. */
  stoodS = 0;
  readonly stalls: string[] = [];
  /** Seconds that were seen of each track of picture. */
  readonly seenS = new Map<string, number>();
  private _source: Source | null = null;
  private _time = 0;
  private _isStanding = true;

  constructor() {
    super();
    every(TICK_MS, () => this._tick());
  }

  set src(address: string) {
    const source = (this._source = sources.get(address)!);
    after(1, () => {
      source.readyState = "open";
      source.dispatchEvent(new Event("sourceopen"));
    });
  }

  get buffered(): Ranges {
    return this._source && this._source.sourceBuffers[0] ? this._source.sourceBuffers[0].buffered : new Ranges([]);
  }

  get currentTime(): number {
    return this._time;
  }

  set currentTime(time: number) {
    this._time = time;
    this.seeking = true;
    after(1, () => this.dispatchEvent(new Event("seeking")));
  }

  play(): Promise<void> {
    this.paused = false;
    return Promise.resolve();
  }

  /** Seconds held of picture and of sound. */
  reserves(): number[] {
    return this._source ? this._source.sourceBuffers.map((buffer) => buffer.end(this._time) - this._time) : [];
  }

  private _tick(): void {
    const reserves = this.reserves();
    if (!this._source || !reserves.length) return;
    const isAtEnd = this._time >= this._source.duration - 0.1;
    const isEnough = isAtEnd || Math.min(...reserves) > (this._isStanding ? ENOUGH_S : TICK_MS / 1000);
    this.readyState = isEnough ? 4 : 1;
    if (isEnough && this.seeking) {
      this.seeking = false;
      this.dispatchEvent(new Event("seeked"));
    }
    if (this.paused || isAtEnd) return;
    if (isEnough) this._run();
    else this._stand(reserves);
  }

  private _run(): void {
    if (this._isStanding) this.dispatchEvent(new Event("playing"));
    this._isStanding = false;
    if (this.beganS === null) this.beganS = now() / 1000;
    this._time += TICK_MS / 1000;
    for (const [from, to, { kind, name }] of this._source!.sourceBuffers[0]!.held)
      if (kind === "video" && from <= this._time && this._time < to) this.seenS.set(name, (this.seenS.get(name) || 0) + TICK_MS / 1000);
  }

  private _stand([picture, sound = Infinity]: number[]): void {
    if (this.beganS !== null) this.stoodS += TICK_MS / 1000;
    if (this._isStanding) return;
    this._isStanding = true;
    this.stalls.push(`${picture! < sound ? "picture" : "sound"} at ${this._time.toFixed(1)} s, ${(now() / 1000).toFixed(1)} s of the line`);
    this.dispatchEvent(new Event("waiting"));
  }
}

const sources = new Map<string, Source>();

// What page.ts finds: always the element of this run.
const element = new Proxy({}, {
  get: (_nothing, name) => {
    const member = Reflect.get(village.video, name, village.video) as unknown;
    return typeof member === "function" ? (member as () => void).bind(village.video) : member;
  },
  set: (_nothing, name, value) => Reflect.set(village.video, name, value, village.video),
});

Object.assign(globalThis, {
  document: { getElementById: () => ({ querySelector: () => element }) },
  window: Object.assign(new EventTarget(), { MediaSource: Source }),
  MediaSource: Source,
  fetch: (url: string, how: object) => village.box.fetch(url, how),
  setTimeout: (act: () => void, ms: number) => after(ms, act),
  clearTimeout: forget,
  setInterval: (act: () => void, ms: number) => every(ms, act),
  clearInterval: (one: ReturnType<typeof every>) => one.stop(),
});
Object.defineProperty(globalThis, "performance", { value: { now } });
Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true }); // Node has one of its own only from 21 on
URL.createObjectURL = (source: unknown) => {
  const address = `blob:${sources.size}`;
  sources.set(address, source as Source);
  return address;
};
URL.revokeObjectURL = (address: string) => void sources.delete(address);
