// Whose turn it is at this device, as far as the browser knows without the server. The mark is a cookie that goes with the
// browser's session and that the server takes back when somebody signs in or out; what it stands for is stored here.
// docs/decisions/0014-keeping-lessons-on-a-device.md

export interface Turn {
  id: string;
  url: string;
  token: string;
  /** One's own device or a shared one, as events say it. */
  context: string;
  /** Lesson -> where this reader was, in milliseconds. */
  places: Record<string, number>;
}

/** What is whole here: lesson -> its package, the names of its parts, its title. Written by the page that keeps. */
export type Here = Record<string, { package: string; names: string[]; title: string }>;

export const HERE = "eduhub.kept";
const TURN = "eduhub.turn";

/** What is stored under a key, or null: also where storage is forbidden. */
export function stored<T>(key: string): T | null {
  try {
    return JSON.parse(localStorage.getItem(key) || "null") as T | null;
  } catch {
    return null;
  }
}

/** Stores a value, where there is room. */
export function save(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // the shelf is full or forbidden: nothing is remembered
  }
}

/** The mark of the present sign-in: a cookie that goes with the browser's session, and that the server takes back. */
function mark(): string | null {
  const found = /(?:^|; )eduhub_turn=(\w+)/.exec(document.cookie);
  return found ? found[1]! : null;
}

/** Whose turn it is, as far as this browser knows: who was signed in last and has not left since. */
export function turn(): Turn | null {
  const found = stored<Turn>(TURN);
  return found && found.id === mark() ? found : null;
}

function begin(url: string, token: string | null, context: string): void {
  if (!token) {
    localStorage.removeItem(TURN);
    return;
  }
  const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => (byte + 256).toString(16).slice(1)).join("");
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `eduhub_turn=${id}; Path=/; SameSite=Strict${secure}`;
  save(TURN, { id, url, token, context, places: {} });
}

/** Remembers the present place of the one whose turn it is. */
export function place(now: Turn, lesson: string, ms: number): void {
  now.places[lesson] = ms;
  save(TURN, now);
}

/** Asks the server who reads, unless that is known. */
export async function noteTurn(): Promise<void> {
  if (turn()) return;
  const answer = await fetch("/kept/turn");
  const { url, token, context } = (await answer.json()) as { url: string; token: string | null; context: string };
  begin(url, token, context);
}
