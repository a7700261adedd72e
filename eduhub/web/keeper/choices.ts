// Which qualities of a lesson a device can keep, which parts each needs, and what that costs. Pure.

import type { Offer, Part } from "./store.js";

export interface Choice {
  /** Name of the video track, "stills", "sound", or "file": the muxed video, for browsers that play nothing else. */
  name: string;
  /** Lines of the picture; 0 where the choice is not one video track. */
  height: number;
  parts: Part[];
  bytes: number;
}

/** Parts that are chosen between; all others belong to the lesson whatever is chosen. */
const CHOSEN = ["video", "audio", "download", "playlist"];

const sum = (parts: Part[]): number => parts.reduce((all, { bytes }) => all + bytes, 0);
const light = (a: Part, b: Part): number => a.bytes - b.bytes;

/** The languages in which there is a voice, the lesson's own first; null is the lesson's own. */
export function voicesOf({ parts, language }: Offer): string[] {
  const found = parts.filter(({ kind }) => kind === "audio").map((part) => part.language || language);
  return Array.from(new Set([...found.filter((one) => one === language), ...found]));
}

/** The choices, lightest video first. `plays` says whether this browser plays a track. */
export function choicesOf(offer: Offer, voice: string, plays: (part: Part) => boolean): Choice[] {
  const rest = offer.parts.filter(({ kind }) => !CHOSEN.includes(kind));
  const playable = offer.parts.filter((part) => (part.kind === "video" || part.kind === "audio") && plays(part));
  const voices = playable.filter((part) => part.kind === "audio" && (part.language || offer.language) === voice).sort(light);
  const own = voices.slice(0, 1);
  const choice = (name: string, height: number, parts: Part[]): Choice => ({ name, height, parts, bytes: sum(parts) });
  const choices = playable
    .filter(({ kind }) => kind === "video")
    .sort(light)
    .map((part) => choice(part.name, part.height || 0, [...rest, ...own, part]));
  if (own.length) choices.push(choice(rest.some(({ kind }) => kind === "stills") ? "stills" : "sound", 0, [...rest, ...own]));
  if (choices.length) return choices;
  const file = offer.parts.filter(({ kind }) => kind === "download");
  return file.length ? [choice("file", 0, [...rest, ...file])] : [];
}

/** What is fetched first: what is small and needed for everything, then the voice, then the picture. */
export function inOrder(parts: Part[]): Part[] {
  const rank = ({ kind }: Part): number => ["index", "poster", "captions", "audio", "stills"].indexOf(kind) + 1 || (kind === "video" ? 9 : 8);
  return parts.slice().sort((a, b) => rank(a) - rank(b) || a.bytes - b.bytes);
}
