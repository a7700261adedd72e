// What the server tells the page (JSON in `upload-data`), and how the page asks the server for one more announced file.

import type { LightData } from "./light.js";
import type { Target } from "./session.js";
import type { Words } from "./telling.js";

export interface LessonPage {
  page: "lesson";
  target: Target;
  after: string; // where to go when all has arrived
  light: LightData | null;
  words: Words;
}

/** A lesson of this course whose file is half there. */
export interface Unfinished {
  title: string;
  page: string;
  target: Target;
}

export interface CoursePage {
  page: "course";
  announce: string; // makes a lesson and announces its file
  after: string;
  unfinished: Unfinished[];
  limit_bytes: number;
  words: Words;
}

export function told(): LessonPage | CoursePage | null {
  const data = document.getElementById("upload-data");
  return data ? (JSON.parse(data.textContent!) as LessonPage | CoursePage) : null;
}

/** One more announced file, with what `fields` say of it. Rejects with the server's own body when it may not be. */
export async function announce(address: string, fields: Record<string, string> = {}): Promise<Unfinished> {
  const body = new FormData(document.getElementById("upload-announce") as HTMLFormElement); // the token against forged forms
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  const answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(await answer.text());
  const found = (await answer.json()) as Unfinished;
  return { ...found, target: absolute(found.target) };
}

/** With whole addresses, which is what tus-js-client wants. */
export function absolute(target: Target): Target {
  const whole = (path: string): string => new URL(path, location.href).href;
  return { ...target, endpoint: whole(target.endpoint), url: whole(target.url) };
}
