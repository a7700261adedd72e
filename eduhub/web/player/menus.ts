// The menus under the picture: the page brought their options, a choice may be remembered. Captions, whose menu is all there is
// to choose, are shown in a line of ours: the browser's own would lie under the stills.

import { on } from "./listen.js";
import { find, video } from "./page.js";
import { keep, recall } from "./shelf.js";

/** Wires a menu and calls `chosen` at each change; hides it when there is nothing to choose. */
export function openMenu(name: string, chosen: () => void, remembered = false): HTMLSelectElement {
  const menu = find<HTMLSelectElement>(name);
  menu.hidden = menu.length < 2;
  if (remembered && recall(name)) menu.value = recall(name);
  if (menu.selectedIndex < 0) menu.selectedIndex = 0; // what is remembered is not offered here
  menu.onchange = () => {
    if (remembered) keep(name, menu.value);
    chosen();
  };
  return menu;
}

/** Shows the captions of the language that the menu says. */
export function openCaptions(): void {
  const line = find("caption");
  const tracks = video.textTracks;
  const show = (): void => {
    line.textContent = "";
    for (const track of tracks) track.mode = track.language === menu.value ? "hidden" : "disabled"; // hidden: read, and not drawn
  };
  const menu = openMenu("captions", show, true);
  for (const track of tracks)
    track.oncuechange = () => {
      line.lang = track.language;
      line.textContent = Array.from(track.activeCues || [], (cue) => (cue as VTTCue).getCueAsHTML().textContent).join("\n");
    };
  on(video, "loadstart", show); // the browser may have chosen anew
  show();
}

/** The next captions, or none. */
export function nextCaptions(): void {
  const menu = find<HTMLSelectElement>("captions");
  menu.selectedIndex = (menu.selectedIndex + 1) % menu.length;
  (menu.onchange as () => void)();
}
