// The one entry: on every page it sends what earlier pages left; on a lesson's page it plays the lesson.

import { readLesson, type Lesson } from "./lesson.js";
import type { Outbox } from "./outbox.js";
import { Player } from "./player.js";
import { playable } from "./tables.js";
import { openOutbox, watch } from "./watching.js";

/** Without MediaSource the browser plays a file by itself: its own HLS if it knows it, else the saved-video file. */
function playPlainly(video: HTMLVideoElement, lesson: Lesson): void {
  const hls = lesson.master && video.canPlayType("application/vnd.apple.mpegurl");
  if (hls) video.src = lesson.base + lesson.master;
  else if (lesson.download && !video.getAttribute("src")) video.src = lesson.base + lesson.download.sha256;
  video.controls = true;
  const resume = (): void => {
    video.currentTime = lesson.resume_ms / 1000;
  };
  if (lesson.resume_ms) video.addEventListener("loadedmetadata", resume, { once: true });
}

/** What is watched is noted for a person; nobody signed in, nothing noted. */
function note(video: HTMLVideoElement, lesson: Lesson, outbox: Outbox, part: () => string | null): void {
  if (lesson.events.token) watch(video, lesson, outbox, part);
}

function begin(): void {
  const outbox = openOutbox();
  const lesson = readLesson(document);
  const frame = document.getElementById("player");
  const video = frame && frame.querySelector("video");
  if (!lesson || !frame || !video) return;
  const tracks = "MediaSource" in window ? playable(lesson.index) : { videos: [], audios: [] };
  if (tracks.videos.length + tracks.audios.length === 0) {
    playPlainly(video, lesson);
    note(video, lesson, outbox, () => (lesson.download ? lesson.download.sha256 : null));
    return;
  }
  const player = new Player(frame, video, lesson);
  note(video, lesson, outbox, () => player.part());
}

begin();
