// The qualities a lesson offers and what each costs. Pure.

import type { Lesson } from "./lesson.js";
import type { Tables } from "./tables.js";

export interface Choice {
  /** "auto", "stills", or the name of a video track. */
  name: string;
  /** Lines of the picture; 0 when the choice is not one video track. */
  height: number;
  /** What the whole lesson costs with it; for "auto" the least it can be. */
  bytes: number;
}

/** The choices, best first offered first: by the link, each rung, voice with stills. */
export function choicesOf(lesson: Lesson, { videos, audios }: Tables): Choice[] {
  const size = (name: string): number => lesson.sizes[name] || 0;
  const voice = audios[0] ? size(audios[0].name) : 0;
  const choices = videos.map(({ name, height = 0 }): Choice => ({ name, height, bytes: size(name) + voice }));
  if (choices.length > 1) choices.unshift({ ...choices[0]!, name: "auto", height: 0 });
  if (audios[0]) {
    const pictures = lesson.index.stills ? size("stills") : 0;
    choices.push({ name: "stills", height: 0, bytes: voice + pictures });
  }
  return choices;
}
