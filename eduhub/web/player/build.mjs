// Builds static/built/player.js and player.css. `--tests FOLDER` bundles the unit tests there instead.
import { build } from "esbuild";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { here, privateNames } from "./names.mjs";

const common = { bundle: true, target: ["chrome70", "es2018"], charset: "utf8", logLevel: "warning" };

if (process.argv[2] === "--tests") {
  const names = (await readdir(join(here, "tests"))).filter((name) => name.endsWith(".test.ts"));
  await build({
    ...common,
    entryPoints: names.map((name) => join(here, "tests", name)),
    outdir: process.argv[3],
    outExtension: { ".js": ".mjs" },
    format: "esm",
    platform: "node",
    target: "node18",
    sourcemap: "inline",
  });
} else {
  const built = join(here, "..", "static", "built");
  await mkdir(built, { recursive: true });
  await build({
    ...common,
    entryPoints: { player: join(here, "main.ts") },
    outdir: built,
    format: "iife",
    minify: true,
    legalComments: "none",
    mangleProps: new RegExp(`^(${privateNames().join("|")})$`),
  });
  await build({ ...common, entryPoints: { player: join(here, "player.css") }, outdir: built, minify: true });
}
