// The one entry: on every page it sends what earlier pages left; on a lesson's page it plays the lesson.

import type { Lesson } from "./lesson.js";
import { on } from "./listen.js";
import { video } from "./page.js";
import type { Outbox } from "./outbox.js";
import { openPlayer, part } from "./player.js";
import { Tables } from "./tables.js";
import { openOutbox, sendOnLeaving, watch } from "./watching.js";

/** Without MediaSource the browser plays a file by itself: its own HLS if it knows it, else the saved-video file that the page names. */
function playPlainly(lesson: Lesson): void {
  if (lesson.poster) video.poster = lesson.base + lesson.poster;
  const hls = lesson.master && video.canPlayType("application/vnd.apple.mpegurl");
  if (hls) video.src = lesson.base + lesson.master;
  on(video, "loadedmetadata", () => {
    video.currentTime = lesson.resume_ms / 1000;
  });
}

function show(lesson: Lesson, outbox: Outbox): void {
  const tables = new Tables(lesson);
  if (tables.videos[0] || tables.audios[0]) openPlayer(lesson, tables);
  else playPlainly(lesson);
  watch(lesson, outbox, part);
}

const outbox = openOutbox();
const data = document.getElementById("lesson-data");
if (data) show(JSON.parse(data.textContent!) as Lesson, outbox);
sendOnLeaving(outbox); // after the lesson's own listener, which puts the last stretch into the outbox
