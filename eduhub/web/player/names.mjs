// What the build, its check and its test share: how the script is bundled, which members browsers have and since when,
// and which we declare.
import { build } from "esbuild";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { minify } from "terser";

export const here = dirname(fileURLToPath(import.meta.url));
const bcd = createRequire(import.meta.url)("@mdn/browser-compat-data");

export const common = { bundle: true, target: ["chrome70", "es2018"], charset: "utf8", logLevel: "warning" };

/** Members of ours that are shortened though they are not private: no browser and no JSON has them. */
const OURS = "audioBps|audios|batches|bps|book|bridged|held|holds|keepOnly|lastBps|offsets|reached|reconcile|reserve|spans|starts|startAt|videos|whole";

/** How player.js is made. A member is shortened when its name begins with "_", which none of a browser's and no JSON key does, or is in OURS. */
export const script = {
  ...common,
  entryPoints: { player: join(here, "main.ts") },
  format: "iife",
  minify: true,
  legalComments: "none",
  mangleProps: new RegExp(`^_|^(${OURS})$`),
};

/** The text of player.js: bundled and shortened by esbuild, and once more by terser, which finds what the first leaves. */
export async function playerText(options = script) {
  const { outputFiles } = await build({ ...options, outdir: here, write: false });
  const text = outputFiles[0].text.replace(/^"use strict";/, ""); // the checker holds what it would forbid
  const { code } = await minify(text, { ecma: 2017, compress: { passes: 3 }, format: { comments: false } });
  return code;
}

/** First version of Chrome that has a feature; Infinity when none has it under this name. */
function since(feature) {
  const support = feature.__compat && feature.__compat.support.chrome;
  const versions = (Array.isArray(support) ? support : [support])
    .filter((row) => row && row.version_added && !row.flags && !row.prefix && !row.alternative_name)
    .map((row) => parseFloat(String(row.version_added).replace("≤", "")) || 0);
  return Math.min(Infinity, ...versions);
}

function note(map, name, version) {
  map.set(name, Math.min(version, map.has(name) ? map.get(name) : Infinity));
}

/** `members` and `globals`: name -> the earliest Chrome in which any interface has it. */
export function browserNames() {
  const members = new Map();
  const globals = new Map();
  for (const family of [bcd.api, bcd.javascript.builtins]) {
    for (const [name, owner] of Object.entries(family)) {
      if (name.startsWith("__")) continue;
      note(globals, name, since(owner));
      for (const [member, feature] of Object.entries(owner))
        if (feature.__compat && !member.startsWith("__")) note(members, member.replace(/_static$|_event$/, ""), since(feature));
    }
  }
  return { members, globals };
}

function sources() {
  const folders = [here, join(here, "..", "keeper")];
  const paths = folders.flatMap((folder) => readdirSync(folder).filter((name) => name.endsWith(".ts")).map((name) => join(folder, name)));
  return paths.map((path) => readFileSync(path, "utf8"));
}

/** Every member that the classes and interfaces of the player and of the keeping scripts declare. */
export function ownNames() {
  const names = sources().flatMap((text) => Array.from(text.matchAll(/^\s+(?:(?:private|readonly|async|get) )*(\w+)[?]?(?:[(:;<]| =)/gm), (m) => m[1]));
  return new Set(names);
}
