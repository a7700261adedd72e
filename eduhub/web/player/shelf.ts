// What this browser keeps for the next page. Storage may be forbidden or full: then it lasts as long as the page.

import type { Shelf } from "./outbox.js";

export function openShelf(): Shelf {
  try {
    return localStorage;
  } catch {
    return {};
  }
}

/** What was kept under a name, or "". */
export function recall(name: string): string {
  return openShelf()["eduhub." + name] || "";
}

export function keep(name: string, value: string): void {
  try {
    openShelf()["eduhub." + name] = value;
  } catch {
    // nothing depends on it
  }
}
