// The page 'Kept on this device': keeps the lesson that its address names (/kept#<lesson>), and lists what is here.

import { choicesOf, voicesOf, type Choice } from "./choices.js";
import { Entry, why, type Page } from "./entry.js";
import { begin, freshen, look, promised, room, type Seen } from "./keeping.js";
import type { Kept } from "./store.js";
import * as store from "./store.js";
import { mb, titleOf, wordsOf } from "./text.js";
import { HERE, noteTurn, save, stored, type Here } from "./turn.js";

const UNDO_MS = 8000;
/** A lesson that is whole is not asked for more often: twenty of them would cost a weak link a minute each time. */
const LOOK_AGAIN_MS = 86_400_000;

const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const words = wordsOf(byId("words"));
const entries: Entry[] = [];

function plays({ type, codec }: store.Part): boolean {
  const whole = type.includes("codecs") || !codec ? type : `${type}; codecs="${codec}"`;
  return "MediaSource" in window && MediaSource.isTypeSupported(whole);
}

function title(kept: { titles: Record<string, string>; language: string }): string {
  return titleOf(kept, document.documentElement.lang).text;
}

function tell(key: string): void {
  const line = byId("wrong");
  line.textContent = key && words(key);
  line.hidden = !key;
}

// --- the list -----------------------------------------------------------------------

const page: Page = { words, changed: () => void changed(), remove: (entry) => void removeLater(entry), newer: (entry) => void fetchNewer(entry) };

function add(kept: Kept, state: store.State): Entry {
  const entry = new Entry(kept, state, page);
  entries.push(entry);
  byId("list").append(entry.row.element);
  return entry;
}

function takeOut(entry: Entry): void {
  entry.row.element.remove();
  entries.splice(entries.indexOf(entry), 1);
}

/** Says it to the worker and to the lesson's pages, and shows what there is now. */
async function changed(): Promise<void> {
  const whole = await store.readAll("whole");
  for (const entry of entries.slice()) {
    const newer = entries.some((one) => one !== entry && one.kept.lesson === entry.kept.lesson && one.state === "whole");
    if (newer && entries.indexOf(entry) < entries.length - 1 && !whole.some(({ package: id }) => id === entry.kept.package)) takeOut(entry);
  }
  const here: Here = {};
  for (const kept of whole) here[kept.lesson] = { package: kept.package, names: kept.parts.map(({ name }) => name), title: title(kept) };
  save(HERE, here);
  const any = whole.length || (await store.readAll("coming")).length;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `eduhub_kept=1; Path=/; SameSite=Lax${secure}; Max-Age=${any ? 31_536_000 : 0}`;
  const registration = await navigator.serviceWorker.getRegistration("/");
  if (registration && registration.active) registration.active.postMessage("changed");
  if (registration && !any) await registration.unregister();
  if (any) await noteTurn().catch(() => undefined); // no connection: the next page asks
  await showRoom();
}

async function showRoom(): Promise<void> {
  const none = !entries.length;
  byId("list").hidden = none;
  byId("empty").hidden = !none || !byId("new").hidden;
  byId("heading").hidden = none && !byId("new").hidden;
  const line = byId("room");
  const free = await room();
  line.hidden = none || free === null;
  if (none || free === null) return;
  const kept = entries.filter(({ state }) => state === "whole").reduce((sum, entry) => sum + store.bytesOf(entry.kept), 0);
  const said = [kept && words("kept", { mb: mb(kept) }), words("room", { free: mb(free) }), words((await promised(false)) ? "stays" : "may_go")];
  line.textContent = said.filter(Boolean).join(" ");
}

