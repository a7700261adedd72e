// The one entry: on every page it sends what earlier pages left; on a lesson's page it plays the lesson.

import type { Lesson } from "./lesson.js";
import { on } from "./listen.js";
import type { Outbox } from "./outbox.js";
import { Player } from "./player.js";
import { Tables } from "./tables.js";
import { openOutbox, sendOnLeaving, watch } from "./watching.js";

/** Without MediaSource the browser plays a file by itself: its own HLS if it knows it, else the saved-video file. */
function playPlainly(video: HTMLVideoElement, lesson: Lesson): void {
  const hls = lesson.master && video.canPlayType("application/vnd.apple.mpegurl");
  if (hls) video.src = lesson.base + lesson.master;
  else if (lesson.download && !video.getAttribute("src")) video.src = lesson.base + lesson.download.sha256;
  const off = on(video, "loadedmetadata", () => {
    off();
    video.currentTime = lesson.resume_ms / 1000;
  });
}

function show(lesson: Lesson, outbox: Outbox): void {
  const frame = document.getElementById("player")!;
  const video = frame.querySelector("video")!;
  const tables = new Tables(lesson);
  if (tables.videos[0] || tables.audios[0]) {
    const player = new Player(frame, video, lesson, tables);
    watch(video, lesson, outbox, () => player.part());
  } else {
    playPlainly(video, lesson);
    watch(video, lesson, outbox, () => lesson.download && lesson.download.sha256);
  }
}

const outbox = openOutbox();
const data = document.getElementById("lesson-data");
if (data) show(JSON.parse(data.textContent!) as Lesson, outbox);
sendOnLeaving(outbox); // after the lesson's own listener, which puts the last stretch into the outbox
