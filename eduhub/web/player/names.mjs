// What the build, its check and its test share: how the script is bundled, which members browsers have and since when,
// and which we declare.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const here = dirname(fileURLToPath(import.meta.url));
const bcd = createRequire(import.meta.url)("@mdn/browser-compat-data");

export const common = { bundle: true, target: ["chrome70", "es2018"], charset: "utf8", logLevel: "warning" };

/** How player.js is made. A member is shortened when its name begins with "_", which none of a browser's and no JSON key does. */
export const script = {
  ...common,
  entryPoints: { player: join(here, "main.ts") },
  format: "iife",
  minify: true,
  legalComments: "none",
  mangleProps: /^_/,
};

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
  return readdirSync(here).filter((name) => name.endsWith(".ts")).map((name) => [name, readFileSync(join(here, name), "utf8")]);
}

/** Every member that our classes and interfaces declare. */
export function ownNames() {
  const names = sources().flatMap(([, text]) => Array.from(text.matchAll(/^\s+(?:(?:private|readonly|async|get) )*(\w+)[?]?(?:[(:;<]| =)/gm), (m) => m[1]));
  return new Set(names);
}