/** Removes a lesson, unless that is taken back within some seconds. */
async function removeLater(entry: Entry): Promise<void> {
  entry.halt();
  entry.row.element.hidden = true;
  const line = byId("gone-back");
  line.querySelector("span")!.textContent = words("removed", { title: title(entry.kept) });
  line.hidden = false;
  const back = new Promise<boolean>((resolve) => {
    line.querySelector("button")!.onclick = () => resolve(true);
    setTimeout(resolve, UNDO_MS, false);
  });
  const stays = await back;
  line.hidden = true;
  entry.row.element.hidden = !stays;
  if (stays) {
    if (entry.state === "coming" && !entry.kept.stopped) await entry.go();
    return;
  }
  takeOut(entry);
  await store.remove(entry.kept.lesson);
  await changed();
}

// --- a lesson that is wanted ----------------------------------------------------------

/** The worker first: a browser that refuses it cannot play what it would keep. */
async function worker(): Promise<boolean> {
  try {
    await navigator.serviceWorker.register("/sw.js");
    return true;
  } catch (error) {
    console.warn(error);
    tell("no_worker");
    return false;
  }
}

async function keep(seen: Seen, choice: Choice): Promise<void> {
  if (!(await worker())) return;
  await promised(true);
  const same = entries.find(({ kept, state }) => kept.lesson === seen.offer.lesson && state === "coming");
  if (same) {
    same.halt();
    takeOut(same);
  }
  byId("new").hidden = true;
  history.replaceState(null, "", "/kept");
  try {
    const entry = add(await begin(seen, choice, nameOf(choice)), "coming");
    await changed();
    await entry.show();
    await entry.go();
  } catch (error) {
    tell(why(error));
  }
}

function nameOf({ name, height }: Choice): string {
  return height ? height + "p" : words(name);
}

/** Shows the qualities of a lesson with what each costs. */
async function offer(seen: Seen): Promise<void> {
  const { lang, text } = titleOf(seen.offer, document.documentElement.lang);
  byId("new-title").lang = lang;
  byId("new-title").textContent = text;
  const voices = voicesOf(seen.offer);
  const voice = byId<HTMLSelectElement>("voice");
  voices.forEach((one) => voice.add(new Option(languageName(one), one)));
  byId("voices").hidden = voices.length < 2;
  const free = await room();
  let choices: Choice[] = [];
  let chosen: Choice | undefined;
  const show = (): void => {
    choices = choicesOf(seen.offer, voice.value || seen.offer.language, plays);
    chosen = choices.find(({ name }) => chosen && chosen.name === name) || choices[0];
    byId("choices").replaceWith(radios());
    price();
  };
  const price = (): void => {
    byId("keep").textContent = words("keep", { mb: chosen ? mb(chosen.bytes) : "0" });
    byId<HTMLButtonElement>("keep").disabled = !chosen;
    const tight = byId("tight");
    tight.hidden = !chosen || free === null || free > chosen.bytes * 1.05;
    tight.textContent = words("too_small", { free: mb(free || 0) });
  };
  const radios = (): HTMLElement => {
    const box = document.createElement("div");
    box.id = "choices";
    for (const choice of choices) {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "choice", value: choice.name });
      input.checked = choice === chosen;
      input.onchange = () => {
        chosen = choice;
        price();
      };
      label.append(input, " ", words("choice_mb", { choice: nameOf(choice), mb: mb(choice.bytes) }));
      box.append(label, document.createElement("br"));
    }
    return box;
  };
  voice.onchange = show;
  show();
  byId("choose").onsubmit = (event) => {
    event.preventDefault();
    if (chosen) void keep(seen, chosen);
  };
  byId("new").hidden = false;
}

function languageName(tag: string): string {
  return ({ en: "English", zh: "中文", bo: "བོད་ཡིག" } as Record<string, string>)[tag] || tag;
}

/** Fetches the newer version of a lesson in the quality that is here; the old one plays until that is whole. */
async function fetchNewer(entry: Entry): Promise<void> {
  try {
    const seen = await look(entry.kept.lesson);
    const again = newest(entry, seen);
    if (again) await keep(seen, again);
  } catch (error) {
    entry.row.tell(words(why(error)), true);
  }
}

