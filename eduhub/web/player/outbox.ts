// Events kept in the browser until the box says that it has them on its disk. Each lies under its own key, with
// the token of the child who made it: two tabs cannot overwrite each other, and the next child on a shared phone
// neither loses nor inherits anything. Must not know what an event means.

export interface Sendable {
  uid: string;
}

interface Letter {
  url: string;
  token: string | null;
  event: Sendable;
  refusals: number;
}

export interface Shelf {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Sends one batch; resolves to the answer's status and JSON, rejects when there is no connection. */
export type Post = (url: string, body: string) => Promise<{ status: number; json: unknown }>;

interface Answer {
  accepted?: string[];
  refused?: { uid: string }[];
}

const PREFIX = "eduhub.event.";
const BATCH = 100;
/** A refused event is offered again by this many page loads, in case the box was at fault; then it goes. */
const REFUSALS = 5;

export class Outbox {
  private busy: Promise<void> | null = null;
  private readonly refusedHere = new Set<string>();
  /** Events that the full or forbidden storage did not take: at least this page can still send them. */
  private readonly loose = new Map<string, Letter>();

  constructor(
    private readonly shelf: Shelf | null,
    private readonly post: Post,
  ) {}

  put(url: string, token: string | null, event: Sendable): void {
    this.store({ url, token, event, refusals: 0 });
  }

  /** Every event that waits, one batch for each address and token, oldest first. */
  batches(): { url: string; token: string | null; events: Sendable[] }[] {
    const groups = new Map<string, { url: string; token: string | null; events: Sendable[] }>();
    for (const { url, token, event } of this.letters()) {
      if (this.refusedHere.has(event.uid)) continue;
      const name = JSON.stringify([url, token]);
      const group = groups.get(name) || { url, token, events: [] };
      if (group.events.length < BATCH) group.events.push(event);
      groups.set(name, group);
    }
    return Array.from(groups.values());
  }

  /** Sends until nothing waits that could be sent now. Never rejects: what was not answered stays. */
  flush(): Promise<void> {
    if (!this.busy) {
      this.busy = this.sendAll().then(() => {
        this.busy = null;
      });
    }
    return this.busy;
  }

  private async sendAll(): Promise<void> {
    for (;;) {
      let moved = false;
      for (const batch of this.batches()) moved = (await this.send(batch.url, batch.token, batch.events)) || moved;
      if (!moved) return;
    }
  }

  /** True when at least one event is settled. */
  private async send(url: string, token: string | null, events: Sendable[]): Promise<boolean> {
    let answer: { status: number; json: unknown };
    try {
      answer = await this.post(url, JSON.stringify({ token, events }));
    } catch {
      return false; // no connection: they stay, and the next flush offers them again
    }
    const { status } = answer;
    const said = (answer.json || {}) as Answer;
    const whole = status >= 400 && status < 500 && status !== 404 && status !== 408 && status !== 429;
    const mine = events.map((event) => event.uid);
    const named = (uids: string[]): string[] => uids.filter((uid) => mine.includes(uid));
    const accepted = status < 300 ? named(said.accepted || []) : [];
    const refused = whole ? mine : status < 300 ? named((said.refused || []).map((one) => one.uid)) : [];
    accepted.forEach((uid) => this.drop(uid));
    refused.forEach((uid) => this.refuse(uid));
    return accepted.length + refused.length > 0;
  }

  private refuse(uid: string): void {
    this.refusedHere.add(uid);
    const letter = this.read(PREFIX + uid);
    if (!letter || letter.refusals + 1 >= REFUSALS) this.drop(uid);
    else this.store({ ...letter, refusals: letter.refusals + 1 });
  }

  private store(letter: Letter): void {
    const { uid } = letter.event;
    try {
      if (!this.shelf) throw new Error("no storage");
      this.shelf.setItem(PREFIX + uid, JSON.stringify(letter));
    } catch {
      this.loose.set(PREFIX + uid, letter);
    }
  }

  private drop(uid: string): void {
    this.loose.delete(PREFIX + uid);
    if (this.shelf) this.shelf.removeItem(PREFIX + uid);
  }

  private read(key: string): Letter | null {
    const text = this.shelf && this.shelf.getItem(key);
    return text ? (JSON.parse(text) as Letter) : this.loose.get(key) || null;
  }

  private letters(): Letter[] {
    const keys = Array.from(this.loose.keys());
    for (let i = 0; this.shelf && i < this.shelf.length; i++) {
      const key = this.shelf.key(i);
      if (key && key.startsWith(PREFIX)) keys.push(key);
    }
    return keys
      .sort()
      .map((key) => this.read(key))
      .filter((letter): letter is Letter => letter !== null);
  }
}
