// After the build: the page's own script must stay small, and what packs well is packed for the
// server to send as it is.

import { readdir, readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const LIMIT = 250_000;
const assets = new URL("../dist/assets/", import.meta.url);

let script = 0;
for (const name of await readdir(assets)) {
  if (!/\.(js|css)$/.test(name)) continue;
  const packed = gzipSync(await readFile(new URL(name, assets)), { level: 9 });
  await writeFile(new URL(`${name}.gz`, assets), packed);
  if (name.endsWith(".js")) script += packed.length;
}
console.log(`script: ${script} bytes packed, of ${LIMIT} allowed`);
if (script > LIMIT) process.exit(1);
