// How the page writes what it shows: words with their places filled in, megabytes, times. Pure but for the page's words.

import { megabytes, say } from "../player/words.js";

export type Say = (key: string, places?: Record<string, string>) => string;

/** The words that the page brought. */
export function wordsOf(element: HTMLElement): Say {
  const words = JSON.parse(element.textContent!) as Record<string, string>;
  return (key, places) => say(words, key, places);
}

/** Megabytes for people; thousands as the page's language parts them. */
export function mb(bytes: number): string {
  return bytes < 1e9 ? megabytes(bytes) : Math.round(bytes / 1e6).toLocaleString(document.documentElement.lang);
}

/** A size that is compared with another: as many decimals as that one has. */
export function mbOf(bytes: number, whole: number): string {
  return whole < 9_950_000 ? (bytes / 1e6).toFixed(1) : String(Math.round(bytes / 1e6));
}

/** How long something takes, for people. */
export function left(words: Say, bytes: number, bps: number | null): string {
  if (!bps) return "…";
  const seconds = Math.ceil((bytes * 8) / bps);
  return seconds < 60 ? words("seconds", { number: String(seconds) }) : words("minutes", { number: String(Math.round(seconds / 60)) });
}

/** A lesson's title: in the page's language, else its own, else the first there is. */
export function titleOf({ titles, language }: { titles: Record<string, string>; language: string }, page: string): { lang: string; text: string } {
  const lang = [page, language, ...Object.keys(titles)].find((tag) => titles[tag]) || page;
  return { lang, text: titles[lang] || "" };
}
