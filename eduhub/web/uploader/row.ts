// One file on the page: its name, how far it is, what happens, what went wrong, and its buttons. Only shows; decides nothing.

import type { Sentences } from "./answers.js";
import { amount, percent, size, type Words } from "./telling.js";
import { say } from "../player/words.js";

/** Reads what the template `upload-row` holds. */
export class Row {
  readonly element: HTMLElement;
  readonly pause: HTMLButtonElement;
  readonly drop: HTMLButtonElement;
  private readonly bar: HTMLProgressElement;

  constructor(private readonly words: Words, name: string, private readonly bytes: number) {
    const template = document.getElementById("upload-row") as HTMLTemplateElement;
    this.element = (template.content.cloneNode(true) as DocumentFragment).querySelector<HTMLElement>(".sending")!;
    this.pause = this.part("pause") as HTMLButtonElement;
    this.drop = this.part("drop") as HTMLButtonElement;
    this.bar = this.element.querySelector("progress")!;
    this.bar.setAttribute("aria-label", name);
    this.write("name", name);
    this.write("size", size(words, bytes));
  }

  part(name: string): HTMLElement {
    return this.element.querySelector<HTMLElement>(`[data-part="${name}"]`)!;
  }

  /** What happens now; read out by screen readers when it changes. */
  state(text: string): void {
    this.write("state", text);
  }

  progress(done: number, bytesPerS: number): void {
    this.bar.value = this.bytes ? done / this.bytes : 0;
    this.write("amount", amount(this.words, done, this.bytes, bytesPerS));
    this.write("close", say(this.words, "may_close", { n: String(percent(done, this.bytes)) }));
  }

  /** It ends here: the sentences stand in the place of buttons and bar. */
  wrong(why: Sentences): void {
    const lines = [why.happened, why.kept, why.next_step].filter((text) => text);
    const box = this.part("wrong");
    box.textContent = "";
    for (const line of lines.length ? lines : [say(this.words, "cannot")]) box.appendChild(document.createElement("p")).textContent = line;
    box.hidden = false;
    this.ended();
  }

  /** Nothing moves any more. */
  ended(): void {
    for (const name of ["acts", "close", "light", "amount"]) this.part(name).hidden = true;
    this.bar.hidden = true;
    this.state("");
  }

  private write(name: string, text: string): void {
    const part = this.part(name);
    if (part.textContent !== text) part.textContent = text;
  }
}
