// One MediaSource from its start to its end: fills it with what the schedule asks for, while the page plays it.
// The shell around schedule.ts; must not know the page's controls.

import { TrackBuffer } from "./buffer.js";
import { isAbort, Refused, read, readWhole } from "./fetching.js";
import { entryOf, keysOf, type Layout } from "./layout.js";
import type { Lesson, Track } from "./lesson.js";
import { on } from "./listen.js";
import { Rate } from "./rate.js";
import { chooseRung, isComplete, nextAudio, nextVideo, runsShort, stillUseful, SOON_S, type Want } from "./schedule.js";
import { Slicer } from "./slicer.js";
import type { Tables } from "./tables.js";

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
  _initOf: string | null;
  /** The chunk that would continue the last append. */
  _follows: number | null;
  _running: AbortController | null;
}

function cut({ _running: running }: Stream): void {
  if (running) running.abort();
}

const TICK_MS = 250;
/** So many whole chunks may wait for the buffer before reading pauses. */
const BACKLOG = 40;

export class Session {
  readonly rate = new Rate();
  private readonly _stopped = new AbortController();
  private readonly _source = new MediaSource();
  /** What ends with the session: its timer, and its listening to the element. */
  private readonly _ends: (() => void)[];
  private _rungs: Layout[] = [];
  private _rung = 0;
  private _pinned = "";
  private _video: Stream | undefined;
  private _audio: Stream | undefined;
  private readonly _streams: Stream[] = [];

  /** Begins to fill `element` from its `startS`; `withPicture` false: sound alone. Bytes flow at once. */
  constructor(
    private readonly _element: HTMLVideoElement,
    private readonly _lesson: Lesson,
    private readonly _tables: Tables,
    startS: number,
    withPicture: boolean,
    private readonly _report: Report,
  ) {
    const timer = setInterval(() => this._pump(), TICK_MS);
    const address = URL.createObjectURL(this._source);
    const opened = on(this._source, "sourceopen", () => {
      opened(); // it comes again after the end
      URL.revokeObjectURL(address);
      this._open(startS, withPicture);
    });
    _element.src = address;
    this._ends = [
      opened,
      () => clearInterval(timer),
      on(_element, "seeking", () => this._onSeeking()),
      on(_element, "waiting", () => this._onWaiting()),
    ];
  }

  stop(): void {
    this._ends.forEach((end) => end());
    this._stopped.abort();
    this._streams.forEach(cut);
  }

  /** The hash of the track whose picture (or sound alone) plays now. */
  part(): string | null {
    const [first] = this._streams;
    return first ? first.layout.track.sha256 : null;
  }

  /** Whether everything that plays at `time` is held. */
  holds(time: number): boolean {
    return this._streams.every((stream) => stream.buffer.book.end(time) !== null);
  }

  /** Pins a video rung by name; any other name follows the link. What is held a few seconds on is fetched anew. */
  pin(name: string): void {
    this._pinned = name;
    const video = this._video;
    const wanted = this._pinnedRung();
    if (!video || wanted < 0 || wanted === this._rung) return;
    this._switchTo(video, wanted);
    const soon = this._element.currentTime + SOON_S;
    const key = keysOf(video.layout).find((i) => video.layout.starts[i]! >= soon);
    if (key) video.buffer.remove(video.layout.starts[key]!, Infinity).then(() => this._pump(), this._broke);
  }

  private readonly _broke = (error: unknown): void => {
    if (this._stopped.signal.aborted || isAbort(error)) return;
    console.error(error);
    this._report.failed(error instanceof Refused ? error.status : 0);
  };

  private _open(startS: number, withPicture: boolean): void {
    try {
      this._source.duration = this._tables.index.duration_ms / 1000;
      const { videos, audios } = this._tables;
      this._rungs = withPicture ? videos.map((track) => this._tables.layout(track)) : [];
      if (this._rungs[0]) this._video = this._stream(this._rungs[0]);
      if (audios[0]) this._audio = this._stream(this._tables.layout(audios[0]));
      if (startS) this._element.currentTime = startS;
      this._pump();
    } catch (error) {
      this._broke(error);
    }
  }

  private _stream(layout: Layout): Stream {
    const added = this._source.addSourceBuffer(layout.track.type);
    const buffer = new TrackBuffer(added, () => this._element.currentTime, this._stopped.signal);
    const stream = { buffer, layout, _initOf: null, _follows: null, _running: null };
    this._streams.push(stream);
    return stream;
  }

  /** Starts every request that the schedule asks for and that does not run yet. */
  private _pump(): void {
    if (this._stopped.signal.aborted || this._source.readyState === "closed") return;
    this._nudge();
    const now = this._element.currentTime;
    if (this._streams.some((stream) => runsShort(stream.layout, now))) this._completeTables();
    const { _video: video, _audio: audio } = this;
    if (audio) this._begin(audio, nextAudio(audio.layout, audio.buffer.book, now, audio._follows, this._pictureEnd(now)));
    if (video) this._begin(video, nextVideo(video.layout, video.buffer.book, now, video._follows));
    this._endIfWhole(now);
  }

  /** How far the picture reaches; null when there is none, or when all of it is here. */
  private _pictureEnd(now: number): number | null {
    if (!this._video) return null;
    const { layout, buffer: { book } } = this._video;
    return isComplete(layout, book, now) ? null : book.end(now) || now;
  }

