// One lesson in the list of what is kept: what it says, and its buttons. Shows and asks; decides nothing.

import type { Kept, State } from "./store.js";
import { bytesOf } from "./store.js";
import { left, mb, mbOf, titleOf, type Say } from "./text.js";

export interface Asks {
  go(): void;
  stop(): void;
  newer(): void;
  remove(): void;
}

export type Act = keyof Asks;

export class Row {
  readonly element: HTMLElement;

  constructor(
    private readonly _words: Say,
    kept: Kept,
    asks: Asks,
  ) {
    const template = document.getElementById("row") as HTMLTemplateElement;
    this.element = (template.content.cloneNode(true) as DocumentFragment).querySelector("li")!;
    const { lang, text } = titleOf(kept, document.documentElement.lang);
    const link = this._find<HTMLAnchorElement>("a");
    link.href = this._play.href = "/lessons/" + kept.lesson;
    link.lang = lang;
    link.textContent = text;
    for (const act of ["go", "stop", "newer", "remove"] as const) this.button(act).onclick = () => asks[act]();
  }

  private get _play(): HTMLAnchorElement {
    return this._find("[data-act=play]");
  }

  button(act: Act): HTMLButtonElement {
    return this._find(`[data-act=${act}]`);
  }

  /** The state of rest: whole, or so far. */
  rest(kept: Kept, state: State, here: number): void {
    const all = bytesOf(kept);
    const size = state === "whole" ? this._words("done", { mb: mb(all) }) : this._words("part_waits", { done: mbOf(here, all), mb: mb(all) });
    this._find(".meta").textContent = kept.choice_words + " · " + size;
    this._bar(state === "whole" ? null : here / all);
    this._buttons(state !== "whole", false);
    this._play.hidden = state !== "whole";
  }

  /** On its way: what is done, what is left, at what rate, until when. */
  runs(kept: Kept, here: number, bps: number | null): void {
    const all = bytesOf(kept);
    const rate = String(Math.round((bps || 0) / 8000));
    const text = this._words("part", { done: mbOf(here, all), mb: mb(all), rate, left: left(this._words, all - here, bps) });
    this._find(".meta").textContent = kept.choice_words + " · " + text;
    this._bar(here / all);
    this._buttons(false, true);
  }

  /** What there is to say, in words; "" says nothing. */
  tell(text: string, isWrong = false): void {
    const line = this._find("p");
    line.className = isWrong ? "wrong-why" : "hint";
    line.textContent = text;
    line.hidden = !text;
  }

  private _bar(share: number | null): void {
    const bar = this._find<HTMLProgressElement>("progress");
    bar.hidden = share === null;
    bar.value = share || 0;
  }

  private _buttons(go: boolean, stop: boolean): void {
    this.button("go").hidden = !go;
    this.button("stop").hidden = !stop;
  }

  private _find<T extends HTMLElement>(selector: string): T {
    return this.element.querySelector(selector) as T;
  }
}
