// The early look: a megabyte of the file, and an MP4's `moov`, go to the server, which may refuse the file at once instead of
// after hours. Whatever goes wrong here lets the upload begin: only a clear "refused" stops it.

import { asHeader, rangesToCheck } from "./boxes.js";
import type { Sentences } from "./answers.js";
import { bytesOf, type Target } from "./session.js";

export interface Look {
  refused: Sentences | null;
  duration_s: number | null;
  sent: number;
  ms: number;
}

export const TOO_SMALL_TO_LOOK = 3 << 20; // such a file is sent as soon as looked at
const LIMIT_MS = 300_000;

/** Asks the server what it makes of the file. Never rejects. `cancel` ends it as if nothing had been said. */
export async function lookAt(file: File, target: Target, cancel: AbortSignal): Promise<Look> {
  const nothing: Look = { refused: null, duration_s: null, sent: 0, ms: 0 };
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), LIMIT_MS);
  const onCancel = (): void => giveUp.abort();
  cancel.addEventListener("abort", onCancel);
  const began = Date.now();
  try {
    const ranges = await rangesToCheck((start, end) => bytesOf(file, start, end), file.size);
    const body = new Blob(ranges.map(([first, last]) => file.slice(first, last + 1)));
    const answer = await fetch(target.url + "/check", {
      method: "POST", body, signal: giveUp.signal, credentials: "omit",
      headers: {
        Authorization: "EduHub-Intent " + target.token, "Tus-Resumable": "1.0.0", "EduHub-Ranges": asHeader(ranges),
        "Upload-Length": String(file.size), "Content-Type": "application/octet-stream", Accept: "application/json",
      },
    });
    if (!answer.ok) return nothing;
    return { ...verdict(await answer.json()), sent: body.size, ms: Date.now() - began };
  } catch {
    return nothing;
  } finally {
    clearTimeout(timer);
    cancel.removeEventListener("abort", onCancel);
  }
}

/** What the answer says; anything unexpected is "unknown". */
export function verdict(answer: unknown): Pick<Look, "refused" | "duration_s"> {
  const said = (answer && typeof answer === "object" ? answer : {}) as Record<string, unknown>;
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const refused = said["verdict"] === "refused"
    ? { code: "media.refused", happened: text(said["happened"]), kept: "", next_step: text(said["next_step"]) } : null;
  const duration = said["duration_ms"];
  return { refused, duration_s: typeof duration === "number" && duration > 0 ? duration / 1000 : null };
}
