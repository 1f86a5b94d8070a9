// A stand-in for scepd: the built page with the headers it is served with, and the admin API over
// made-up data. For looking at the page, and for tests of what needs a real browser.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { answer } from "./api.mjs";
import { world } from "./data.mjs";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const PAGE_RS = new URL("../../src/http/page.rs", import.meta.url);

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

/** The very policy of the server, read from where it is written. */
async function policy() {
  const source = await readFile(PAGE_RS, "utf8");
  const text = /const POLICY: &str =\s*"([^"]*)"/.exec(source)?.[1];
  if (!text) throw new Error("no Content-Security-Policy found in src/http/page.rs");
  return text.replace(/\\\n\s*/g, "");
}

/**
 * Starts the mock. The tokens "admin" and "viewer" sign in.
 * `state` is what it answers from; a test may change it while it runs.
 */
export async function start({ port = 0, ...options } = {}) {
  const csp = await policy();
  const state = {
    ...world(options),
    /** Profiles whose trust file is bad. */
    bad: new Set(),
    /** Whether every admin route answers 500. */
    failing: false,
    /** Method and path of every API request. */
    seen: [],
    sessions: new Map(),
  };
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://mock");
    response.setHeader("Content-Security-Policy", csp);
    response.setHeader("X-Content-Type-Options", "nosniff");
    try {
      if (url.pathname.startsWith("/api/v1/")) {
        state.seen.push(`${request.method} ${url.pathname}`);
        await answer(state, request, url, response);
      } else {
        await file(url.pathname, response);
      }
    } catch (error) {
      console.error(error);
      response.writeHead(500).end();
    }
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://localhost:${server.address().port}`,
    state,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  };
}

async function file(path, response) {
  let name;
  if (path === "/scep" || path === "/scep/intune") name = "index.html";
  else if (path.startsWith("/scep-ui/")) name = normalize(path.slice("/scep-ui/".length));
  if (!name || name.startsWith("..")) return response.writeHead(404).end();
  try {
    const body = await readFile(join(DIST, name));
    const type = TYPES[extname(name)] ?? "application/octet-stream";
    response.writeHead(200, { "Content-Type": type }).end(body);
  } catch {
    response.writeHead(404).end();
  }
}
