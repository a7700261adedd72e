// The small script of pages where lessons are kept: tells the player which tracks are here, and keeps track of whose turn it
// is. It runs before the player. docs/decisions/0014-keeping-lessons-on-a-device.md

import { HERE, noteTurn, place, stored, turn, type Here } from "./turn.js";

interface Data {
  lesson: string;
  package: string;
  resume_ms: number;
  context: string;
  index: { tracks: { name: string }[]; stills: unknown };
  events: { url: string; token: string | null };
  master: string | null;
  download: unknown;
}

const EVERY_MS = 5000;

/** Keeps only what is here in what the player is told. */
function narrow(data: Data, names: string[]): void {
  const tracks = data.index.tracks.filter(({ name }) => names.includes(name));
  if (!tracks.length && !names.includes("download")) return;
  data.index.tracks = tracks;
  if (!names.includes("stills")) data.index.stills = null;
  if (!names.includes("download")) data.download = null;
  data.master = null;
}

/** Remembers where the reader is, for the next time without a connection. */
function follow(lesson: string): void {
  const video = document.querySelector("video");
  if (!video) return;
  let last = 0;
  const note = (): void => {
    const now = turn();
    if (!now || !video.currentTime) return;
    const { currentTime, duration } = video;
    place(now, lesson, currentTime > duration - 10 ? 0 : Math.round(currentTime * 1000));
  };
  video.addEventListener("pause", note);
  window.addEventListener("pagehide", note);
  video.addEventListener("timeupdate", () => {
    if (Date.now() - last < EVERY_MS) return;
    last = Date.now();
    note();
  });
}

function onLesson(element: HTMLElement, keep: HTMLElement | null): void {
  const data = JSON.parse(element.textContent!) as Data;
  const here = (stored<Here>(HERE) || {})[data.lesson];
  const now = turn();
  if (keep) {
    const names = (keep.dataset.kept || "").split(" ");
    narrow(data, names);
    if (now) {
      data.events = { url: now.url, token: now.token };
      data.context = now.context;
      data.resume_ms = now.places[data.lesson] || 0;
    }
    const said = document.querySelector<HTMLElement>(`[data-turn=${now ? "own" : "nobody"}]`);
    if (said) said.hidden = false;
    const { parts } = JSON.parse(keep.textContent!) as { parts: { sha256: string; name: string }[] };
    const isHere = (link: HTMLAnchorElement): boolean => parts.some(({ sha256, name }) => link.href.endsWith(sha256) && names.includes(name));
    // Parts that were not chosen, and pages about the lesson that only the server makes.
    document.querySelectorAll<HTMLAnchorElement>('main a[href^="/p/"], main a[href^="/lessons/"]').forEach((link) => {
      if (!isHere(link)) (link.closest("li") || link).hidden = true;
    });
    document.querySelectorAll<HTMLElement>("main .list").forEach((list) => {
      if (list.querySelector("li:not([hidden])")) return;
      list.hidden = true;
      const heading = list.previousElementSibling as HTMLElement | null;
      if (heading) heading.hidden = true;
    });
  } else {
    if (here && here.package === data.package) narrow(data, here.names);
    const link = document.querySelector<HTMLElement>("[data-keep] span");
    if (here && link) link.textContent = link.dataset.kept!;
    if (now && data.resume_ms) place(now, data.lesson, data.resume_ms);
  }
  element.textContent = JSON.stringify(data);
  follow(data.lesson);
}

const keepData = document.getElementById("keep-data");
const lessonData = document.getElementById("lesson-data");
if (!keepData) noteTurn().catch(() => undefined); // no connection: the next page asks
if (lessonData) onLesson(lessonData, keepData);
