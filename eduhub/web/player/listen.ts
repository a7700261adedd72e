// Listening to the browser's events.

/** Calls `act` at each event of `names` (parted by spaces); the answer ends that. */
export function on(target: EventTarget, names: string, act: (event: Event) => void): () => void {
  const each = names.split(" ");
  each.forEach((name) => target.addEventListener(name, act));
  return () => each.forEach((name) => target.removeEventListener(name, act));
}
