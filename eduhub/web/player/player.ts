// Joins the page's video element, a session, the stills and the controls. One lesson, one page.

import { choicesOf } from "./choices.js";
import { Controls, type Asks } from "./controls.js";
import type { Lesson } from "./lesson.js";
import { on } from "./listen.js";
import { Session, type Report } from "./session.js";
import { Stills } from "./stills.js";
import type { Tables } from "./tables.js";

export class Player implements Asks, Report {
  private readonly _stills: Stills;
  private readonly _controls: Controls;
  private _choice: string;
  private _session: Session | null = null;
  private _online = true;
  private _failed = false;

  constructor(
    private readonly _frame: HTMLElement,
    private readonly _video: HTMLVideoElement,
    private readonly _lesson: Lesson,
    private readonly _tables: Tables,
  ) {
    const choices = choicesOf(_lesson, _tables);
    this._choice = choices[0]!.name;
    this._controls = new Controls(_frame, _video, _lesson, choices, this);
    this._stills = new Stills(_lesson, _tables, this._controls.still);
    this._controls.position(_lesson.resume_ms / 1000);
    _video.controls = false;
    _video.removeAttribute("src");
    _video.removeAttribute("poster");
    this._listen();
    _frame.dataset.player = "ready";
  }

  /** The hash of the track that plays, for the journal. */
  part(): string | null {
    return this._session && this._session.part();
  }

  toggle(): void {
    const video = this._video;
    if (!video.paused) {
      video.pause();
      return;
    }
    if (!this._session) this._start(this._controls.shown());
    else if (video.ended) video.currentTime = 0;
    this._play();
  }

  seek(seconds: number): void {
    const to = Math.max(0, Math.min(seconds, this._lesson.duration_ms / 1000 - 0.1));
    this._controls.position(to);
    if (this._session) this._video.currentTime = to;
    else this._stills.show(to);
  }

  choose(name: string): void {
    const before = this._pictures();
    this._choice = name;
    if (!this._session) return;
    if (before === this._pictures()) {
      this._session.pin(name);
      return;
    }
    const { currentTime, paused, playbackRate } = this._video;
    this._stills.show(currentTime);
    this._start(currentTime);
    this._video.playbackRate = playbackRate;
    if (!paused) this._play();
  }

  connected(yes: boolean): void {
    this._online = yes;
    this._tell();
  }

  failed(status: number): void {
    if (this._session) this._session.stop();
    this._session = null;
    this._failed = true;
    this._video.pause();
    this._controls.tell(status === 401 || status === 403 ? "sign_in_again" : status ? "gone" : "cannot_play");
    this._frame.dataset.player = "failed";
  }

  private _pictures(): boolean {
    return this._choice !== "stills";
  }

  private _start(seconds: number): void {
    this._failed = false;
    if (this._session) this._session.stop();
    this._session = new Session(this._video, this._lesson, this._tables, seconds, this._pictures(), this);
    this._session.pin(this._choice);
  }

  private _play(): void {
    // Refused only without a person's gesture, or when a newer source takes over: the button then still says 'play'.
    this._video.play().catch((error) => console.warn(error));
  }

  private _listen(): void {
    const video = this._video;
    on(video, "seeking", () => {
      if (!this._session || !this._session.holds(video.currentTime)) this._stills.show(video.currentTime);
    });
    on(video, "seeked playing", () => {
      if (this._pictures()) this._stills.hide();
    });
    on(video, "timeupdate", () => {
      if (!this._pictures()) this._stills.show(video.currentTime, true);
      if (!video.seeking) this._controls.position(video.currentTime);
    });
    on(video, "seeking seeked playing timeupdate waiting progress", () => this._tell());
    on(video, "error", () => {
      if (this._session && video.error) this.failed(0);
    });
  }

  /** The honest state in one line: what is missing, and how quickly it comes. */
  private _tell(): void {
    const { paused, ended, readyState } = this._video;
    if (this._failed) return;
    if (!this._online) this._controls.tell("no_connection");
    else if (this._session && !paused && !ended && readyState < 3) {
      const rate = this._session.rate.bps() || 0;
      this._controls.tell("loading", { rate: String(Math.round(rate / 8000)) });
    } else this._controls.tell("");
  }
}