function newest({ kept }: Entry, seen: Seen): Choice | undefined {
  const voice = kept.parts.find(({ kind }) => kind === "audio");
  const choices = choicesOf(seen.offer, (voice && voice.language) || seen.offer.language, plays);
  return choices.find(({ name }) => name === kept.choice) || choices[0];
}

/** Asks the server about a lesson that is whole here: is there a newer version, and what would it cost? */
async function lookForNewer(entry: Entry): Promise<void> {
  if (Math.abs(Date.now() - (entry.kept.looked_ms || 0)) < LOOK_AGAIN_MS) return;
  const seen = await look(entry.kept.lesson);
  if (seen.offer.package === entry.kept.package) entry.kept = await freshen(entry.kept, seen);
  const again = seen.offer.package === entry.kept.package ? undefined : newest(entry, seen);
  const button = entry.row.button("newer");
  button.hidden = !again;
  if (!again) return;
  const have = new Set(entry.kept.parts.map(({ sha256 }) => sha256));
  const bytes = again.parts.filter(({ sha256 }) => !have.has(sha256)).reduce((sum, part) => sum + part.bytes, 0);
  button.textContent = words("newer", { mb: mb(bytes) });
}

// --- at the start ---------------------------------------------------------------------

/** What the server took back goes at once; what the browser cleared away is told. Rejects without a connection. */
async function contact(): Promise<void> {
  const here = stored<Here>(HERE) || {};
  const missing = Object.keys(here).filter((lesson) => !entries.some(({ kept, state }) => kept.lesson === lesson && state === "whole"));
  const uids = Array.from(new Set(entries.map(({ kept }) => kept.lesson).concat(missing)));
  if (!uids.length) return;
  const answer = await fetch("/kept/withdrawn?lessons=" + uids.join(), { cache: "no-store" });
  if (!answer.ok) throw new Error("no answer");
  const { withdrawn } = (await answer.json()) as { withdrawn: string[] };
  for (const entry of entries.slice())
    if (withdrawn.includes(entry.kept.lesson)) {
      takeOut(entry);
      await store.remove(entry.kept.lesson);
    }
  const lost = (away: boolean): string[] => missing.filter((lesson) => withdrawn.includes(lesson) === away).map((lesson) => here[lesson]!.title);
  const lines = [lost(true).length && words("taken_back", { titles: lost(true).join(", ") }), lost(false).length && words("cleared", { titles: lost(false).join(", ") })];
  byId("lost").textContent = lines.filter(Boolean).join(" ");
  byId("lost").hidden = !lines.some(Boolean);
}

async function wanted(): Promise<void> {
  const lesson = location.hash.slice(1);
  if (!/^[0-9a-f-]{36}$/.test(lesson) || entries.some(({ kept, state }) => kept.lesson === lesson && state === "coming")) return;
  try {
    await offer(await look(lesson));
  } catch (error) {
    tell(why(error));
  }
}

async function start(): Promise<void> {
  if (!window.isSecureContext || !("serviceWorker" in navigator) || !("caches" in window)) {
    tell("no_worker");
    return;
  }
  for (const kept of await store.readAll("whole")) add(kept, "whole");
  for (const kept of await store.readAll("coming")) add(kept, "coming");
  for (const entry of entries) await entry.show();
  await showRoom();
  await wanted();
  await contact().catch(() => void (byId("no-answer").hidden = false));
  if (entries.length || stored(HERE)) await changed();
  await showRoom();
  for (const entry of entries.slice()) if (entry.state === "coming" && !entry.kept.stopped) void entry.go();
  for (const entry of entries.slice()) if (entry.state === "whole") await lookForNewer(entry).catch(() => undefined);
}

window.addEventListener("hashchange", () => void wanted());
start().catch((error) => {
  console.error(error);
  tell("no_answer");
});
