// The still of a moment over the picture: the poster that the page put there first, then the lesson's stills, each fetched once by range.

import { readWhole } from "./fetching.js";
import type { Lesson } from "./lesson.js";
import { find } from "./page.js";
import type { Tables } from "./tables.js";

/** Number of a still -> where it will lie in this browser; "" when the box refused it. */
const known: Promise<string>[] = [];
let lesson: Lesson;
let tables: Tables;
let wanted = -1;

export function openStills(theLesson: Lesson, theTables: Tables): void {
  lesson = theLesson;
  tables = theTables;
}

/** Covers the picture with the still of `seconds`: at once what is there, then the right one. `ahead`: so many more are fetched; -1: none. */
export function showStill(seconds: number, ahead: number): void {
  const { stills } = tables.index;
  const image = find<HTMLImageElement>("still");
  image.hidden = !lesson.poster && !stills;
  if (!stills || ahead < 0) return;
  const number = Math.max(1, stills.items.filter((item) => item[0] <= seconds * 1000).length) - 1;
  wanted = number;
  load(number).then((address) => {
    if (number === wanted && address && image.src !== address) image.src = address; // or the poster or the last still stays
  });
  if (ahead) load(number + 1);
}

export function hideStill(): void {
  find("still").hidden = true;
  wanted = -1;
}

function load(number: number): Promise<string> {
  const { sha256, items } = tables.index.stills!;
  const item = items[number];
  if (!item) return Promise.resolve("");
  return (known[number] =
    known[number] ||
    readWhole(lesson.base + sha256, item[1], item[2])
      .then((bytes) => URL.createObjectURL(new Blob([bytes as BlobPart])))
      .catch(() => ""));
}
