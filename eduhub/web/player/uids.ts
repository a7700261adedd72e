// UUIDv7 made here: plain HTTP, which a school's box speaks, has no crypto.randomUUID.

/** `random` is 9 bytes: two of the random bits that the format has room for stay zero. */
export function uuid7(nowMs = Date.now(), random = crypto.getRandomValues(new Uint8Array(9))): string {
  const time = nowMs.toString(16).padStart(12, "0");
  const noise = Array.from(random, (byte) => (byte + 256).toString(16).slice(1)).join("");
  return (time + 7 + noise).replace(/(.{8})(.{4})(.{4})(.{3})/, "$1-$2-$3-8$4-");
}
