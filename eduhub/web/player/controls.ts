// Buttons, slider and keys. Shows and asks; decides nothing. The elements stand in the page, in a template.

import { on } from "./listen.js";
import { nextCaptions } from "./menus.js";
import { connection } from "./network.js";
import { find, frame, video } from "./page.js";
import { clock } from "./words.js";

/** Full screen as Chrome 70 and Safari spell it, too. */
type FullScreen = HTMLElement & { webkitRequestFullscreen?: () => void };
type FullScreenPage = Document & { webkitExitFullscreen?: () => void; webkitFullscreenElement?: Element | null };

let slider: HTMLInputElement;
/** A finger or a key is moving the slider. */
let moving = false;

/** The sheet of small pictures: its address, how it is cut, and how many seconds a picture stands for. */
type Sheet = [address: string, columns: number, tiles: number, width: number, height: number, everyS: number];

/** Puts the controls into the page and wires them. */
export function openControls(toggle: () => void, seek: (seconds: number) => void): void {
  const template = frame.querySelector("template")!;
  template.replaceWith(template.content);
  slider = find("position");
  slider.oninput = move;
  slider.onchange = () => letGo(seek);
  on(window, "keyup blur", () => letGo(seek));
  on(document, "keydown", (event) => press(event as KeyboardEvent, toggle));
  wireButtons(toggle);
}

/** The position that the slider shows, in seconds. */
export function shown(): number {
  return slider.valueAsNumber;
}

/** Shows a position, unless the slider is being moved. */
export function position(seconds: number): void {
  if (moving) return;
  slider.valueAsNumber = seconds;
  label();
}

/** Says `text` in the line under the picture. */
export function tell(text: string): void {
  const status = find("status");
  if (status.textContent !== text) status.textContent = text;
}

function label(): void {
  const text = clock(shown()) + " / " + clock(Number(slider.max));
  find("time").textContent = text;
  slider.setAttribute("aria-valuetext", text);
}

function move(): void {
  moving = true;
  label();
  preview();
}

/** The time to which the slider was moved, above it, with the small picture of that moment: its sheet is fetched when it is first shown. */
function preview(): void {
  const strip = find("strip");
  const { sheet } = strip.dataset;
  const seconds = shown();
  const share = seconds / Number(slider.max);
  let look = `left:${slider.offsetLeft + share * slider.offsetWidth}px;transform:translate(-${share * 100}%)`;
  if (sheet && !connection.saveData) {
    const [address, columns, tiles, width, height, everyS] = JSON.parse(sheet) as Sheet;
    const tile = Math.min(tiles - 1, (seconds / everyS) | 0);
    look += `;width:${width}px;height:${height}px;background:url(${address}) -${(tile % columns) * width}px -${((tile / columns) | 0) * height}px`;
  }
  strip.style.cssText = look;
  strip.textContent = clock(seconds);
  strip.hidden = false;
}

function letGo(seek: (seconds: number) => void): void {
  if (!moving) return;
  moving = false;
  find("strip").hidden = true;
  seek(shown());
}

function wireButtons(toggle: () => void): void {
  const play = find("play");
  const big = find("big");
  const full = find("full");
  const view: FullScreen = frame;
  const page: FullScreenPage = document;
  play.onclick = big.onclick = video.onclick = find("still").onclick = toggle;
  on(video, "play pause", () => {
    play.setAttribute("aria-pressed", `${!video.paused}`);
    if (!video.paused) big.hidden = true;
  });
  const enter = view.requestFullscreen || view.webkitRequestFullscreen;
  full.hidden = !enter; // an iPhone has neither
  full.onclick = () => {
    const open = page.fullscreenElement || page.webkitFullscreenElement;
    if (open) (page.exitFullscreen || page.webkitExitFullscreen)!.call(page);
    else enter.call(view);
  };
  find("speed").onchange = () => faster(0);
}

/** So many steps up the menu of speeds. */
function faster(steps: number): void {
  const { options, selectedIndex } = find<HTMLSelectElement>("speed");
  const option = options[selectedIndex + steps];
  if (!option) return;
  option.selected = true;
  video.defaultPlaybackRate = video.playbackRate = Number(option.value);
}

/** Elements that a key belongs to; the blank presses buttons and links too. */
const TYPING = "input:not(.player-position),textarea,select";

function press(event: KeyboardEvent, toggle: () => void): void {
  const { key, target } = event;
  const own = (target as Element).matches(key === " " ? TYPING + ",button,a,summary" : TYPING);
  if (own || event.ctrlKey || event.altKey || event.metaKey) return;
  const by = (seconds: number) => (): void => {
    slider.valueAsNumber += seconds;
    move();
  };
  const actions: Record<string, () => void> = {
    " ": toggle,
    k: toggle,
    j: by(-10),
    l: by(10),
    arrowleft: by(-5),
    arrowright: by(5),
    c: nextCaptions,
    f: () => find("full").click(),
    "<": () => faster(-1),
    ">": () => faster(1),
  };
  const action = actions[key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
}
