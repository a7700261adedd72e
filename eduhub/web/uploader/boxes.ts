// The top-level boxes of an MP4, found by reading a few bytes of each: what the early look at a file needs to know.
// Knows nothing of the network. The file is anybody's: every number in it may be a lie.

/** Bytes `start` to `end` (not included) of a file; fewer only where the file ends. */
export type Read = (start: number, end: number) => Promise<Uint8Array>;

export interface Box {
  kind: string;
  start: number;
  end: number;
}

/** First and last byte of a stretch of the file, both included. */
export type Range = [first: number, last: number];

const MOST_BOXES = 64;
const HEADER = 8;
const LONG_HEADER = 16;
const HEAD = 1 << 20;
const HEAD_BESIDE_MOOV = 1 << 18; // with the index at hand, little of what lies before it is looked at
const MOST_CHECKED = 8_000_000;

function number32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function headerOf(bytes: Uint8Array, start: number, length: number): Box | null {
  if (bytes.length < HEADER) return null;
  const kind = String.fromCharCode(bytes[4]!, bytes[5]!, bytes[6]!, bytes[7]!);
  if (!/^[\x20-\x7e\xa9]{4}$/.test(kind)) return null;
  let size = number32(bytes, 0);
  let header = HEADER;
  if (size === 1) {
    if (bytes.length < LONG_HEADER) return null;
    size = number32(bytes, 8) * 2 ** 32 + number32(bytes, 12);
    header = LONG_HEADER;
  } else if (size === 0) size = length - start; // the last box, to the end of the file
  // Every step goes forward, so the walk ends; a box that is longer than the file is kept for the caller to see.
  return size < header || !Number.isSafeInteger(start + size) ? null : { kind, start, end: start + size };
}

/** The top-level boxes up to and with `moov`, at most 64; up to the first thing that is no box. Reads 16 bytes of each. */
export async function topBoxes(read: Read, length: number): Promise<Box[]> {
  const found: Box[] = [];
  for (let at = 0; at < length && found.length < MOST_BOXES; ) {
    const box = headerOf(await read(at, Math.min(at + LONG_HEADER, length)), at, length);
    if (!box) break;
    found.push(box);
    if (box.kind === "moov") break;
    at = box.end;
  }
  return found;
}

/** What of a file is sent for the early look: its head, and an MP4's `moov` where it lies further back. */
export async function rangesToCheck(read: Read, length: number): Promise<Range[]> {
  if (length <= 0) return [];
  const boxes = await topBoxes(read, length);
  const moov = boxes[boxes.length - 1];
  const upTo = (bytes: number): Range => [0, Math.min(bytes, length) - 1];
  if (!moov || moov.kind !== "moov" || moov.end > length) return [upTo(HEAD)];
  if (moov.start <= HEAD_BESIDE_MOOV) return [upTo(Math.min(Math.max(HEAD_BESIDE_MOOV, moov.end), MOST_CHECKED))];
  return moov.end - moov.start + HEAD_BESIDE_MOOV > MOST_CHECKED ? [upTo(HEAD)] : [upTo(HEAD_BESIDE_MOOV), [moov.start, moov.end - 1]];
}

/** "0-1048575,3000000-3400000" */
export function asHeader(ranges: Range[]): string {
  return ranges.map(([first, last]) => first + "-" + last).join(",");
}
