// Builds into static/built/: the style sheets, player.js, uploader.js, and light-copy.js, which the uploader loads only when a light
// copy is made; keeper.js, kept-here.js, sw.js and the icons, for lessons that are kept on a device. `--tests FOLDER` bundles the unit tests of all three there instead.
import { build } from "esbuild";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { icon } from "../keeper/icons.mjs";
import { common, here, playerText } from "./names.mjs";

const uploader = join(here, "..", "uploader");
const keeper = join(here, "..", "keeper");

/** The style sheets, shortened; the player's stands behind the pages' own in one file. Fonts stay where they are. */
async function styles(built) {
  const shortened = { ...common, minify: true, external: ["../fonts/*"] };
  const contents = '@import "./styles/eduhub.css"; @import "./player/player.css";';
  await build({ ...shortened, stdin: { contents, resolveDir: join(here, ".."), loader: "css" }, outfile: join(built, "eduhub.css") });
  const others = ["desk", "sign_in"].map((name) => join(here, "..", "styles", `${name}.css`));
  await build({ ...shortened, entryPoints: others, outdir: built });
}

if (process.argv[2] === "--tests") {
  const entryPoints = [];
  for (const folder of [here, uploader, keeper].map((room) => join(room, "tests")))
    for (const name of await readdir(folder)) if (name.endsWith(".test.ts")) entryPoints.push({ in: join(folder, name), out: name.slice(0, -3) });
  await build({
    ...common,
    entryPoints,
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
  await writeFile(join(built, "player.js"), await playerText());
  await styles(built);
  const minified = { ...common, outdir: built, minify: true, legalComments: "none" };
  await build({ ...minified, entryPoints: { uploader: join(uploader, "main.ts") }, format: "iife" });
  await build({ ...minified, entryPoints: { "light-copy": join(uploader, "light-copy.ts") }, format: "esm", target: "es2022", drop: ["console"] });
  const kept = { keeper: join(keeper, "main.ts"), "kept-here": join(keeper, "kept-here.ts"), sw: join(keeper, "worker.ts") };
  await build({ ...minified, entryPoints: kept, format: "iife", mangleProps: /^_/ });
  for (const size of [192, 512]) await writeFile(join(built, `icon-${size}.png`), icon(size));
}
