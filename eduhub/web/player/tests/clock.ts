// Time and chance of the tests' village: the clock moves only when nothing is left to do, so that each run with the same seed is
// the same run, however busy the machine is.

const later = setImmediate; // Node's own: lets every promise go on that can

/** Numbers from 0 to 1, the same ones for the same seed. */
export function chance(seed: number): () => number {
  let state = seed * 2654435761;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Something to be done at a moment of the village. */
interface Due {
  at: number;
  act: () => void;
}

let nowMs = 0;
let due: Due[] = [];

/** Milliseconds since the village began. */
export function now(): number {
  return nowMs;
}

/** Time begins, and nothing is to be done. */
export function begin(): void {
  nowMs = 0;
  due = [];
}

/** `act` in so many milliseconds. */
export function after(ms: number, act: () => void): Due {
  const one = { at: nowMs + Math.max(0, ms), act };
  let place = due.length;
  while (place && due[place - 1]!.at > one.at) place--;
  due.splice(place, 0, one);
  return one;
}

export function forget(one: Due): void {
  due = due.filter((other) => other !== one);
}

/** `act` again and again. */
export function every(ms: number, act: () => void): { stop: () => void } {
  const held = { next: after(ms, tick), stop: () => forget(held.next) };
  function tick(): void {
    held.next = after(ms, tick);
    act();
  }
  return held;
}

/** Lets the village live for so many seconds. */
export async function live(seconds: number): Promise<void> {
  const end = nowMs + seconds * 1000;
  for (;;) {
    await new Promise((resolve) => later(resolve));
    const next = due[0];
    if (!next || next.at > end) break;
    due.shift();
    nowMs = next.at;
    next.act();
  }
  nowMs = end;
}
