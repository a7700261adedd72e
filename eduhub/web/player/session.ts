// One MediaSource from its start to its end: fills it with what the schedule asks for, while the page plays it.
// The shell around schedule.ts; must not know the page's controls.

import { Bridge, type Piece } from "./bridge.js";
import { TrackBuffer } from "./buffer.js";
import { isAbort, LinkState, Refused, read, readWhole } from "./fetching.js";
import { chunkAt, entryOf, type Layout } from "./layout.js";
import { pictures, type Lesson, type Track } from "./lesson.js";
import { on } from "./listen.js";
import { video as element } from "./page.js";
import { Rate } from "./rate.js";
import { chooseRung, isComplete, nextAudio, nextVideo, startRung, stillUseful, wantsTables, SOON_S, type Want } from "./schedule.js";
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
  /** The chunk with which the request that runs begins. */
  _first: number;
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
  private _rungs: Track[] = [];
  private _rung = 0;
  private _video: Stream | undefined;
  private _audio: Stream | undefined;
  private readonly _streams: Stream[] = [];
  private readonly _bridge: Bridge;

  /** Begins to fill the page's element from `startS` with sound and `choice`: a rung by name, "auto", or no picture. Bytes flow at once. */
  constructor(
    private readonly _lesson: Lesson,
    private readonly _tables: Tables,
    startS: number,
    private readonly _choice: string,
    private readonly _sound: Track | undefined,
    private readonly _lastBps: number,
    private readonly _report: Report,
  ) {
    this._bridge = new Bridge(_lesson.duration_ms / 1000);
    const timer = setInterval(() => this._pump(), TICK_MS);
    const address = URL.createObjectURL(this._source);
    const opened = on(this._source, "sourceopen", () => {
      opened(); // it comes again after the end
      URL.revokeObjectURL(address);
      this._open(startS);
    });
    element.src = address;
    this._ends = [
      opened,
      () => clearInterval(timer),
      on(element, "seeking", () => this._onSeeking()),
      on(element, "waiting", () => this._onWaiting()),
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

  /** Whether a voice plays whose picture is still on its way. */
  bridged(): boolean {
    return this._bridge.open;
  }

  /** Whether everything that plays at `time` is held. */
  holds(time: number): boolean {
    return this._streams.every((stream) => stream.buffer.book.end(time) !== null);
  }

  private readonly _broke = (error: unknown): void => {
    if (this._stopped.signal.aborted || isAbort(error)) return;
    console.error(error);
    this._report.failed(error instanceof Refused ? error.status : 0);
  };

  private _open(startS: number): void {
    try {
      this._source.duration = this._tables.index.duration_ms / 1000;
      this._rungs = pictures(this._choice) ? this._tables.videos.slice() : [];
      const pinned = this._pinnedRung();
      this._rung = pinned < 0 ? startRung(this._rungs.map(({ bandwidth_bps }) => bandwidth_bps), this._lastBps) : pinned;
      const first = this._rungs[this._rung];
      if (first) this._video = this._stream(first);
      if (this._sound) this._audio = this._stream(this._sound);
      if (startS) element.currentTime = startS;
      this._pump();
    } catch (error) {
      this._broke(error);
    }
  }

  private _stream(track: Track): Stream {
    const buffer = new TrackBuffer(this._source.addSourceBuffer(track.type), this._stopped.signal);
    const stream = { buffer, layout: this._tables.layout(track), _initOf: null, _follows: null, _first: 0, _running: null };
    this._streams.push(stream);
    return stream;
  }

  /** Starts every request that the schedule asks for and that does not run yet. */
  private _pump(): void {
    if (this._stopped.signal.aborted || this._source.readyState === "closed") return;
    this._nudge();
    const now = element.currentTime;
    const [first] = this._streams;
    if (this._streams.some(({ layout }) => wantsTables(layout, first!.buffer.book, now)))
      this._tables.complete(this._stopped.signal, element.readyState < 3, this._tablesCame, this._broke);
    const { _video: video, _audio: audio } = this;
    if (audio) this._begin(audio, nextAudio(audio.layout, audio.buffer.book, now, audio._follows, this._pictureEnd(now)));
    const spoken = !audio || audio.buffer.book.end(now) !== null;
    if (video && spoken) this._bridge.fill(video.buffer, now);
    // After a seek the voice comes first, on its own.
    if (video && (spoken || !this._bridge.open))
      this._begin(video, nextVideo(video.layout, video.buffer.book, now, video._follows));
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
    stream._first = want.first;
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
      if (stream === this._video) this._bridge.reset();
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
          const piece: Piece = [whole, layout.starts[chunk]!, layout.starts[chunk + 1]!];
          if (stream === this._video) await this._bridge.put(buffer, piece, entryOf(layout, chunk) === chunk);
          else await buffer.append(...piece);
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
        if (state === LinkState.flows) this.rate.begin(performance.now());
        if (state === LinkState.ended) this.rate.end(performance.now());
        else this._report.connected(state === LinkState.flows);
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
      const rung = this._decide(here - element.currentTime);
      if (rung !== this._rung) this._switchTo(stream, rung);
    }
  }

  private _pinnedRung(): number {
    return this._rungs.findIndex(({ name }) => name === this._choice);
  }

  private _decide(reserve: number): number {
    const pinned = this._pinnedRung();
    if (pinned >= 0) return pinned;
    const audioBps = this._audio ? this._audio.layout.track.bandwidth_bps : 0;
    // A rung whose tables are still on their way cannot be climbed to.
    const known = this._rungs.filter((track, rung) => rung <= this._rung || this._tables.layout(track).chunks);
    const rungs = known.map(({ bandwidth_bps }) => bandwidth_bps);
    return chooseRung(rungs, this._rung, { rate: this.rate.bps(), reserve, audioBps });
  }

  private _switchTo(video: Stream, rung: number): void {
    this._rung = rung;
    video.layout = this._tables.layout(this._rungs[rung]!);
    video._follows = null;
    cut(video);
  }

  /** A request ended badly: a rung that the box does not hold is left out, anything else ends playing. */
  private _lost(stream: Stream, error: unknown): void {
    if (isAbort(error)) return;
    const gone = error instanceof Refused && error.status === 404;
    if (!gone || stream !== this._video || this._rungs.length < 2) throw error;
    this._rungs.splice(this._rung, 1);
    this._switchTo(stream, Math.max(0, this._rung - 1));
  }

  private async _initOf(track: Track, url: string, signal: AbortSignal): Promise<Uint8Array> {
    const inline = this._lesson.init[track.name];
    if (inline) return Uint8Array.from(atob(inline), (letter) => letter.charCodeAt(0));
    return readWhole(url, 0, track.init_bytes, signal);
  }

  private readonly _tablesCame = (): void => {
    for (const stream of this._streams) stream.layout = this._tables.layout(stream.layout.track);
    this._pump();
  };

  private _endIfWhole(now: number): void {
    if (this._source.readyState !== "open") return;
    const all = this._streams.every(({ _running, layout, buffer }) => !_running && isComplete(layout, buffer.book, now));
    const updating = Array.from(this._source.sourceBuffers).some((buffer) => buffer.updating);
    if (all && !updating) this._source.endOfStream();
  }

  private _onSeeking(): void {
    const now = element.currentTime;
    for (const stream of this._streams) {
      const { _follows: follows, _running: running, layout, buffer } = stream;
      buffer.reconcile();
      const arriving = follows === null ? null : layout.starts[follows]!;
      const heldTo = buffer.book.end(now);
      // What has just been asked for is not asked for again: playing that goes on where one was begins with a seek of its own.
      const asked = running && follows === null && entryOf(layout, chunkAt(layout, now)) === stream._first;
      const useful = asked || stillUseful(arriving, heldTo, now);
      if (!useful) cut(stream);
      if (stream !== this._video) continue;
      if (!useful && heldTo === null) stream._follows = null;
      if (this._audio) this._bridge.seek(buffer, heldTo !== null, useful);
    }
    this._pump();
  }

  private _onWaiting(): void {
    if (!element.seeking) for (const stream of this._streams) stream.buffer.reconcile();
    this._pump();
  }

  /** A track may start a frame late: step over a hole of less than half a second. */
  private _nudge(): void {
    const { buffered, currentTime, readyState } = element;
    if (readyState > 2) return;
    for (let i = 0; i < buffered.length; i++) {
      const start = buffered.start(i);
      if (start > currentTime && start < currentTime + 0.5) element.currentTime = start + 0.001;
    }
  }
}
