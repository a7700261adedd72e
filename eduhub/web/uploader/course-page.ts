// The page of a course: several files, one after the other, each a lesson of its own that is named like its file. A file that is half
// there already goes on in the lesson that it began.

import { sentences } from "./answers.js";
import { Chooser } from "./chooser.js";
import { Item } from "./item.js";
import type { Link } from "./link.js";
import { absolute, announce, type CoursePage, type Unfinished } from "./page.js";
import { Row } from "./row.js";
import { isSame, knownBy } from "./session.js";
import { size, titleOf } from "./telling.js";
import { say } from "../player/words.js";

interface Waiting {
  file: File;
  row: Row;
  item: Item | null;
  dropped: boolean;
}

export class CourseUpload {
  private readonly rows = document.getElementById("upload-rows")!;
  private readonly queue: Waiting[] = [];
  private working = false;

  constructor(private readonly data: CoursePage, private readonly link: Link, private readonly form: HTMLFormElement) {
    new Chooser(form, (files) => this.chosen(files));
  }

  private chosen(files: File[]): void {
    const { words } = this.data;
    for (const file of files) {
      const row = new Row(words, file.name, file.size);
      const waiting: Waiting = { file, row, item: null, dropped: false };
      this.rows.appendChild(row.element);
      row.pause.hidden = true;
      row.part("close").hidden = true;
      row.state(say(words, "waits"));
      row.drop.addEventListener("click", () => this.drop(waiting));
      const limit = this.data.limit_bytes;
      const wrong = file.size > limit ? say(words, "too_large", { size: size(words, limit) }) : file.size === 0 ? say(words, "empty") : "";
      if (wrong) row.wrong({ code: "", happened: wrong, kept: "", next_step: "" });
      else this.queue.push(waiting);
    }
    void this.work();
  }

  private drop(waiting: Waiting): void {
    waiting.dropped = true;
    if (waiting.item) waiting.item.stop();
    waiting.row.element.remove();
  }

  private async work(): Promise<void> {
    if (this.working) return;
    this.working = true;
    for (let next = this.queue.shift(); next; next = this.queue.shift()) if (!next.dropped) await this.send(next);
    this.working = false;
  }

  private async send(waiting: Waiting): Promise<void> {
    const { file, row } = waiting;
    const { words } = this.data;
    try {
      const lesson = (await this.begun(file)) || (await announce(this.data.announce, {
        title: titleOf(file.name), language: this.form.querySelector<HTMLSelectElement>("[name=language]")!.value,
      }));
      row.pause.hidden = false;
      row.part("close").hidden = false;
      waiting.item = new Item(words, file, lesson.target, this.link, row);
      const ending = await waiting.item.run();
      const session = waiting.item.session();
      if (ending.how === "stopped" && session) this.data.unfinished.push({ ...lesson, target: { ...lesson.target, session } });
      if (ending.how !== "done") return;
      const link = document.createElement("a");
      link.href = lesson.page;
      link.textContent = lesson.title;
      row.part("name").textContent = "";
      row.part("name").appendChild(link);
    } catch (error) {
      row.wrong(sentences(error instanceof Error ? error.message : ""));
    }
  }

  /** The lesson of which this file is half there; each is taken once. */
  private async begun(file: File): Promise<Unfinished | null> {
    const known = await knownBy(file).catch(() => null);
    const at = this.data.unfinished.findIndex(({ target }) => known && target.session && isSame(target.session, known));
    const [found] = at < 0 ? [] : this.data.unfinished.splice(at, 1);
    return found ? { ...found, target: absolute(found.target) } : null;
  }
}
