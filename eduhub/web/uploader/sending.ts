// Sends one file to its session with tus-js-client, and never gives up by itself: whatever breaks is tried again at the byte
// that the server has. The client's own retries are off, since they would start anew at byte 0 on some answers to HEAD.
// Knows nothing of the page.

import { type DetailedError, type HttpRequest, Upload } from "tus-js-client";
import { meaning, type Sentences, sentences } from "./answers.js";
import { backOff, type Meter, nextPortion, type Pace, patience } from "./pace.js";
import type { Target } from "./session.js";

/** How it ended; `stopped` by us (drop), `gone` on the server, `refused` with the server's reasons. */
export type Ending = { how: "done" | "gone" | "stopped" } | { how: "refused"; why: Sentences };

export interface Watcher {
  /** Bytes that have arrived or are on their way. */
  progress(bytes: number): void;
  /** Bytes go again after `failed` was told. */
  going(): void;
  /** It is tried again soon; `answered` is false when no answer came at all. */
  failed(why: Sentences, failures: number, answered: boolean): void;
}

type Attempt = { how: "done" } | { how: "moved" } | { how: "failed"; status: number; body: string; creating: boolean };

const LOOK_EVERY_MS = 1000;

export class Sending {
  offset = 0;
  private stopped = false;
  private paused = false;
  private there: boolean; // whether the server is known to have a session
  private portion = 0;
  private end: ((attempt: Attempt) => void) | null = null; // of the attempt that runs
  private wake: (() => void) | null = null; // ends a wait

  constructor(
    private readonly file: File | Blob,
    private readonly target: Target,
    private readonly metadata: Record<string, string>,
    private readonly pace: Pace,
    private readonly meter: Meter,
    private readonly watcher: Watcher,
  ) {
    this.there = target.session !== null;
    this.offset = target.session ? target.session.offset : 0;
  }

  /** Sends until there is an ending; resolves with it and never rejects. */
  async run(): Promise<Ending> {
    let failures = 0;
    let sure = this.there;
    while (!this.stopped) {
      while (this.paused && !this.stopped) await this.sleep(Infinity);
      if (this.stopped) break;
      const before = this.offset;
      const attempt = await this.attempt();
      if (attempt.how === "done") return { how: "done" };
      if (attempt.how === "moved") continue;
      const why = sentences(attempt.body);
      const what = meaning(attempt.status, why.code);
      if (what === "refused") return { how: "refused", why };
      if (what === "gone" || (what === "missing" && sure)) return { how: "gone" };
      if (what === "missing" && !attempt.creating) {
        this.there = false; // never begun: begin
        if (failures === 0) continue;
      } else this.there = true; // a creation whose answer was lost may have taken place: ask first
      failures = this.offset > before ? 1 : failures + 1;
      sure = sure || this.offset > 0;
      this.watcher.failed(why, failures, attempt.status !== 0);
      await this.sleep(backOff(failures, Math.random()));
      await this.online();
    }
    return { how: "stopped" };
  }

  pause(): void {
    this.paused = true;
    this.again();
  }

  goOn(): void {
    this.paused = false;
    if (this.wake) this.wake();
  }

  /** Leaves the connection there is, if any, and begins anew at the byte that the server has: the network or the ceiling changed. */
  again(): void {
    if (this.end) this.end({ how: "moved" });
    else if (this.wake && !this.paused) this.wake();
  }

