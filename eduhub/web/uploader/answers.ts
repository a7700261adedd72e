// What an answer of the server means for an upload that must not give up: go on trying, or stop and say why.

/** The server's own sentences, or none where nothing can be read. */
export interface Sentences {
  code: string;
  happened: string;
  kept: string;
  next_step: string;
}

export type Meaning = "again" | "gone" | "missing" | "refused";

const FINAL = new Set([400, 403, 412, 413, 415]);

/**
 * again: try later; gone: the session is over (410); missing: there is none (404); refused: stop and show the sentences.
 * Status 0 is no answer at all. An upload ends only by a clear word of ours: what a box on the way says without our code is tried again.
 */
export function meaning(status: number, code: string): Meaning {
  if (code === "media.upload_another") return "refused";
  if (status === 410) return "gone";
  if (status === 404) return "missing";
  return code && FINAL.has(status) ? "refused" : "again";
}

/** The sentences in an answer's body; empty ones when it holds none. */
export function sentences(body: string): Sentences {
  let found: Partial<Sentences> = {};
  try {
    const parsed: unknown = JSON.parse(body);
    if (parsed && typeof parsed === "object") found = parsed as Partial<Sentences>;
  } catch {
    // a proxy's page: it has nothing to say to a teacher
  }
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return { code: text(found.code), happened: text(found.happened), kept: text(found.kept), next_step: text(found.next_step) };
}
