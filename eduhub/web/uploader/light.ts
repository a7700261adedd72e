// The offer of a light copy: made while the file itself is on its way already, then sent before the rest of it. Nothing here
// stops the file: what fails is said and forgotten.

import type { Item } from "./item.js";
import type { Made } from "./light-copy.js";
import type { Link } from "./link.js";
import { Meter } from "./pace.js";
import type { Row } from "./row.js";
import { drop, Sending } from "./sending.js";
import { metadata, type Target } from "./session.js";
import { duration, percent, size, type Words } from "./telling.js";
import { say } from "../player/words.js";

/** What the page says of it: where a second file is announced, and the bundle that makes one. */
export interface LightData {
  announce: string;
  script: string;
}

type Maker = { make(file: File, progress: (done: number) => void, cancel: AbortSignal): Promise<Made> };

const WORTH_IT_S = 600;
const BYTES_PER_S = 13_000; // 80 + 24 kbit/s

export class Light {
  private readonly box: HTMLInputElement;
  private readonly bar: HTMLProgressElement;
  private running: AbortController | null = null;

  constructor(
    private readonly words: Words,
    private readonly data: LightData,
    private readonly item: Item,
    private readonly row: Row,
    private readonly link: Link,
    private readonly announce: (address: string) => Promise<Target>,
  ) {
    this.box = row.part("light").querySelector("input")!;
    this.bar = row.part("light").querySelector("progress")!;
    this.box.addEventListener("change", () => (this.box.checked ? void this.begin() : this.cancel()));
  }

  /** Shows the offer as soon as the file would be under way for long. */
  consider(bytesPerS: number, left: number): void {
    const canEncode = "VideoEncoder" in window || "AudioEncoder" in window; // only on pages over TLS
    if (this.running || !canEncode || !bytesPerS || left / bytesPerS < WORTH_IT_S) return;
    const { duration_s } = this.item;
    const bytes = (duration_s || 0) * BYTES_PER_S;
    this.row.part("light-size").textContent = duration_s
      ? say(this.words, "light_size", { size: size(this.words, bytes), time: duration(this.words, bytes / bytesPerS) }) : "";
    this.row.part("light").hidden = false;
  }

  cancel(): void {
    if (this.running) this.running.abort();
  }

  private async begin(): Promise<void> {
    const running = (this.running = new AbortController());
    this.bar.hidden = false;
    try {
      this.say(say(this.words, "light_loading"));
      const { make } = (await import(this.data.script)) as Maker;
      let told = -1;
      const made = await make(this.item.file, (done) => {
        this.bar.value = done;
        const tenth = Math.floor(done * 10);
        if (tenth !== told) this.say(say(this.words, "light_making", { n: String((told = tenth) * 10) }));
      }, running.signal);
      if (running.signal.aborted) throw new Error("cancelled");
      await this.send(made, running.signal);
      this.say(say(this.words, made.soundOnly ? "light_sound_arrived" : "light_arrived"));
      this.box.disabled = true;
    } catch {
      this.say(running.signal.aborted ? "" : say(this.words, "light_failed"));
      this.box.checked = false;
      this.running = null;
    } finally {
      this.bar.hidden = true;
    }
  }

  private async send(made: Made, cancel: AbortSignal): Promise<void> {
    let target = await this.announce(this.data.announce);
    if (target.session) {
      await drop(target); // an earlier copy: each one is made anew, so its bytes are of no use
      target = { ...target, session: null };
    }
    const meter = new Meter(this.link.expected());
    const tags = metadata({ name: made.name, size: made.blob.size, modified_ms: this.item.file.lastModified, sample: null }, made.type);
    const sending = new Sending(made.blob, target, tags, this.link.pace, meter, {
      progress: (bytes) => {
        this.bar.value = bytes / made.blob.size;
        this.say(say(this.words, "light_sending", { n: String(percent(bytes, made.blob.size)), size: size(this.words, made.blob.size) }));
      },
      going: () => undefined, failed: () => undefined,
    });
    const listener = { paused: () => sending.pause(), goesOn: () => sending.goOn(), anew: () => sending.again() };
    const stop = (): void => sending.stop();
    cancel.addEventListener("abort", stop);
    this.link.listeners.add(listener);
    this.item.hold(true);
    if (this.link.paused) sending.pause();
    try {
      const ending = await sending.run();
      if (ending.how !== "done") throw new Error(ending.how);
    } finally {
      this.link.listeners.delete(listener);
      this.item.hold(false);
    }
  }

  private say(text: string): void {
    const part = this.row.part("light-state");
    if (part.textContent !== text) part.textContent = text;
  }
}
