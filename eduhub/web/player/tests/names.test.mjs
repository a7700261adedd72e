// The build shortens our own private names, and nothing that a browser or a reader of JSON has to know.
import { parse } from "acorn";
import { full } from "acorn-walk";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { browserNames, here, playerText, script } from "../names.mjs";

/** Every name that a script gives to a property or reads one by. */
async function namesOf(options) {
  const names = new Set();
  full(parse(await playerText(options), { ecmaVersion: 2018 }), (node) => {
    const name = node.type === "MemberExpression" ? node.property : node.type === "Property" || node.type === "MethodDefinition" ? node.key : null;
    if (name && !node.computed) names.add(String(name.name || name.value));
  });
  return names;
}

test("only names that begin with an underscore are shortened", async () => {
  const { mangleProps, ...plainly } = script;
  const before = await namesOf(plainly);
  const after = await namesOf(script);
  const ours = [...before].filter((name) => mangleProps.test(name));
  assert.ok(ours.length > 50, `${ours.length} names of ours`);
  assert.deepEqual([...before].filter((name) => !mangleProps.test(name) && !after.has(name)), []);
  assert.deepEqual([...after].filter((name) => mangleProps.test(name) && name.length > 3), []);
});

test("no browser's name and no JSON key begins with an underscore", () => {
  const { members, globals } = browserNames();
  const page = readFileSync(join(here, "..", "..", "..", "docs", "formats", "lesson-page.md"), "utf8");
  const keys = Array.from(page.matchAll(/^\| (`.+?`) \|/gm), ([, cell]) => Array.from(cell.matchAll(/\w+/g), String)).flat();
  assert.ok(keys.includes("duration_ms") && keys.includes("no_connection"), String(keys));
  const types = Array.from(readFileSync(join(here, "lesson.ts"), "utf8").matchAll(/^ {2}(\w+)\??:/gm), ([, name]) => name);
  assert.ok(types.includes("chunk_bytes"));
  for (const name of [...members.keys(), ...globals.keys(), ...keys, ...types]) assert.doesNotMatch(name, script.mangleProps);
});

test("what is sent, kept and filled into texts keeps its name", async () => {
  const names = await namesOf(script);
  const spoken = "uid kind version lesson timeline from_ms to_ms watched_ms stalls part context made_ms subjects token events url event refusals";
  for (const name of spoken.split(" ")) assert.ok(names.has(name), name);
});