  stop(): void {
    this.stopped = true;
    if (this.end) this.end({ how: "moved" });
    if (this.wake) this.wake();
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms < Infinity ? setTimeout(() => this.wake && this.wake(), ms) : 0;
      this.wake = () => {
        clearTimeout(timer);
        this.wake = null;
        resolve();
      };
    });
  }

  private async online(): Promise<void> {
    while (typeof navigator !== "undefined" && navigator.onLine === false && !this.stopped && !this.paused) await this.sleep(30_000);
  }

  /** One run of the client: HEAD (or the creation), then portions until it is through or something breaks. */
  private attempt(): Promise<Attempt> {
    return new Promise((resolve) => {
      let alive = Date.now();
      let waiting = false;
      let over = false;
      let begun = false;
      let sent = 0; // what the browser took: more than has left, by the size of its buffers
      let portionBegan = alive;
      this.meter.reset();
      this.portion = nextPortion(0, this.meter.rate(), this.pace.kbits);
      const upload = new Upload(this.file, {
        ...(this.there ? { uploadUrl: this.target.url } : { endpoint: this.target.endpoint }),
        headers: { Authorization: "EduHub-Intent " + this.target.token, Accept: "application/json" },
        metadata: this.metadata,
        chunkSize: this.portion,
        retryDelays: null as unknown as number[], // "no retries", which its types leave out
        storeFingerprintForResuming: false,
        fingerprint: () => Promise.resolve(""),
        onUploadUrlAvailable: () => {
          this.there = true;
        },
        onBeforeRequest: async (request: HttpRequest) => {
          if (request.getMethod() === "PATCH") {
            waiting = true;
            await this.turn(() => over);
            waiting = false;
          }
          alive = portionBegan = Date.now();
          if (over) await new Promise(() => undefined); // given up while it waited: this request must never leave
        },
        onProgress: (taken) => {
          alive = Date.now();
          sent = taken;
          if (!begun) {
            begun = true; // what HEAD told
            this.offset = taken;
            this.meter.note(taken, alive);
            this.watcher.progress(taken);
          }
        },
        onChunkComplete: (_, accepted) => {
          alive = Date.now();
          this.offset = accepted;
          this.meter.note(accepted, alive);
          this.portion = nextPortion(this.portion, this.meter.rate(), this.pace.kbits, this.pace.wait(alive) === 0);
          upload.options.chunkSize = this.portion;
          this.watcher.progress(accepted);
          this.watcher.going();
        },
        onSuccess: () => finish({ how: "done" }),
        onError: (error) => finish(failure(error)),
      });
      const look = setInterval(() => {
        const likely = this.offset + (this.meter.rate() * (Date.now() - portionBegan)) / 1000;
        if (!waiting && begun) this.watcher.progress(Math.min(sent, this.offset + this.portion, likely));
        if (!waiting && Date.now() - alive > patience(this.portion, this.meter.rate())) finish({ how: "failed", status: 0, body: "", creating: false });
      }, LOOK_EVERY_MS);
      const finish = (attempt: Attempt): void => {
        if (over) return;
        over = true;
        clearInterval(look);
        this.end = null;
        void upload.abort();
        resolve(attempt);
      };
      this.end = finish;
      upload.start();
    });
  }

  /** Waits until the ceiling lets the next portion go. */
  private async turn(over: () => boolean): Promise<void> {
    for (let wait = this.pace.wait(Date.now()); wait > 0 && !over(); wait = this.pace.wait(Date.now()))
      await new Promise((resolve) => setTimeout(resolve, Math.min(wait, 500)));
    if (!over()) this.pace.leaves(Math.min(this.portion, this.file.size - this.offset), Date.now());
  }
}

function failure(error: Error | DetailedError): Attempt {
  const request = "originalRequest" in error ? error.originalRequest : null;
  const response = "originalResponse" in error ? error.originalResponse : null;
  return {
    how: "failed", status: response ? response.getStatus() : 0, body: response ? response.getBody() : "",
    creating: request !== null && request.getMethod() === "POST",
  };
}

/** Gives up what has arrived of a file. True when the server has nothing of it any more. */
export async function drop(target: Target): Promise<boolean> {
  try {
    const answer = await fetch(target.url, {
      method: "DELETE", credentials: "omit", headers: { Authorization: "EduHub-Intent " + target.token, "Tus-Resumable": "1.0.0", Accept: "application/json" },
    });
    return answer.status === 204 || answer.status === 404 || answer.status === 410;
  } catch {
    return false;
  }
}
