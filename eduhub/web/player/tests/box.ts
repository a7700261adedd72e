// The box of the tests' village: serves ranges of tracks over the line. Each chunk says in its first bytes which it is.

import type { Track } from "../lesson.js";
import { HEAD_BYTES, type Line } from "./line.js";

/** Which chunk these bytes are: -1 for the init segment; and of which of the tracks. */
export function marked(bytes: Uint8Array): { track: number; chunk: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { track: view.getUint8(0), chunk: view.getInt32(1) };
}

/** The bytes of a chunk, or of the init segment (-1). */
export function chunkBytes(track: number, chunk: number, size: number): Uint8Array {
  const made = new Uint8Array(size);
  const view = new DataView(made.buffer);
  view.setUint8(0, track);
  view.setInt32(1, chunk);
  return made;
}

function fileOf(track: Track, number: number): Uint8Array {
  const chunks = [track.init_bytes, ...track.chunk_bytes].map((size, place) => chunkBytes(number, place - 1, size));
  return new Uint8Array(Buffer.concat(chunks));
}

const TABLES_BYTES = 7000;

export class Box {
  private readonly _files = new Map<string, Uint8Array>();
  /** So many of the next requests for the tables get no answer. */
  silent = 0;

  /** Serves `tracks` under their hashes, and `tables` as JSON under any other address. */
  constructor(
    tracks: Track[],
    private readonly _tables: unknown,
    private readonly _line: Line,
  ) {
    tracks.forEach((track, number) => this._files.set(track.sha256, fileOf(track, number)));
  }

  /** What the browser's `fetch` does. */
  fetch(url: string, { headers = {}, signal }: { headers?: Record<string, string>; signal?: AbortSignal }): Promise<unknown> {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers["Range"] || "") || [];
    const file = this._files.get(url.split("/").pop()!);
    if (!file && this.silent > 0) {
      this.silent--;
      return new Promise(() => undefined);
    }
    const payload = file ? file.slice(Number(first), Number(last) + 1) : new Uint8Array(TABLES_BYTES);
    return new Promise((resolve, reject) => {
      const body = new Body(payload);
      const answer = {
        status: file ? 206 : 200,
        ok: true,
        headers: { get: () => file && `bytes ${first}-${last}/${file.length}` },
        body: { getReader: () => body },
        json: () => body.whole().then(() => this._tables),
      };
      const fail = (error: unknown): void => {
        body.fail(error);
        reject(error); // nothing more where the answer had begun
      };
      const came = (bytes: number): void => {
        if (body.got(bytes)) resolve(answer);
      };
      const end = this._line.ask(payload.length, came, () => fail(new TypeError("network error")));
      if (!signal) return;
      signal.addEventListener("abort", () => {
        end();
        fail(new DOMException("", "AbortError"));
      });
    });
  }
}

/** The bytes of an answer, read as they come. */
class Body {
  private _came = -HEAD_BYTES;
  private _given = 0;
  private _error: unknown = null;
  private _wake = (): void => undefined;

  constructor(private readonly _payload: Uint8Array) {}

  /** So many more are here; true when the head of the answer is. */
  got(bytes: number): boolean {
    this._came += bytes;
    this._wake();
    return this._came >= 0;
  }

  fail(error: unknown): void {
    this._error = error;
    this._wake();
  }

  async read(): Promise<{ done: boolean; value?: Uint8Array }> {
    const { length } = this._payload;
    while (!this._error && this._given < length && this._given >= this._came) await new Promise<void>((go) => (this._wake = go));
    if (this._error) throw this._error;
    if (this._given === length) return { done: true };
    const from = this._given;
    this._given = this._came;
    return { done: false, value: this._payload.slice(from, this._given) };
  }

  async whole(): Promise<void> {
    while (!(await this.read()).done);
  }
}
