// Checks the types of the unit tests of player, uploader and keeper, bundles them, and runs them with Node's own test runner.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..", "..");
const out = join(root, ".build", "player-tests");

function run(...argv) {
  const { status } = spawnSync(process.execPath, argv, { stdio: "inherit", cwd: root, timeout: 600_000 });
  if (status !== 0) process.exit(status || 1);
}

rmSync(out, { recursive: true, force: true });
for (const folder of [here, join(here, "..", "uploader"), join(here, "..", "keeper")]) run(join(root, "node_modules", "typescript", "bin", "tsc"), "-p", join(folder, "tests"));
run(join(here, "build.mjs"), "--tests", out);
const bundled = readdirSync(out).map((name) => join(out, name));
run("--test", ...bundled, join(here, "tests", "names.test.mjs"));
