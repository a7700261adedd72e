// Joins the page's video element, a session, the stills and the controls. One lesson, one page: what it holds is the module's.

import { openControls, position, shown, tell } from "./controls.js";
import { pictures, type Lesson } from "./lesson.js";
import { on } from "./listen.js";
import { openCaptions, openMenu } from "./menus.js";
import { connection } from "./network.js";
import { frame, video } from "./page.js";
import { Session } from "./session.js";
import { keep, recall } from "./shelf.js";
import { hideStill, openStills, showStill } from "./stills.js";
import type { Tables } from "./tables.js";

let lesson: Lesson;
let tables: Tables;
let quality: HTMLSelectElement;
let voice: HTMLSelectElement;
let session: Session | null = null;
let online = true;
let broken = false;

/** Under which the rate of the network is remembered. */
const network = "rate." + connection.type;

export function openPlayer(theLesson: Lesson, theTables: Tables): void {
  lesson = theLesson;
  tables = theTables;
  openControls(toggle, seek);
  // The page counts the smallest voice, which is Opus. Where that does not play, the costs are others.
  if (!tables.audios.some(({ type }) => /opus/.test(type)))
    frame.querySelectorAll<HTMLElement>("[data-aac]").forEach((one) => (one.textContent = one.dataset.aac!));
  quality = openMenu("quality", choose);
  voice = openMenu("voice", choose, true);
  openCaptions();
  openStills(lesson, tables);
  position(Number((/#t=([\d.]+)/.exec(location.hash) || [0, lesson.resume_ms / 1000])[1]));
  video.controls = false;
  video.removeAttribute("src");
  listen();
  openMediaSession();
  frame.dataset.player = "ready";
}

/** The hash of the track that plays, for the journal; null where the browser plays a file or a playlist by itself. */
export function part(): string | null {
  return session && session.part();
}

function toggle(): void {
  if (!video.paused) {
    video.pause();
    return;
  }
  if (!session) start(shown());
  play(); // after the end from the start again, as browsers do
}

function seek(seconds: number): void {
  position(Math.min(seconds, lesson.duration_ms / 1000 - 0.1));
  const to = shown();
  if (session) video.currentTime = to;
  else cover(to);
}

function choose(): void {
  if (!session) return;
  const { currentTime, paused } = video;
  cover(currentTime);
  start(currentTime);
  if (!paused) play();
}

function connected(yes: boolean): void {
  online = yes;
  tellState();
}

function failed(status: number): void {
  stop();
  broken = true;
  video.pause();
  say(status === 401 || status === 403 ? "sign_in_again" : status ? "gone" : "cannot_play");
  frame.dataset.player = "failed";
}

function cover(seconds: number, ahead = 0): void {
  showStill(seconds, quality.value === "sound" ? -1 : ahead);
}

function stop(): void {
  if (session) session.stop();
  session = null;
}

function start(seconds: number): void {
  stop();
  broken = false;
  session = new Session(lesson, tables, seconds, quality.value, tables.voice(voice.value), Number(recall(network)), { connected, failed });
}

function play(): void {
  // Refused only without a person's gesture, or when a newer source takes over: the button then still says 'play'.
  video.play().catch(() => undefined);
}

/** What the lock screen and the keys of a headset show and do. */
function openMediaSession(): void {
  const media = navigator.mediaSession;
  if (!media) return;
  const artwork = lesson.poster ? [{ src: lesson.base + lesson.poster }] : [];
  media.metadata = new MediaMetadata({ title: document.title, artwork });
  media.setActionHandler("seekbackward", () => seek(shown() - 10));
  media.setActionHandler("seekforward", () => seek(shown() + 10));
}

function listen(): void {
  on(document, "click", (event) => {
    const link = (event.target as Element).closest<HTMLElement>("[data-at]");
    if (!link) return;
    event.preventDefault();
    frame.scrollIntoView();
    seek(Number(link.dataset.at));
    if (video.paused) toggle();
  });
  on(video, "pause", remember);
  on(window, "pagehide", remember);
  on(video, "seeking", () => {
    if (!session || !session.holds(video.currentTime)) cover(video.currentTime);
  });
  on(video, "seeked playing", () => {
    if (pictures(quality.value) && session && session.holds(video.currentTime)) hideStill();
  });
  on(video, "timeupdate", () => {
    if (quality.value === "stills") cover(video.currentTime, 1);
    else if (session && session.bridged()) cover(video.currentTime);
    if (!video.seeking) position(video.currentTime);
  });
  on(video, "seeking seeked playing timeupdate waiting progress", tellState);
  on(video, "error", () => {
    if (session && video.error) failed(0);
  });
}

function remember(): void {
  const bps = session && session.rate.bps();
  if (bps) keep(network, `${bps}`);
}

/** The honest state in one line: what is missing, and how quickly it comes. */
function tellState(): void {
  const { paused, ended, readyState } = video;
  if (broken) return;
  if (!online) say("no_connection");
  else say(session && !paused && !ended && readyState < 3 ? "loading" : "");
}

function say(key: string): void {
  const rate = ((session && session.rate.bps()) || 0) / 8000;
  tell((lesson.words[key] || "").replace("{rate}", rate.toFixed()));
}
