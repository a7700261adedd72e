// Draws the app's icon, the mountain of eduhub.svg in white on lake blue, as PNG of a given size. The same size gives the
// same bytes again, and nothing but Node is needed.
import { deflateSync } from "node:zlib";

const GROUND = [0x1f, 0x5f, 0x99];
const INK = [0xff, 0xff, 0xff];
/** The strokes of eduhub.svg, in its 24 units. */
const LINES = [
  [[2, 19], [9, 7], [13, 13], [15, 10], [22, 19], [2, 19]],
  [[7, 10], [9, 12], [11, 10]],
];
/** Phones cut icons to a circle: the drawing stays within its middle. */
const SHARE = 0.62;
const HALF_STROKE = 1;

function distance([px, py], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const along = Math.max(0, Math.min(1, ((px - ax) * dx + (py - ay) * dy) / (dx * dx + dy * dy)));
  return Math.hypot(px - ax - along * dx, py - ay - along * dy);
}

function crc(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const made = Buffer.alloc(body.length + 8);
  made.writeUInt32BE(data.length, 0);
  body.copy(made, 4);
  made.writeUInt32BE(crc(body), made.length - 4);
  return made;
}

/** The PNG file, `size` pixels wide and high. */
export function icon(size) {
  const scale = (size * SHARE) / 24;
  const rows = Buffer.alloc(size * (3 * size + 1));
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const point = [(x + 0.5 - size / 2) / scale + 12, (y + 0.5 - size / 2) / scale + 13];
      let nearest = Infinity;
      for (const line of LINES) for (let i = 1; i < line.length; i++) nearest = Math.min(nearest, distance(point, line[i - 1], line[i]));
      const ink = Math.max(0, Math.min(1, (HALF_STROKE - nearest) * scale + 0.5));
      for (let c = 0; c < 3; c++) rows[y * (3 * size + 1) + 1 + 3 * x + c] = Math.round(GROUND[c] + ink * (INK[c] - GROUND[c]));
    }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  head.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB, no interlacing
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", head),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
