// Proves that the scripts of a child's pages run on Chrome 70: syntax no newer than ES2018, and no property or global that
// every interface which has it got later, unless it stands in ALLOWED with its reason. Also what the lesson's page may weigh.
// `check-built.mjs FILE` checks one file, in which no name is ours.
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { parse } from "acorn";
import { full } from "acorn-walk";
import { browserNames, here, ownNames } from "./names.mjs";

const CHROME = 70;
/** Bytes gzipped: all JavaScript of the lesson's page, docs/decisions/0005-the-player.md. The others load where lessons are kept: 0014. */
const MOST = { "player.js": 8192 };
const KEEPING = ["kept-here.js", "keeper.js", "sw.js"];
const ALLOWED = {
  requestFullscreen: "webkitRequestFullscreen stands beside it",
  exitFullscreen: "webkitExitFullscreen stands beside it",
  fullscreenElement: "webkitFullscreenElement stands beside it",
  mediaSession: "asked for before it is used, as what belongs to it; Chrome on Android has it since 57",
  metadata: "of mediaSession",
  MediaMetadata: "of mediaSession",
  setActionHandler: "of mediaSession",
  artwork: "of mediaSession",
};

const { members, globals } = browserNames();

function isTooNew(map, name) {
  return map.get(name) > CHROME && !(name in ALLOWED);
}

/** What is wrong with one script. `own`: members that we declare ourselves are not judged; the library that tsc is given holds no newer JavaScript. */
function problemsOf(code, own, most = Infinity) {
  const problems = new Set();
  try {
    full(parse(code, { ecmaVersion: 2018 }), (node) => {
      const member = node.type === "MemberExpression" && !node.computed && node.property.name;
      if (member && isTooNew(members, member) && !own.has(member)) problems.add(`member ${member} needs Chrome ${members.get(member)}`);
      const global = node.type === "Identifier" && /^([A-Z]\w{3,}|caches|crypto|queueMicrotask|structuredClone|globalThis)$/.test(node.name) && node.name;
      if (global && isTooNew(globals, global)) problems.add(`global ${global} needs Chrome ${globals.get(global)}`);
    });
  } catch (error) {
    problems.add(`syntax newer than ES2018: ${error.message}`);
  }
  const weight = gzipSync(code, { level: 9 }).length;
  if (weight > most) problems.add(`${weight} bytes gzipped, more than ${most}`);
  console.log(`${code.length} bytes, ${weight} gzipped`);
  return problems;
}

const built = join(here, "..", "static", "built");
const files = process.argv[2] ? [process.argv[2]] : Object.keys(MOST).concat(KEEPING).map((name) => join(built, name));
const own = process.argv[2] ? new Set() : ownNames();
for (const file of files) {
  const name = basename(file);
  process.stdout.write(`${name}: `);
  for (const problem of problemsOf(readFileSync(file, "utf8"), own, MOST[name])) {
    console.error(`${name}: ${problem}`);
    process.exitCode = 1;
  }
}
