// An upload that is half there, as the page tells of it, and whether a chosen file is the same one.

/** What has arrived so far of one announced file. */
export interface Session {
  offset: number;
  length: number | null;
  name: string;
  modified_ms: number | null;
  sample: string | null;
  days: number; // how long it is kept yet
}

/** Where one announced file goes, and with which right. */
export interface Target {
  endpoint: string;
  url: string;
  token: string;
  limit_bytes: number;
  keep_days: number; // how long a part is kept after its last byte
  session: Session | null;
}

/** What a file is known by. */
export interface Known {
  name: string;
  size: number;
  modified_ms: number;
  sample: string | null;
}

const SAMPLE = 65_536;

/** The names by which the file is known again; the sample only where the browser can hash (a page over TLS). */
export async function knownBy(file: File): Promise<Known> {
  let sample: string | null = null;
  if (typeof crypto !== "undefined" && crypto.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await bytesOf(file, 0, SAMPLE)));
    sample = Array.from(digest, (byte) => (byte < 16 ? "0" : "") + byte.toString(16)).join("");
  }
  return { name: file.name, size: file.size, modified_ms: file.lastModified, sample };
}

/** Bytes of a file; rejects when it was moved or changed since it was chosen. */
export async function bytesOf(file: Blob, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(file.slice(start, end)).arrayBuffer());
}

/** Whether `file` is the one of which a part has arrived. What one of the two does not say is not asked for. */
export function isSame(session: Session, file: Known): boolean {
  const agree = (there: string | number | null, here: string | number | null): boolean => there === null || here === null || there === here;
  return (
    agree(session.length, file.size) && agree(shownName(session.name), shownName(file.name)) &&
    agree(session.modified_ms, file.modified_ms) && agree(session.sample, file.sample)
  );
}

/** A name as the server keeps it: composed letters, nothing unseen, not endless. */
function shownName(name: string): string {
  return Array.from(name.normalize("NFC").replace(/[\x00-\x1f\x7f/\\]/g, "").trim()).slice(0, 200).join("");
}

/** What goes into Upload-Metadata: strings only. */
export function metadata(file: Known, type: string): Record<string, string> {
  const found: Record<string, string> = { filename: file.name, filetype: type, modified: String(file.modified_ms) };
  if (file.sample) found["sample"] = file.sample;
  return found;
}
