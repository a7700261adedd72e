// Proves that the built player runs on Chrome 70: syntax no newer than ES2018, and no property or global that every
// interface which has it got later, unless it stands in ALLOWED with its reason. Also its weight.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { parse } from "acorn";
import { full } from "acorn-walk";
import { browserNames, here, ownNames } from "./names.mjs";

const CHROME = 70;
const MOST_GZIPPED = 8192; // all JavaScript of the lesson's page: docs/decisions/0005-the-player.md
const ALLOWED = {
  requestFullscreen: "webkitRequestFullscreen stands beside it",
  exitFullscreen: "webkitExitFullscreen stands beside it",
  fullscreenElement: "webkitFullscreenElement stands beside it",
};

const code = readFileSync(process.argv[2] || join(here, "..", "static", "built", "player.js"), "utf8");
const { members, globals } = browserNames();
// The library that tsc is given holds no newer JavaScript; a browser member that we happen to name ourselves is not judged.
const own = process.argv[2] ? new Set() : ownNames();

const problems = [];
let tree;
try {
  tree = parse(code, { ecmaVersion: 2018 });
} catch (error) {
  problems.push(`syntax newer than ES2018: ${error.message}`);
}
function judge(map, name, kind) {
  const version = map.get(name);
  if (version > CHROME && !(name in ALLOWED) && !own.has(name)) problems.push(`${kind} ${name} needs Chrome ${version}`);
}
if (tree) {
  full(tree, (node) => {
    if (node.type === "MemberExpression" && !node.computed) judge(members, node.property.name, "member");
    if (node.type === "Identifier" && /^([A-Z]\w{3,}|queueMicrotask|structuredClone|globalThis)$/.test(node.name)) judge(globals, node.name, "global");
  });
}
const weight = gzipSync(code, { level: 9 }).length;
if (weight > MOST_GZIPPED) problems.push(`${weight} bytes gzipped, more than ${MOST_GZIPPED}`);
console.log(`player.js: ${code.length} bytes, ${weight} gzipped`);
for (const problem of new Set(problems)) console.error(`player.js: ${problem}`);
process.exit(problems.length ? 1 : 0);
