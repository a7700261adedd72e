// What the teacher says about the line: the ceiling (kept in this browser), pause and go on, pause until an hour. And what the line
// itself says: it is back, it is another one. Whoever sends listens.

import { nextTime, Pace } from "./pace.js";
import { hour, type Words } from "./telling.js";
import { say } from "../player/words.js";

const CEILING = "eduhub-upload-ceiling";
const RATE = "eduhub-upload-rate";
const LOOK_EVERY_MS = 5000;

function kept(key: string): number {
  try {
    return Number(localStorage.getItem(key)) || 0;
  } catch {
    return 0; // a browser that keeps nothing
  }
}

function keep(key: string, value: number): void {
  try {
    localStorage.setItem(key, String(Math.round(value)));
  } catch {
    // it is asked again next time
  }
}

export interface Listener {
  paused(): void;
  goesOn(): void;
  /** Another network, or another ceiling: what is on its way belongs to the old one. */
  anew(): void;
}

export class Link {
  readonly pace: Pace;
  readonly listeners = new Set<Listener>();
  paused = false;
  private until: Date | null = null;

  constructor(private readonly words: Words, private readonly ceiling: HTMLSelectElement, private readonly hours: HTMLSelectElement) {
    this.pace = new Pace(kept(CEILING));
    this.showCeiling();
    ceiling.addEventListener("change", () => {
      this.pace.kbits = Number(ceiling.value);
      keep(CEILING, this.pace.kbits);
      this.tell((listener) => listener.anew());
    });
    hours.addEventListener("change", () => {
      if (hours.value === "") this.goOn();
      else this.pause(nextTime(Number(hours.value), new Date()));
    });
    const anew = (): void => this.tell((listener) => listener.anew());
    window.addEventListener("online", anew);
    (navigator as Navigator & { connection?: EventTarget }).connection?.addEventListener?.("change", anew);
    setInterval(() => this.until && new Date() >= this.until && this.goOn(), LOOK_EVERY_MS);
  }

  /** The rate that is expected before anything was measured: that of the last time; 0 when there was none. */
  expected(): number {
    return this.belowCeiling(kept(RATE));
  }

  /** What the ceiling leaves of a rate; 0 stays "not known" unless there is a ceiling. */
  belowCeiling(bytesPerS: number): number {
    const most = this.pace.kbits * 125;
    return most && (!bytesPerS || bytesPerS > most) ? most : bytesPerS;
  }

  /** A rate that the line itself gave, for the next time. */
  measured(bytesPerS: number): void {
    if (!this.pace.kbits && bytesPerS > 0) keep(RATE, bytesPerS);
  }

  pause(until: Date | null): void {
    this.until = until;
    this.paused = true;
    this.tell((listener) => listener.paused());
  }

  goOn(): void {
    this.until = null;
    this.paused = false;
    this.hours.value = "";
    this.tell((listener) => listener.goesOn());
  }

  /** "Paused", "Paused until 23:00" */
  pausedWords(): string {
    return this.until ? say(this.words, "paused_until", { time: hour(this.until) }) : say(this.words, "paused");
  }

  private tell(what: (listener: Listener) => void): void {
    this.listeners.forEach(what);
  }

  private showCeiling(): void {
    const value = String(this.pace.kbits);
    if (!Array.from(this.ceiling.options).some((option) => option.value === value)) this.pace.kbits = 0;
    this.ceiling.value = String(this.pace.kbits);
  }
}