  private _begin(stream: Stream, want: Want | null): void {
    if (!want || stream._running) return;
    const running = (stream._running = new AbortController());
    this._run(stream, want, running.signal)
      .catch((error) => this._lost(stream, error))
      .then(() => {
        if (stream._running === running) stream._running = null;
        this._pump();
      })
      .catch(this._broke);
  }

  private async _run(stream: Stream, want: Want, signal: AbortSignal): Promise<void> {
    const { layout, buffer } = stream;
    const { track } = layout;
    const url = this._lesson.base + track.sha256;
    const slicer = new Slicer(layout.offsets, want.first);
    stream._follows = null;
    if (stream._initOf !== track.name) {
      const init = await this._initOf(track, url, signal);
      await buffer.init(init, track.type, -track.priming_ticks / track.timescale);
      stream._initOf = track.name;
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
          stream._follows = chunk + 1;
          if (!signal.aborted) this._arrived(stream, chunk + 1);
        });
        appended.catch(() => cut(stream)); // and awaited below
      }
      if (waiting > BACKLOG) await appended;
    };
    await read({
      url,
      signal,
      take,
      position: () => slicer.position(),
      end: layout.offsets[want.last]!,
      link: (state) => {
        if (state === "flows") this.rate.begin(performance.now());
        if (state === "ended") this.rate.end(performance.now());
        else this._report.connected(state === "flows");
      },
    }).catch((error) => appended.then(() => Promise.reject(error)));
    await appended;
  }

  /** A chunk is in: start what else is due; end this request where it has nothing more to bring. */
  private _arrived(stream: Stream, next: number): void {
    this._pump();
    const here = stream.layout.starts[next]!;
    const held = stream.buffer.book.end(here);
    if (held !== null && held > here + SOON_S) {
      cut(stream); // the gap is filled
    } else if (stream === this._video && next < stream.layout.chunks && entryOf(stream.layout, next) === next) {
      const rung = this._decide(here - this._element.currentTime);
      if (rung !== this._rung) this._switchTo(stream, rung);
    }
  }

  private _pinnedRung(): number {
    return this._rungs.findIndex(({ track }) => track.name === this._pinned);
  }

  private _decide(reserve: number): number {
    const pinned = this._pinnedRung();
    if (pinned >= 0) return pinned;
    const audioBps = this._audio ? this._audio.layout.track.bandwidth_bps : 0;
    const rungs = this._rungs.map(({ track }) => track.bandwidth_bps);
    return chooseRung(rungs, this._rung, { rate: this.rate.bps(), reserve, audioBps });
  }

  private _switchTo(video: Stream, rung: number): void {
    this._rung = rung;
    video.layout = this._rungs[rung]!;
    video._follows = null;
    cut(video);
  }

  /** A request ended badly: a rung that the box does not hold is left out, anything else ends playing. */
  private _lost(stream: Stream, error: unknown): void {
    if (isAbort(error)) return;
    const gone = error instanceof Refused && error.status === 404;
    if (!gone || stream !== this._video || this._rungs.length < 2) throw error;
    this._rungs.splice(this._rungs.indexOf(stream.layout), 1);
    this._switchTo(stream, Math.max(0, this._rung - 1));
  }

  private async _initOf(track: Track, url: string, signal: AbortSignal): Promise<Uint8Array> {
    const inline = this._lesson.init[track.name];
    if (inline) return Uint8Array.from(atob(inline), (letter) => letter.charCodeAt(0));
    return readWhole(url, 0, track.init_bytes, signal);
  }

  private _completeTables(): void {
    const came = (): void => {
      this._rungs = this._rungs.map((layout) => this._tables.layout(layout.track));
      if (this._audio) this._audio.layout = this._tables.layout(this._audio.layout.track);
      if (this._video) this._video.layout = this._rungs[this._rung]!;
      this._pump();
    };
    this._tables.complete(this._stopped.signal, came, this._broke);
  }

  private _endIfWhole(now: number): void {
    if (this._source.readyState !== "open") return;
    const all = this._streams.every(({ _running, layout, buffer }) => !_running && isComplete(layout, buffer.book, now));
    const updating = Array.from(this._source.sourceBuffers).some((buffer) => buffer.updating);
    if (all && !updating) this._source.endOfStream();
  }

  private _onSeeking(): void {
    const now = this._element.currentTime;
    for (const stream of this._streams) {
      const { _follows: follows, layout, buffer } = stream;
      buffer.reconcile();
      const arriving = follows === null ? null : layout.starts[follows]!;
      if (!stillUseful(arriving, buffer.book.end(now), now)) cut(stream);
    }
    this._pump();
  }

  private _onWaiting(): void {
    if (!this._element.seeking) for (const stream of this._streams) stream.buffer.reconcile();
    this._pump();
  }

  /** A track may start a frame late: step over a hole of less than half a second. */
  private _nudge(): void {
    const { buffered, currentTime, readyState } = this._element;
    if (readyState > 2) return;
    for (let i = 0; i < buffered.length; i++) {
      const start = buffered.start(i);
      if (start > currentTime && start < currentTime + 0.5) this._element.currentTime = start + 0.001;
    }
  }
}
