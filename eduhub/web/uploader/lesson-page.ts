// The page of one lesson: one file, which goes on where it was, and the offer of a light copy.

import { Chooser } from "./chooser.js";
import { Item } from "./item.js";
import { Light } from "./light.js";
import type { Link } from "./link.js";
import { absolute, announce, type LessonPage } from "./page.js";
import { Row } from "./row.js";
import { drop } from "./sending.js";
import { isSame, knownBy } from "./session.js";
import { percent, size } from "./telling.js";
import { say } from "../player/words.js";

export class LessonUpload {
  private readonly chooser: Chooser;
  private readonly rows = document.getElementById("upload-rows")!;
  private readonly waiting = document.getElementById("upload-waiting")!;
  private target;

  constructor(private readonly data: LessonPage, private readonly link: Link, form: HTMLFormElement) {
    this.target = absolute(data.target);
    this.chooser = new Chooser(form, (files) => void this.chosen(files[0]!));
    this.waiting.querySelector("button")!.addEventListener("click", () => void this.startAnew());
    this.showWaiting();
  }

  /** What is half there, or nothing. */
  private showWaiting(): void {
    const { session } = this.target;
    this.waiting.hidden = !session || session.offset === 0;
    if (!session) return;
    const places = {
      n: String(percent(session.offset, session.length || 0)), name: session.name, size: size(this.data.words, session.length || 0),
      days: String(session.days),
    };
    this.waiting.querySelector("[data-part=text]")!.textContent = say(this.data.words, "half_there", places);
    this.waiting.querySelector("[data-part=other]")!.textContent = "";
  }

  private async chosen(file: File): Promise<void> {
    const { session, limit_bytes } = this.target;
    const other = this.waiting.querySelector("[data-part=other]")!;
    if (file.size > limit_bytes) return this.refuse(file, say(this.data.words, "too_large", { size: size(this.data.words, limit_bytes) }));
    if (file.size === 0) return this.refuse(file, say(this.data.words, "empty"));
    const known = await knownBy(file).catch(() => null);
    if (session && session.offset > 0 && known && !isSame(session, known)) {
      other.textContent = say(this.data.words, "another_file", { name: file.name });
      return;
    }
    if (session && session.offset === 0 && known && !isSame(session, known) && !(await drop(this.target))) return;
    await this.send(file);
  }

  private async send(file: File): Promise<void> {
    const row = new Row(this.data.words, file.name, file.size);
    this.rows.textContent = "";
    this.rows.appendChild(row.element);
    this.chooser.form.hidden = this.waiting.hidden = true;
    const item = new Item(this.data.words, file, this.target, this.link, row);
    const light = this.data.light && new Light(this.data.words, this.data.light, item, row, this.link, async (address) => (await announce(address)).target);
    if (light) {
      item.onRate = (rate, left) => light.consider(rate, left);
      light.consider(this.link.expected(), file.size);
    }
    row.drop.addEventListener("click", () => item.stop());
    const ending = await item.run();
    if (light) light.cancel();
    if (ending.how === "done") return location.assign(this.data.after);
    this.target = { ...this.target, session: ending.how === "gone" ? null : item.session() };
    if (ending.how === "stopped") this.rows.textContent = ""; // else what went wrong stays to be read
    this.open();
  }

  /** Gives up what has arrived. */
  private async startAnew(): Promise<void> {
    if (await drop(this.target)) this.target = { ...this.target, session: null };
    this.open();
  }

  private open(): void {
    this.chooser.form.hidden = false;
    this.showWaiting();
    this.chooser.field.focus();
  }

  private refuse(file: File, happened: string): void {
    const row = new Row(this.data.words, file.name, file.size);
    this.rows.textContent = "";
    this.rows.appendChild(row.element);
    row.wrong({ code: "", happened, kept: "", next_step: "" });
  }
}
