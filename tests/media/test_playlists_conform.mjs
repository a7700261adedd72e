// Reads playlists with hls-parser in its strict mode: node test_playlists_conform.mjs FILE...
// Prints one JSON list: for each file null, or what is wrong with it.
import { readFileSync } from "node:fs";
import * as HLS from "hls-parser";

HLS.setOptions({ strictMode: true, silent: true });
const found = process.argv.slice(2).map((path) => {
  try {
    const read = HLS.parse(readFileSync(path, "utf8"));
    return read.isMasterPlaylist || read.segments.length ? null : "no segment";
  } catch (error) {
    return String(error.message || error);
  }
});
console.log(JSON.stringify(found));
