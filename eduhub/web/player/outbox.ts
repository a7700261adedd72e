// Events kept in the browser until the box says that it has them on its disk. Each lies under its own key, with
// the token of the child who made it: two tabs cannot overwrite each other, and the next child on a shared phone
// neither loses nor inherits anything. Must not know what an event means.

import { isFinal } from "./fetching.js";

export interface Sendable {
  uid: string;
}

interface Letter {
  url: string;
  token: string;
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

/** Events of one child for one address. */
interface Batch {
  url: string;
  token: string;
  events: Sendable[];
}

interface Answer {
  accepted?: string[];
  refused?: Sendable[];
}

const PREFIX = "eduhub.event.";
const BATCH = 100;
/** A refused event is offered again by this many page loads, in case the box was at fault; then it goes. */
const REFUSALS = 5;

export class Outbox {
  private _busy: Promise<void> | null = null;
  private readonly _refusedHere = new Set<string>();
  /** Events that the full or forbidden storage did not take: at least this page can still send them. */
  private readonly _loose = new Map<string, Letter>();

  constructor(
    private readonly _shelf: Shelf | null,
    private readonly _post: Post,
  ) {}

  put(url: string, token: string, event: Sendable): void {
    this._store({ url, token, event, refusals: 0 });
  }

  /** Every event that waits, one batch for each address and token, oldest first. */
  batches(): Batch[] {
    const batches = new Map<string, Batch>();
    for (const { url, token, event } of this._letters()) {
      if (this._refusedHere.has(event.uid)) continue;
      const name = url + " " + token;
      const batch = batches.get(name) || { url, token, events: [] };
      if (batch.events.length < BATCH) batch.events.push(event);
      batches.set(name, batch);
    }
    return Array.from(batches.values());
  }

  /** Sends until nothing waits that could be sent now. Never rejects: what was not answered stays. */
  flush(): Promise<void> {
    const free = (): void => {
      this._busy = null;
    };
    return (this._busy = this._busy || this._sendAll().then(free));
  }

  private async _sendAll(): Promise<void> {
    for (;;) {
      let settled = 0;
      for (const batch of this.batches()) settled += await this._send(batch);
      if (!settled) return;
    }
  }

  /** Gives how many events are settled, one way or the other. */
  private async _send({ url, token, events }: Batch): Promise<number> {
    let said: Answer = {};
    try {
      const { status, json } = await this._post(url, JSON.stringify({ token, events }));
      if (status < 300) said = (json || {}) as Answer;
      else if (isFinal(status) && status !== 404) said = { refused: events };
    } catch {
      return 0; // no connection: they stay, and the next flush offers them again
    }
    const { accepted = [], refused = [] } = said;
    const taken = events.filter(({ uid }) => accepted.includes(uid));
    const back = events.filter(({ uid }) => refused.some((one) => one.uid === uid));
    taken.forEach(({ uid }) => this._drop(uid));
    back.forEach(({ uid }) => this._refuse(uid));
    return taken.length + back.length;
  }

  private _refuse(uid: string): void {
    this._refusedHere.add(uid);
    const letter = this._read(PREFIX + uid);
    if (letter && letter.refusals + 1 < REFUSALS) this._store({ ...letter, refusals: letter.refusals + 1 });
    else this._drop(uid);
  }

  private _store(letter: Letter): void {
    const key = PREFIX + letter.event.uid;
    try {
      this._shelf!.setItem(key, JSON.stringify(letter)); // throws when the shelf is full, or when there is none
    } catch {
      this._loose.set(key, letter);
    }
  }

  private _drop(uid: string): void {
    this._loose.delete(PREFIX + uid);
    if (this._shelf) this._shelf.removeItem(PREFIX + uid);
  }

  private _read(key: string): Letter | null {
    const text = this._shelf && this._shelf.getItem(key);
    return text ? (JSON.parse(text) as Letter) : this._loose.get(key) || null;
  }

  private _letters(): Letter[] {
    const keys = Array.from(this._loose.keys());
    for (let i = 0; this._shelf && i < this._shelf.length; i++) keys.push(this._shelf.key(i)!);
    return keys
      .filter((key) => key.startsWith(PREFIX))
      .sort()
      .map((key) => this._read(key))
      .filter((letter): letter is Letter => letter !== null);
  }
}
