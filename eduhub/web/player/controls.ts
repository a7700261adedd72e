// Buttons, slider, menus and keys. Shows and asks; decides nothing. The elements stand in the page, in a template.

import type { Choice } from "./choices.js";
import type { Lesson } from "./lesson.js";
import { on } from "./listen.js";
import { clock, megabytes, say } from "./words.js";

export interface Asks {
  toggle(): void;
  seek(seconds: number): void;
  choose(name: string): void;
}

/** Full screen as Chrome 70 and Safari spell it, too. */
type FullScreen = HTMLElement & { webkitRequestFullscreen?: () => void };
type FullScreenPage = Document & { webkitExitFullscreen?: () => void; webkitFullscreenElement?: Element | null };

export class Controls {
  readonly still: HTMLImageElement;
  private readonly _status: HTMLElement;
  private readonly _slider: HTMLInputElement;
  private readonly _speed: HTMLSelectElement;
  private _dragging = false;

  constructor(
    private readonly _frame: HTMLElement,
    private readonly _video: HTMLVideoElement,
    private readonly _lesson: Lesson,
    choices: Choice[],
    private readonly _asks: Asks,
  ) {
    const template = _frame.querySelector("template")!;
    template.replaceWith(template.content);
    this.still = this._find("still");
    this._status = this._find("status");
    this._slider = this._find("position");
    this._speed = this._find("speed");
    this._wireSlider();
    this._wireButtons(choices[0]!);
    this._wireMenus(choices);
    document.addEventListener("keydown", (event) => this._key(event));
  }

  /** The position that the slider shows, in seconds. */
  shown(): number {
    return Number(this._slider.value);
  }

  position(seconds: number): void {
    if (this._dragging) return;
    this._slider.value = String(seconds);
    this._label();
  }

  /** Says the text of `key` in the line under the picture; "" says nothing. */
  tell(key: string, places?: Record<string, string>): void {
    const text = key && this._say(key, places);
    if (this._status.textContent !== text) this._status.textContent = text;
  }

  private _find<T extends HTMLElement>(name: string): T {
    return this._frame.querySelector(".player-" + name) as T;
  }

  private _say(key: string, places?: Record<string, string>): string {
    return say(this._lesson.words, key, places);
  }

  private _label(): void {
    const time = clock(this.shown());
    const total = clock(this._lesson.duration_ms / 1000);
    this._find("time").textContent = time + " / " + total;
    this._slider.setAttribute("aria-valuetext", this._say("time_of", { time, total }));
  }

  private _wireSlider(): void {
    const slider = this._slider;
    slider.max = String(this._lesson.duration_ms / 1000);
    slider.oninput = () => {
      this._dragging = true;
      this._label();
    };
    slider.onchange = () => {
      this._dragging = false;
      this._asks.seek(this.shown());
    };
  }

  private _wireButtons(cheapest: Choice): void {
    const video = this._video;
    const frame: FullScreen = this._frame;
    const play = this._find("play");
    const big = this._find("big");
    const full = this._find("full");
    big.textContent = this._say("play_mb", { mb: megabytes(cheapest.bytes) });
    play.onclick = big.onclick = video.onclick = this.still.onclick = () => this._asks.toggle();
    const show = (): void => {
      const next = video.paused ? "play" : "pause";
      play.setAttribute("aria-label", this._say(next));
      play.dataset.icon = next;
      if (!video.paused) big.hidden = true;
    };
    on(video, "play pause", show);
    show();
    full.hidden = !frame.requestFullscreen && !frame.webkitRequestFullscreen; // an iPhone has neither
    full.onclick = () => this._fullScreen();
  }

  private _wireMenus(choices: Choice[]): void {
    const quality = this._find<HTMLSelectElement>("quality");
    for (const { name, height, bytes } of choices) {
      const choice = height ? height + "p" : this._say(name);
      quality.add(new Option(name === "auto" ? choice : this._say("choice_mb", { choice, mb: megabytes(bytes) }), name));
    }
    quality.hidden = choices.length < 2;
    quality.onchange = () => this._asks.choose(quality.value);
    this._speed.onchange = () => this._faster(0);
  }

  /** So many steps up the menu of speeds. */
  private _faster(steps: number): void {
    const { options, selectedIndex } = this._speed;
    const option = options[selectedIndex + steps];
    if (!option) return;
    option.selected = true;
    this._video.defaultPlaybackRate = this._video.playbackRate = Number(option.value);
  }

  private _fullScreen(): void {
    const page: FullScreenPage = document;
    const frame: FullScreen = this._frame;
    const open = page.fullscreenElement || page.webkitFullscreenElement;
    if (open) (page.exitFullscreen || page.webkitExitFullscreen)!.call(page);
    else (frame.requestFullscreen || frame.webkitRequestFullscreen)!.call(frame);
  }

  private _key(event: KeyboardEvent): void {
    const { tagName } = event.target as HTMLElement;
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(tagName) && event.target !== this._slider;
    const pressing = /^(BUTTON|A|SUMMARY)$/.test(tagName) && event.key === " "; // the browser does that
    if (typing || pressing || event.ctrlKey || event.altKey || event.metaKey) return;
    const toggle = (): void => this._asks.toggle();
    const by = (seconds: number) => (): void => this._asks.seek(this.shown() + seconds);
    const actions: Record<string, () => void> = {
      " ": toggle,
      k: toggle,
      j: by(-10),
      l: by(10),
      arrowleft: by(-5),
      arrowright: by(5),
      f: () => this._find("full").click(),
      "<": () => this._faster(-1),
      ">": () => this._faster(1),
    };
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  }
}
