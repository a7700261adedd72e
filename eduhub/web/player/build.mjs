// Builds static/built/player.js and player.css. `--tests FOLDER` bundles the unit tests there instead.
import { build } from "esbuild";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { common, here, script } from "./names.mjs";

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
  await build({ ...script, outdir: built });
  await build({ ...common, entryPoints: { player: join(here, "player.css") }, outdir: built, minify: true });
}
