// The qualities a lesson offers and what each costs. Pure.

import type { Lesson, Track } from "./lesson.js";

export interface Choice {
  /** "auto", "stills", or the name of a video track. */
  name: string;
  /** Lines of the picture; 0 when the choice is not one video track. */
  height: number;
  /** What the whole lesson costs with it; for "auto" the least it can be. */
  bytes: number;
}

/** The choices, best first offered first: by the link, each rung, voice with stills. */
export function choicesOf(lesson: Lesson, videos: Track[], audios: Track[]): Choice[] {
  const size = (name: string): number => lesson.sizes[name] || 0;
  const voice = audios[0] ? size(audios[0].name) : 0;
  const rungs = videos.map((track) => ({ name: track.name, height: track.height || 0, bytes: size(track.name) + voice }));
  const choices: Choice[] = [...rungs];
  if (rungs.length > 1) choices.unshift({ name: "auto", height: 0, bytes: rungs[0]!.bytes });
  if (audios[0]) {
    const pictures = lesson.index.stills ? size("stills") : 0;
    choices.push({ name: "stills", height: 0, bytes: voice + pictures });
  }
  return choices;
}
