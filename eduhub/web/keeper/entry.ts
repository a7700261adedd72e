// One lesson that is kept or coming, with its row: goes on, stops, is removed, and says how it is.

import { Rate } from "../player/rate.js";
import { bytesHere, Damaged, isFull, Refused } from "./fetching.js";
import { goOn } from "./keeping.js";
import { Row } from "./row.js";
import type { Kept, State } from "./store.js";
import { write } from "./store.js";
import type { Say } from "./text.js";

/** What an entry asks of the page. */
export interface Page {
  words: Say;
  /** Something was kept or removed for good. */
  changed(): void;
  remove(entry: Entry): void;
  newer(entry: Entry): void;
}

const SHOW_MS = 250;

export class Entry {
  readonly row: Row;
  private _running: AbortController | null = null;
  private _here = 0;

  constructor(
    public kept: Kept,
    public state: State,
    private readonly _page: Page,
  ) {
    this.row = new Row(_page.words, kept, {
      go: () => void this.go(),
      stop: () => void this.stop(),
      newer: () => _page.newer(this),
      remove: () => _page.remove(this),
    });
  }

  /** Looks what is here, and shows it. */
  async show(): Promise<void> {
    this._here = this.state === "whole" ? 0 : await bytesHere(this.kept.parts);
    this.row.rest(this.kept, this.state, this._here);
    if (this.state === "coming" && this.kept.stopped) this.row.tell(this._page.words("paused"));
  }

  /** Fetches what is missing until all of it is here, or until it is stopped. Never rejects: it says what happened. */
  async go(): Promise<void> {
    if (this._running || this.state === "whole") return;
    const running = (this._running = new AbortController());
    this.row.tell("");
    await this._note(false);
    try {
      await this._inTurn(running.signal);
      this.state = "whole";
      this.row.tell("");
    } catch (error) {
      if (!running.signal.aborted) this.row.tell(this._page.words(why(error)), true);
    }
    this._running = null;
    await this.show();
    if (this.state === "whole") this._page.changed();
  }

  /** Stops for now; what is here stays. */
  async stop(): Promise<void> {
    this.halt();
    await this._note(true);
    this.row.tell(this._page.words("paused"));
  }

  /** Stops without a word. */
  halt(): void {
    if (this._running) this._running.abort();
  }

  private async _note(stopped: boolean): Promise<void> {
    this.kept = { ...this.kept, stopped };
    if (this.state === "coming") await write("coming", this.kept);
  }

  /** One lesson at a time, also where the page is open twice. */
  private async _inTurn(signal: AbortSignal): Promise<void> {
    const { locks } = navigator as Navigator & { locks?: LockManager };
    if (!locks) return this._fetch(signal);
    this.row.tell(this._page.words("another_tab"));
    await locks.request("eduhub-keeping", { signal }, () => this._fetch(signal));
  }

  private async _fetch(signal: AbortSignal): Promise<void> {
    this.row.tell("");
    const rate = new Rate();
    const show = (): void => this.row.runs(this.kept, this._here, rate.bps());
    const timer = setInterval(show, SHOW_MS);
    const report = {
      rate,
      reached: (bytes: number): void => void (this._here = bytes),
      connected: (yes: boolean): void => this.row.tell(yes ? "" : this._page.words("no_connection")),
    };
    show();
    try {
      await goOn(this.kept, report, signal);
    } finally {
      clearInterval(timer);
    }
  }
}

/** The key of the words that say what went wrong. */
export function why(error: unknown): string {
  if (isFull(error)) return "full";
  if (error instanceof Damaged) return "damaged";
  if (error instanceof Refused) return error.status === 404 ? "gone" : "sign_in_again";
  console.error(error);
  return "no_answer";
}
