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

/** `localStorage`, as its keys and values; giving it a value throws when it is full. */
export interface Shelf {
  [key: string]: string;
}

/** Sends one batch; rejects when there is no connection. `json` is asked for a good answer only. */
export type Post = (url: string, body: string) => Promise<{ status: number; json(): Promise<unknown> }>;

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
  /** Events that the full storage did not take: at least this page can still send them. */
  private readonly _loose: Shelf = {};

  constructor(
    private readonly _shelf: Shelf,
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
    let settled = 0;
    try {
      const answer = await this._post(url, JSON.stringify({ token, events }));
      const { status } = answer;
      let said: Answer = {};
      if (status < 300) said = (await answer.json()) as Answer;
      else if (isFinal(status) && status !== 404) said = { refused: events };
      const { accepted = [], refused = [] } = said;
      for (const { uid } of events) {
        if (accepted.includes(uid)) this._drop(uid);
        else if (refused.some((one) => one.uid === uid)) this._refuse(uid);
        else continue;
        settled++;
      }
    } catch {
      // no connection, or a proxy that answers in HTML: they stay, and the next flush offers them again
    }
    return settled;
  }

  private _refuse(uid: string): void {
    this._refusedHere.add(uid);
    const text = this._shelf[PREFIX + uid];
    const letter = text && (JSON.parse(text) as Letter);
    if (letter && ++letter.refusals < REFUSALS) this._store(letter);
    else this._drop(uid);
  }

  private _store(letter: Letter): void {
    const key = PREFIX + letter.event.uid;
    const text = JSON.stringify(letter);
    try {
      this._shelf[key] = text;
    } catch {
      this._loose[key] = text;
    }
  }

  private _drop(uid: string): void {
    delete this._loose[PREFIX + uid];
    delete this._shelf[PREFIX + uid];
  }

  private _letters(): Letter[] {
    const all: Shelf = { ...this._shelf, ...this._loose };
    return Object.keys(all)
      .filter((key) => key.startsWith(PREFIX))
      .sort()
      .map((key) => JSON.parse(all[key]!) as Letter);
  }
}
