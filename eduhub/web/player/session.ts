// One MediaSource from its start to its end: fills it with what the schedule asks for, while the page plays it.
// The shell around schedule.ts; must not know the page's controls.

import { TrackBuffer } from "./buffer.js";
import { Refused, read, readWhole } from "./fetching.js";
import { endOf, isEntry, type Layout } from "./layout.js";
import type { Lesson, Track } from "./lesson.js";
import { Rate } from "./rate.js";
import { chooseRung, nextAudio, nextVideo, runsShort, stillUseful, SOON_S, type Want } from "./schedule.js";
import { Slicer } from "./slicer.js";
import { playable, type Tables } from "./tables.js";

export interface Report {
  /** The link delivers, or it is being tried again. */
  connected(yes: boolean): void;
  /** Nothing more will come: an HTTP status, or 0 when the browser could not use the bytes. */
  failed(status: number): void;
}

/** One track's side of the session. */
interface Stream {
  buffer: TrackBuffer;
  layout: Layout;
  /** The track whose init segment the buffer was given last. */
  initOf: string | null;
  /** The chunk that would continue the last append. */
  follows: number | null;
  running: AbortController | null;
}

const TICK_MS = 250;
/** So many whole chunks may wait for the buffer before reading pauses. */
const BACKLOG = 40;

export class Session {
  readonly rate = new Rate();
  private readonly stopped = new AbortController();
  private readonly source = new MediaSource();
  private readonly timer: number;
  private rungs: Layout[] = [];
  private rung = 0;
  private pinned: string | null = null;
  private video: Stream | null = null;
  private audio: Stream | null = null;

  /** Begins to fill `element` from its `startS`; `withPicture` false: sound alone. Bytes flow at once. */
  constructor(
    private readonly element: HTMLVideoElement,
    private readonly lesson: Lesson,
    private readonly tables: Tables,
    private readonly startS: number,
    private readonly withPicture: boolean,
    private readonly report: Report,
  ) {
    this.timer = window.setInterval(() => {
      this.nudge();
      this.pump();
    }, TICK_MS);
    const address = URL.createObjectURL(this.source);
    this.source.addEventListener("sourceopen", () => {
      URL.revokeObjectURL(address);
      this.open();
    }, { once: true });
    element.src = address;
    element.addEventListener("seeking", this.onSeeking);
    element.addEventListener("waiting", this.onWaiting);
  }

  stop(): void {
    clearInterval(this.timer);
    this.element.removeEventListener("seeking", this.onSeeking);
    this.element.removeEventListener("waiting", this.onWaiting);
    this.stopped.abort();
    for (const stream of this.streams()) if (stream.running) stream.running.abort();
  }

  /** The track whose picture (or sound alone) plays now. */
  playing(): Track | null {
    const stream = this.video || this.audio;
    return stream && stream.layout.track;
  }

  /** Whether everything that plays at `time` is held. */
  holds(time: number): boolean {
    return this.streams().every((stream) => stream.buffer.book.end(time) !== null);
  }

  /** Pins a video rung by name, or null to follow the link; what is held a few seconds on is fetched anew. */
  pin(name: string | null): void {
    this.pinned = name;
    const video = this.video;
    const wanted = this.rungs.findIndex((layout) => layout.track.name === name);
    if (!video || wanted < 0 || wanted === this.rung) return;
    this.switchTo(video, wanted);
    const soon = this.element.currentTime + SOON_S;
    const key = video.layout.keys.map((i) => video.layout.starts[i]!).find((start) => start >= soon);
    if (key === undefined) return;
    video.buffer.remove(key, Infinity).then(() => this.pump(), this.broke);
  }

  private streams(): Stream[] {
    return [this.video, this.audio].filter((stream): stream is Stream => stream !== null);
  }

  private readonly broke = (error: unknown): void => {
    if (this.stopped.signal.aborted || (error as Error).name === "AbortError") return;
    console.error(error);
    this.report.failed(error instanceof Refused ? error.status : 0);
  };

