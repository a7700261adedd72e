// Buttons, slider, menus and keys. Shows and asks; decides nothing.

import type { Choice } from "./choices.js";
import type { Lesson } from "./lesson.js";
import { clock, megabytes, say } from "./words.js";

export interface Asks {
  toggle(): void;
  seek(seconds: number): void;
  choose(name: string): void;
}

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];

const MARKUP =
  '<img class="player-still" alt=""><button type="button" class="player-big"></button>' +
  '<p class="player-status" role="status"></p><div class="player-bar"><button type="button" class="player-play"></button>' +
  '<input type="range" class="player-position" min="0" step="any"><span class="player-time"></span>' +
  '<select class="player-quality"></select><select class="player-speed"></select>' +
  '<button type="button" class="player-full"></button></div>';

/** Full screen as Chrome 70 and Safari spell it, too. */
type FullScreen = HTMLElement & { webkitRequestFullscreen?: () => void };
type FullScreenPage = Document & { webkitExitFullscreen?: () => void; webkitFullscreenElement?: Element | null };

export class Controls {
  readonly still: HTMLImageElement;
  private readonly status: HTMLElement;
  private readonly slider: HTMLInputElement;
  private readonly speed: HTMLSelectElement;
  private dragging = false;

  constructor(
    private readonly frame: HTMLElement,
    private readonly video: HTMLVideoElement,
    private readonly lesson: Lesson,
    choices: Choice[],
    private readonly asks: Asks,
  ) {
    video.insertAdjacentHTML("afterend", MARKUP);
    this.still = this.find("still");
    this.status = this.find("status");
    this.slider = this.find("position");
    this.speed = this.find("speed");
    this.wireSlider();
    this.wireButtons(choices[0]);
    this.wireMenus(choices);
    document.addEventListener("keydown", (event) => this.key(event));
  }

  /** The position that the slider shows, in seconds. */
  shown(): number {
    return Number(this.slider.value);
  }

  position(seconds: number): void {
    if (this.dragging) return;
    this.slider.value = String(seconds);
    this.label();
  }

  tell(text: string): void {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  private find<T extends HTMLElement>(name: string): T {
    return this.frame.querySelector(".player-" + name) as T;
  }

  private say(key: string, places?: Record<string, string>): string {
    return say(this.lesson.words, key, places);
  }

  private name(element: Element, key: string): void {
    element.setAttribute("aria-label", this.say(key));
  }

  private label(): void {
    const places = { time: clock(this.shown()), total: clock(this.lesson.duration_ms / 1000) };
    this.find("time").textContent = places.time + " / " + places.total;
    this.slider.setAttribute("aria-valuetext", this.say("time_of", places));
  }

  private wireSlider(): void {
    const { slider } = this;
    this.name(slider, "position");
    slider.max = String(this.lesson.duration_ms / 1000);
    slider.oninput = () => {
      this.dragging = true;
      this.label();
    };
    slider.onchange = () => {
      this.dragging = false;
      this.asks.seek(this.shown());
    };
  }

  private wireButtons(cheapest: Choice | undefined): void {
    const { video, frame } = this;
    const play = this.find("play");
    const big = this.find("big");
    const full = this.find("full");
    big.textContent = cheapest ? this.say("play_mb", { mb: megabytes(cheapest.bytes) }) : this.say("play");
    play.onclick = big.onclick = video.onclick = this.still.onclick = () => this.asks.toggle();
    const show = (): void => {
      this.name(play, video.paused ? "play" : "pause");
      play.setAttribute("data-icon", video.paused ? "play" : "pause");
      if (!video.paused) big.hidden = true;
    };
    video.addEventListener("play", show);
    video.addEventListener("pause", show);
    show();
    this.name(full, "full_screen");
    full.hidden = !(frame.requestFullscreen || (frame as FullScreen).webkitRequestFullscreen);
    full.onclick = () => this.fullScreen();
  }

  private wireMenus(choices: Choice[]): void {
    const quality = this.find<HTMLSelectElement>("quality");
    this.name(quality, "quality");
    this.name(this.speed, "speed");
    for (const { name, height, bytes } of choices) {
      const choice = height ? height + "p" : this.say(name);
      const text = name === "auto" ? choice : this.say("choice_mb", { choice, mb: megabytes(bytes) });
      quality.add(new Option(text, name));
    }
    quality.hidden = choices.length < 2;
    quality.onchange = () => this.asks.choose(quality.value);
    for (const speed of SPEEDS) this.speed.add(new Option(speed + "×", String(speed)));
    this.speed.onchange = () => this.setSpeed(Number(this.speed.value));
    this.setSpeed(1);
  }

  private setSpeed(speed: number): void {
    this.video.defaultPlaybackRate = this.video.playbackRate = speed;
    this.speed.value = String(speed);
  }

  private faster(steps: number): void {
    const next = SPEEDS[SPEEDS.indexOf(this.video.playbackRate) + steps];
    if (next) this.setSpeed(next);
  }

  private fullScreen(): void {
    const page = document as FullScreenPage;
    const frame = this.frame as FullScreen;
    const open = page.fullscreenElement || page.webkitFullscreenElement;
    const [target, change] = open
      ? [page, page.exitFullscreen || page.webkitExitFullscreen]
      : [frame, frame.requestFullscreen || frame.webkitRequestFullscreen];
    if (change) change.call(target);
  }

  private key(event: KeyboardEvent): void {
    const { tagName } = event.target as HTMLElement;
    if (event.ctrlKey || event.altKey || event.metaKey || /^(TEXTAREA|SELECT)$/.test(tagName)) return;
    if (tagName === "INPUT" && event.target !== this.slider) return;
    if (event.key === " " && /^(BUTTON|A|SUMMARY)$/.test(tagName)) return; // the browser presses it
    const by = (seconds: number) => (): void => this.asks.seek(this.shown() + seconds);
    const actions: Record<string, () => void> = {
      " ": () => this.asks.toggle(),
      k: () => this.asks.toggle(),
      j: by(-10),
      l: by(10),
      arrowleft: by(-5),
      arrowright: by(5),
      f: () => this.fullScreen(),
      "<": () => this.faster(-1),
      ">": () => this.faster(1),
    };
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  }
}
