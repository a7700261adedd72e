// Joins the page's video element, a session, the stills and the controls. One lesson, one page.

import { choicesOf, type Choice } from "./choices.js";
import { Controls } from "./controls.js";
import type { Lesson } from "./lesson.js";
import { Session } from "./session.js";
import { Stills } from "./stills.js";
import { playable, Tables } from "./tables.js";
import { say } from "./words.js";

export class Player {
  private readonly tables: Tables;
  private readonly stills: Stills;
  private readonly controls: Controls;
  private readonly choices: Choice[];
  private choice: string;
  private session: Session | null = null;
  private online = true;
  private failed = false;

  constructor(
    private readonly frame: HTMLElement,
    private readonly video: HTMLVideoElement,
    private readonly lesson: Lesson,
  ) {
    const { videos, audios } = playable(lesson.index);
    this.tables = new Tables(lesson);
    this.choices = choicesOf(lesson, videos, audios);
    this.choice = this.choices[0] ? this.choices[0].name : "stills";
    this.controls = new Controls(frame, video, lesson, this.choices, {
      toggle: () => this.toggle(),
      seek: (seconds) => this.seek(seconds),
      choose: (name) => this.choose(name),
    });
    this.stills = new Stills(lesson, () => this.tables.index, this.controls.still);
    this.controls.position(lesson.resume_ms / 1000);
    video.controls = false;
    video.removeAttribute("src");
    video.removeAttribute("poster");
    this.listen();
    frame.setAttribute("data-player", "ready");
  }

  /** The hash of the track that plays, for the journal. */
  part(): string | null {
    const track = this.session && this.session.playing();
    return track ? track.sha256 : null;
  }

  private get pictures(): boolean {
    return this.choice !== "stills";
  }

  private start(seconds: number): void {
    this.failed = false;
    if (this.session) this.session.stop();
    const report = {
      connected: (yes: boolean): void => {
        this.online = yes;
        this.tell();
      },
      failed: (status: number): void => this.fail(status),
    };
    this.session = new Session(this.video, this.lesson, this.tables, seconds, this.pictures, report);
    this.session.pin(this.choice === "auto" ? null : this.choice);
  }

  private toggle(): void {
    const { video } = this;
    if (!video.paused) {
      video.pause();
      return;
    }
    if (!this.session) this.start(this.controls.shown());
    else if (video.ended) video.currentTime = 0;
    this.play();
  }

  private play(): void {
    // Refused only without a person's gesture, or when a newer source takes over: the button then still says 'play'.
    this.video.play().catch((error: Error) => {
      if (error.name !== "AbortError" && error.name !== "NotAllowedError") console.error(error);
    });
  }

  private seek(seconds: number): void {
    const to = Math.max(0, Math.min(seconds, this.lesson.duration_ms / 1000 - 0.1));
    this.controls.position(to);
    if (this.session) this.video.currentTime = to;
    else this.stills.show(to * 1000, false);
  }

  private choose(name: string): void {
    const before = this.pictures;
    this.choice = name;
    if (!this.session) return;
    if (before === this.pictures) {
      this.session.pin(name === "auto" ? null : name);
      return;
    }
    const { currentTime, paused, playbackRate } = this.video;
    this.stills.show(currentTime * 1000, false);
    this.start(currentTime);
    this.video.playbackRate = playbackRate;
    if (!paused) this.play();
  }

  private listen(): void {
    const { video } = this;
    const live = (): void => {
      if (this.pictures) this.stills.hide();
      this.tell();
    };
    video.addEventListener("seeking", () => {
      const here = video.currentTime;
      if (!this.session || !this.session.holds(here)) this.stills.show(here * 1000, false);
      this.tell();
    });
    video.addEventListener("seeked", live);
    video.addEventListener("playing", live);
    video.addEventListener("timeupdate", () => {
      if (!this.pictures) this.stills.show(video.currentTime * 1000, true);
      if (!video.seeking) this.controls.position(video.currentTime);
      this.tell();
    });
    video.addEventListener("waiting", () => this.tell());
    video.addEventListener("progress", () => this.tell());
    video.addEventListener("error", () => {
      if (this.session && video.error) this.fail(0);
    });
  }

  /** The honest state in one line: what is missing, and how quickly it comes. */
  private tell(): void {
    const { video, session } = this;
    if (this.failed) return;
    const waits = session && !video.paused && video.readyState < 3 && !video.ended;
    const rate = session && session.rate.bps();
    if (!this.online) this.controls.tell(say(this.lesson.words, "no_connection"));
    else if (waits) this.controls.tell(say(this.lesson.words, "loading", { rate: String(Math.round((rate || 0) / 8000)) }));
    else this.controls.tell("");
  }

  private fail(status: number): void {
    if (this.session) this.session.stop();
    this.session = null;
    this.failed = true;
    this.video.pause();
    const key = status === 401 || status === 403 ? "sign_in_again" : status ? "gone" : "cannot_play";
    this.controls.tell(say(this.lesson.words, key));
    this.frame.setAttribute("data-player", "failed");
  }
}
