// Starts Debian's Chromium (or the one that CHROMIUM names) under playwright-core.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A browser with a profile directory of its own; `close` removes both. */
export async function launch({ args = [], ...context } = {}) {
  const directory = await mkdtemp(join(tmpdir(), "scepd-chromium-"));
  // Chromium does not sandbox itself for root, as whom containers often run.
  const root = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const browser = await chromium.launchPersistentContext(directory, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [...FLAGS, ...root, ...args],
    viewport: { width: 1280, height: 860 },
    ignoreHTTPSErrors: true,
    ...context,
  });
  return {
    browser,
    page: browser.pages()[0] ?? (await browser.newPage()),
    close: async () => {
      await browser.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Fails on what no page of ours may do: script errors, blocked resources, foreign requests. */
export function watch(page, origin) {
  const troubles = [];
  page.on("pageerror", (error) => troubles.push(`error: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    // A 4xx or 5xx that a test provokes is also written to the console.
    if (message.type() === "error" && !text.startsWith("Failed to load resource")) {
      troubles.push(`console: ${text}`);
    }
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith("data:") && !url.startsWith("blob:")) {
      troubles.push(`foreign request: ${url}`);
    }
  });
  return troubles;
}

/** Signs in with a token and waits for the page behind. */
export async function signIn(page, url, token = "admin") {
  await page.goto(`${url}/scep`);
  await page.getByLabel("Admin token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).first().waitFor();
}
