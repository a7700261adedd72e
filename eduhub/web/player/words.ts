// Texts that a person sees come with the page, translated; the keys are listed in docs/formats/lesson-page.md.

/** The text of `key` with its {places} filled in. */
export function say(words: Record<string, string>, key: string, places: Record<string, string> = {}): string {
  return (words[key] || key).replace(/\{(\w+)\}/g, (whole, name: string) => places[name] || whole);
}

/** 3725 -> "1:02:05"; shorter than a day. */
export function clock(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(11, 19).replace(/^(00:0?|0)/, "");
}

/** Megabytes for people: one decimal below ten. */
export function megabytes(bytes: number): string {
  const mb = bytes / 1e6;
  return mb < 9.95 ? mb.toFixed(1) : String(Math.round(mb));
}