  private open(): void {
    if (this.stopped.signal.aborted) return;
    try {
      this.source.duration = this.tables.index.duration_ms / 1000;
      const { videos, audios } = playable(this.tables.index);
      this.rungs = this.withPicture ? videos.map((track) => this.tables.layout(track)) : [];
      if (this.rungs[0]) this.video = this.stream(this.rungs[0]);
      if (audios[0]) this.audio = this.stream(this.tables.layout(audios[0]));
    } catch (error) {
      this.broke(error);
      return;
    }
    if (this.startS > 0) this.element.currentTime = this.startS;
    this.pump();
  }

  private stream(layout: Layout): Stream {
    const added = this.source.addSourceBuffer(layout.track.type);
    const buffer = new TrackBuffer(added, () => this.element.currentTime, this.stopped.signal);
    return { buffer, layout, initOf: null, follows: null, running: null };
  }

  /** Starts every request that the schedule asks for and that does not run yet. */
  private pump(): void {
    if (this.stopped.signal.aborted || this.source.readyState === "closed") return;
    const now = this.element.currentTime;
    if (this.streams().some((stream) => runsShort(stream.layout, now))) this.completeTables();
    const { video, audio } = this;
    if (audio && !audio.running) {
      this.begin(audio, nextAudio(audio.layout, audio.buffer.book, now, audio.follows, this.pictureEnd(now)));
    }
    if (video && !video.running) this.begin(video, nextVideo(video.layout, video.buffer.book, now, video.follows));
    this.endIfWhole(now);
  }

  /** How far the picture reaches; null when there is none, or when all of it is here. */
  private pictureEnd(now: number): number | null {
    const { video } = this;
    const end = video && video.buffer.book.end(now);
    if (!video || (end !== null && this.atEnd(video, end))) return null;
    return end === null ? now : end;
  }

  private begin(stream: Stream, want: Want | null): void {
    if (!want) return;
    const running = (stream.running = new AbortController());
    this.run(stream, want, running.signal)
      .catch((error) => this.lost(stream, error))
      .then(() => {
        if (stream.running === running) stream.running = null;
        this.pump();
      })
      .catch(this.broke);
  }

  private async run(stream: Stream, want: Want, signal: AbortSignal): Promise<void> {
    const { layout, buffer, layout: { track } } = stream;
    const url = this.lesson.base + track.sha256;
    const slicer = new Slicer(layout.offsets, want.first);
    stream.follows = null;
    if (stream.initOf !== track.name) {
      const init = await this.initOf(track, url, signal);
      await buffer.init(init, track.type, -track.priming_ticks / track.timescale);
      stream.initOf = track.name;
    }
    // Bytes are read as soon as they are there, not when the buffer has room: a cut loses what nobody has read yet.
    let appended = Promise.resolve();
    let waiting = 0;
    const take = async (bytes: Uint8Array): Promise<void> => {
      this.rate.got(bytes.length, performance.now());
      for (const { chunk, bytes: whole } of slicer.push(bytes)) {
        waiting++;
        appended = appended.then(async () => {
          waiting--;
          if (signal.aborted) return;
          await buffer.append(whole, layout.starts[chunk]!, layout.starts[chunk + 1]!);
          stream.follows = chunk + 1;
          if (!signal.aborted) this.arrived(stream, chunk + 1);
        });
        appended.catch(() => stream.running && stream.running.abort()); // and awaited below
      }
      if (waiting > BACKLOG) await appended;
    };
    await read({
      url,
      signal,
      take,
      position: () => slicer.position(),
      end: layout.offsets[want.last]!,
      flowing: (yes) => (yes ? this.rate.begin(performance.now()) : this.rate.end(performance.now())),
      connected: (yes) => this.report.connected(yes),
    }).catch((error) => appended.then(() => Promise.reject(error)));
    await appended;
  }

