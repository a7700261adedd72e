// The lesson's page: its one player, and the pieces of it by their names. On other pages there is none.

export const frame = document.getElementById("player")!;
export const video = frame && frame.querySelector("video")!;

/** The element of class `player-NAME`; the player's template must be in place. */
export function find<T extends HTMLElement = HTMLElement>(name: string): T {
  return frame.querySelector(".player-" + name) as T;
}
