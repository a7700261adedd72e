// UUIDv7 made here: plain HTTP, which a school's box speaks, has no crypto.randomUUID.

/** `random` is 10 bytes or more. */
export function uuid7(nowMs = Date.now(), random = crypto.getRandomValues(new Uint8Array(10))): string {
  const time = nowMs.toString(16).padStart(12, "0");
  const noise = Array.from(random, (byte) => (byte + 256).toString(16).slice(1)).join("");
  const variant = "89ab"[random[9]! & 3];
  return `${time.slice(0, 8)}-${time.slice(8)}-7${noise.slice(0, 3)}-${variant}${noise.slice(3, 6)}-${noise.slice(6, 18)}`;
}