  /** A chunk is in: start what else is due; end this request where it has nothing more to bring. */
  private arrived(stream: Stream, next: number): void {
    this.nudge();
    if (stream === this.video && this.audio && !this.audio.running) this.pump();
    const here = stream.layout.starts[next]!;
    const held = stream.buffer.book.end(here);
    if (held !== null && held > here + SOON_S) {
      if (stream.running) stream.running.abort(); // the gap is filled
    } else if (stream === this.video && next < stream.layout.chunks && isEntry(stream.layout, next)) {
      const rung = this.decide(here - this.element.currentTime);
      if (rung !== this.rung) this.switchTo(stream, rung);
    }
  }

  private decide(reserve: number): number {
    const pinned = this.rungs.findIndex((layout) => layout.track.name === this.pinned);
    if (pinned >= 0) return pinned;
    const audioBps = this.audio ? this.audio.layout.track.bandwidth_bps : 0;
    return chooseRung(this.rungs.map((layout) => layout.track.bandwidth_bps), this.rung, { rate: this.rate.bps(), reserve, audioBps });
  }

  private switchTo(video: Stream, rung: number): void {
    this.rung = rung;
    video.layout = this.rungs[rung]!;
    video.follows = null;
    if (video.running) video.running.abort();
  }

  /** A request ended badly: a rung that the box does not hold is left out, anything else ends playing. */
  private lost(stream: Stream, error: unknown): void {
    if ((error as Error).name === "AbortError") return;
    const gone = error instanceof Refused && (error.status === 404 || error.status === 410);
    if (!gone || stream !== this.video || this.rungs.length < 2) throw error;
    this.rungs.splice(this.rungs.indexOf(stream.layout), 1);
    this.switchTo(stream, Math.max(0, Math.min(this.rung - 1, this.rungs.length - 1)));
  }

  private async initOf(track: Track, url: string, signal: AbortSignal): Promise<Uint8Array> {
    const inline = this.lesson.init[track.name];
    if (inline) return Uint8Array.from(atob(inline), (letter) => letter.charCodeAt(0));
    return readWhole(url, 0, track.init_bytes, signal);
  }

  private completeTables(): void {
    const came = (): void => {
      this.rungs = this.rungs.map((layout) => this.tables.renewed(layout));
      if (this.audio) this.audio.layout = this.tables.renewed(this.audio.layout);
      if (this.video) this.video.layout = this.rungs[this.rung]!;
      this.pump();
    };
    this.tables.complete(this.stopped.signal, came, this.broke);
  }

  private atEnd(stream: Stream, end: number): boolean {
    return stream.layout.whole && end >= endOf(stream.layout) - 0.1;
  }

  private endIfWhole(now: number): void {
    if (this.source.readyState !== "open") return;
    const all = this.streams().every((stream) => {
      const end = stream.buffer.book.end(Math.min(now, endOf(stream.layout) - 0.2));
      return !stream.running && end !== null && this.atEnd(stream, end);
    });
    const updating = Array.from(this.source.sourceBuffers).some((buffer) => buffer.updating);
    if (all && !updating) this.source.endOfStream();
  }

  private readonly onSeeking = (): void => {
    const now = this.element.currentTime;
    for (const stream of this.streams()) {
      stream.buffer.reconcile();
      if (!stream.running) continue;
      const { follows, layout, buffer } = stream;
      const arriving = follows === null ? null : layout.starts[follows]!;
      if (!stillUseful(arriving, buffer.book.end(now), now)) stream.running.abort();
    }
    this.pump();
  };

  private readonly onWaiting = (): void => {
    if (!this.element.seeking) for (const stream of this.streams()) stream.buffer.reconcile();
    this.pump();
  };

  /** A track may start a frame late: step over a hole of less than half a second. */
  private nudge(): void {
    const { buffered, currentTime, readyState } = this.element;
    if (readyState > 2 || this.element.error) return;
    for (let i = 0; i < buffered.length; i++) {
      const late = buffered.start(i) - currentTime;
      if (late > 0 && late < 0.5 && (i === 0 || buffered.end(i - 1) <= currentTime + 0.01))
        this.element.currentTime = buffered.start(i) + 0.001;
    }
  }
}
