// Writes a .br and a .gz beside every static file that gets smaller by it. The same file gives the same bytes again on
// any machine; what has no source any more, or would not be smaller, is removed.
import { readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { here } from "./names.mjs";

const PACKABLE = /\.(css|js|mjs|svg|json|txt|ttf|otf)$/;
const folder = process.argv[2] || join(here, "..", "static");

function packed(bytes) {
  const gz = gzipSync(bytes, { level: 9 });
  gz[9] = 255; // the system it was made on: unknown
  const br = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
  return { ".gz": gz, ".br": br };
}

async function put(path, bytes) {
  const old = await readFile(path).catch(() => null);
  if (old && old.equals(bytes)) return;
  const fresh = `${path}.${process.pid}.new`;
  await writeFile(fresh, bytes);
  await rename(fresh, path); // a server that runs reads the old file or the new one
}

const paths = (await readdir(folder, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
const wanted = new Set();
for (const path of paths.filter((name) => PACKABLE.test(name))) {
  const bytes = await readFile(path);
  for (const [end, made] of Object.entries(packed(bytes))) {
    if (made.length > 0.95 * bytes.length) continue;
    await put(path + end, made);
    wanted.add(path + end);
  }
}
for (const path of paths) if (/\.(br|gz)$/.test(path) && !wanted.has(path)) await rm(path, { force: true });
