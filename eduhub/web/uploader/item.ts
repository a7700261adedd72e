// One file on its way: the early look, then the sending, and what the row shows of it.

import type { Sentences } from "./answers.js";
import type { Link } from "./link.js";
import { lookAt, TOO_SMALL_TO_LOOK } from "./look.js";
import { Meter } from "./pace.js";
import type { Row } from "./row.js";
import { type Ending, Sending } from "./sending.js";
import { type Known, knownBy, metadata, type Session, type Target } from "./session.js";
import { percent, type Words } from "./telling.js";
import { say } from "../player/words.js";

const MANY_FAILURES = 10;
const SHOW_RATE_FROM = 0.01;

export class Item {
  duration_s: number | null = null;
  onRate: (bytesPerS: number, left: number) => void = () => undefined;
  private sending: Sending | null = null;
  private readonly meter: Meter;
  private readonly cancelLook = new AbortController();
  private known: Known | null = null;
  private done = 0;
  private told = -1; // the tenth that was read out last
  private held = false; // something else uses the line
  private resume: () => void = () => undefined;
  private readonly listener = { paused: () => this.follow(), goesOn: () => this.follow(), anew: () => this.sending?.again() };

  constructor(private readonly words: Words, readonly file: File, readonly target: Target, private readonly link: Link, private readonly row: Row) {
    this.meter = new Meter(link.expected());
    row.pause.addEventListener("click", () => (link.paused ? link.goOn() : link.pause(null)));
  }

  /** Looks and sends; resolves with the ending, which the row shows already. */
  async run(): Promise<Ending> {
    this.link.listeners.add(this.listener);
    const known = (this.known = await knownBy(this.file).catch(() => null));
    if (!known) return this.end({ how: "refused", why: { ...NOTHING, happened: say(this.words, "unreadable") } });
    this.done = this.target.session ? this.target.session.offset : 0;
    this.show();
    this.follow();
    while (this.link.paused && !this.cancelLook.signal.aborted) await new Promise<void>((resolve) => (this.resume = resolve));
    if (!this.done && this.file.size > TOO_SMALL_TO_LOOK) {
      this.row.state(say(this.words, "looking"));
      const look = await lookAt(this.file, this.target, this.cancelLook.signal);
      if (look.refused) return this.end({ how: "refused", why: look.refused });
      this.duration_s = look.duration_s;
      if (look.sent) {
        this.link.pace.leaves(look.sent, Date.now());
        this.onRate(this.link.belowCeiling((look.sent * 1000) / Math.max(look.ms, 1)), this.file.size);
      }
    }
    if (this.cancelLook.signal.aborted) return this.end({ how: "stopped" });
    this.sending = new Sending(this.file, this.target, metadata(known, this.file.type), this.link.pace, this.meter, {
      progress: (bytes) => this.moved(bytes), going: () => this.going(), failed: (why, failures, answered) => this.failed(why, failures, answered),
    });
    this.follow();
    return this.end(await this.sending.run());
  }

  /** Lets something else use the line, or takes it back. */
  hold(held: boolean): void {
    this.held = held;
    this.follow();
  }

  stop(): void {
    this.cancelLook.abort();
    this.resume();
    this.sending?.stop();
  }

  /** What the server has of it by now, as far as is known here; null when nothing. */
  session(): Session | null {
    const { file, known } = this;
    const offset = this.sending ? this.sending.offset : 0;
    if (!known || !offset) return this.target.session;
    return { offset, length: file.size, name: known.name, modified_ms: known.modified_ms, sample: known.sample, days: this.target.keep_days };
  }

  private follow(): void {
    const { pause } = this.row;
    pause.textContent = say(this.words, this.link.paused ? "go_on" : "pause");
    this.told = -1;
    if (!this.link.paused) this.resume();
    if (this.link.paused || this.held) {
      this.sending?.pause();
      this.row.state(this.link.paused ? this.link.pausedWords() : say(this.words, "light_first"));
    } else if (this.sending) {
      this.row.state(say(this.words, "sending"));
      this.sending.goOn();
    }
  }

  private moved(bytes: number): void {
    this.done = bytes;
    this.show();
  }

  private going(): void {
    const tenth = Math.floor(percent(this.done, this.file.size) / 10);
    if (tenth !== this.told && !this.link.paused && !this.held) {
      this.told = tenth;
      this.row.state(tenth ? say(this.words, "sending_tenth", { n: String(tenth * 10) }) : say(this.words, "sending"));
    }
    const rate = this.meter.rate();
    if (this.done > this.file.size * SHOW_RATE_FROM) this.link.measured(rate);
    this.onRate(this.link.belowCeiling(rate), this.file.size - this.done);
  }

  private failed(why: Sentences, failures: number, answered: boolean): void {
    if (this.link.paused || this.held) return;
    this.told = -1;
    const happened = why.happened || say(this.words, answered ? "busy" : "no_answer");
    const more = failures >= MANY_FAILURES ? " " + say(this.words, "load_again") : "";
    this.row.state(happened + " " + say(this.words, "goes_on") + more);
    this.show();
  }

  private show(): void {
    this.row.progress(this.done, this.sending ? this.link.belowCeiling(this.meter.rate()) : 0);
  }

  private end(ending: Ending): Ending {
    this.link.listeners.delete(this.listener);
    if (ending.how === "refused") this.row.wrong(ending.why);
    else if (ending.how === "gone") this.row.wrong({ ...NOTHING, happened: say(this.words, "gone") });
    else if (ending.how === "done") {
      this.row.ended();
      this.row.state(say(this.words, "arrived"));
    }
    return ending;
  }
}

const NOTHING: Sentences = { code: "", happened: "", kept: "", next_step: "" };
