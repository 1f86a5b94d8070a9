// axe on every view in both themes and at phone width; every action by keyboard alone.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import { start } from "../mock/server.mjs";
import { launch, signIn, watch } from "../scripts/browser.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds on the page now, in words. */
async function violations(page) {
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 160))]);
  });
  return found;
}

const VIEWS = {
  profiles: "",
  "one profile": "?profile=corp",
  intune: "?tab=intune",
  activity: "?tab=activity",
  certificates: "?tab=certificates",
  requests: "?tab=requests",
  server: "?tab=server",
};

/** Opens what a view can open; what remains open is checked too. */
const OPENED = {
  "trust anchors": async (page, url) => {
    await page.goto(`${url}/scep?tab=intune`);
    for (const fold of await page.locator("summary").all()) await fold.click();
  },
  "what counters mean": async (page, url) => {
    await page.goto(`${url}/scep?tab=intune&profile=corp`);
    await page.getByText("What these count").click();
  },
  "a failure": async (page, url) => {
    await page.goto(`${url}/scep?tab=intune&profile=corp`);
    for (const opener of (await page.locator(".opener").all()).slice(0, 6)) await opener.click();
  },
  "the reload dialog with an error": async (page, url) => {
    await page.goto(`${url}/scep?tab=intune`);
    await page.getByRole("button", { name: "Reload trust anchor of corp" }).click();
    await page.getByRole("button", { name: "Reload", exact: true }).click();
    await page.getByRole("alert").waitFor();
  },
  "the question before revocations are released": async (page, url) => {
    await page.goto(`${url}/scep?tab=intune`);
    await page.getByRole("button", { name: "Revoke them for fabrikam" }).click();
    await page.getByRole("dialog").waitFor();
  },
  "a timeline": async (page, url) => {
    await page.goto(`${url}/scep?tab=activity&timeline=common_name:pump-77`);
    await page.locator(".step").first().waitFor();
    await page.getByRole("button", { name: "Everything" }).first().click();
  },
  "a certificate": async (page, url) => {
    await page.goto(`${url}/scep?tab=certificates`);
    await page.locator(".c-name a").first().click();
    await page.getByRole("button", { name: "Revoke" }).waitFor();
    for (const fold of await page.locator(".sheet summary").all()) await fold.click();
  },
  "the revoke dialog": async (page, url) => {
    await page.goto(`${url}/scep?tab=certificates`);
    await page.locator(".c-name a").first().click();
    await page.getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("dialog", { name: "Revoke this certificate?" }).waitFor();
  },
  "the deny dialog": async (page, url) => {
    await page.goto(`${url}/scep?tab=requests`);
    await page.getByRole("button", { name: /^Deny/ }).first().click();
  },
  "the checks": async (page, url) => {
    await page.goto(`${url}/scep?tab=server`);
    await page.getByRole("button", { name: "Run now" }).click();
    await page.locator(".findings").waitFor();
  },
  "a new token": async (page, url) => {
    await page.goto(`${url}/scep?tab=server`);
    await page.getByRole("button", { name: "Make a token" }).click();
  },
};

for (const [theme, width] of [
  ["light", 1280],
  ["dark", 768],
  ["dark", 390],
]) {
  describe(`axe, ${theme} at ${width}`, () => {
    let mock;
    let chromium;
    let page;
    let troubles;

    before(async () => {
      mock = await start({ hostile: true });
      mock.state.bad.add("corp");
      chromium = await launch({
        colorScheme: theme,
        viewport: { width, height: 860 },
        reducedMotion: "reduce",
        // axe is put into the page from outside, which the page's own policy forbids.
        bypassCSP: true,
      });
      ({ page } = chromium);
      troubles = watch(page, mock.url);
      await chromium.browser.addInitScript(AXE);
    });
    after(async () => {
      await chromium.close();
      await mock.stop();
    });

    async function check() {
      await page.waitForLoadState("networkidle");
      assert.deepEqual(await violations(page), []);
      assert.deepEqual(troubles, []);
    }

    it("the sign-in, and a wrong token", async () => {
      await page.goto(`${mock.url}/scep`);
      await check();
      await page.getByLabel("Admin token").fill("wrong");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("alert").waitFor();
      await check();
    });

    it("the banner for a viewer", async () => {
      await signIn(page, mock.url, "viewer");
      await page.getByText("Admin access required").waitFor();
      await check();
      await page.getByRole("button", { name: "Sign out" }).first().click();
    });

    it("every view", async (t) => {
      await signIn(page, mock.url);
      for (const [name, query] of Object.entries(VIEWS)) {
        await t.test(name, async () => {
          await page.goto(`${mock.url}/scep${query}`);
          await check();
        });
      }
    });

    it("everything opened", async (t) => {
      for (const [name, open] of Object.entries(OPENED)) {
        await t.test(name, async () => {
          await open(page, mock.url);
          await check();
        });
      }
    });

    it("nothing there, and nothing loads", async () => {
      const full = { ...mock.state };
      Object.assign(mock.state, { profiles: [], events: [], certificates: [], requests: [] });
      for (const query of Object.values(VIEWS)) {
        await page.goto(`${mock.url}/scep${query}`);
        await check();
      }
      Object.assign(mock.state, full, { failing: true });
      for (const query of Object.values(VIEWS)) {
        await page.goto(`${mock.url}/scep${query}`);
        await page.getByRole("alert").first().waitFor();
        await check();
      }
      mock.state.failing = false;
    });
  });
}

describe("by keyboard alone", () => {
  let mock;
  let chromium;
  let page;

  before(async () => {
    mock = await start();
    chromium = await launch({ reducedMotion: "reduce" });
    ({ page } = chromium);
  });
  after(async () => {
    await chromium.close();
    await mock.stop();
  });

  /** Presses Tab until the named thing has the focus. */
  async function tabTo(name, most = 120) {
    for (let press = 0; press < most; press++) {
      await page.keyboard.press("Tab");
      const here = await page.evaluate(() => {
        const it = document.activeElement;
        const label = it.labels?.[0]?.textContent;
        return (it.getAttribute("aria-label") ?? label ?? it.textContent).trim();
      });
      if (typeof name === "string" ? here === name : name.test(here)) return;
    }
    assert.fail(`Tab never reached ${name}`);
  }

  it("signs in, opens a failure and its timeline, and comes back", async () => {
    await page.goto(`${mock.url}/scep/intune`);
    await page.getByLabel("Admin token").waitFor();
    await tabTo("Admin token");
    await page.keyboard.type("admin");
    await page.keyboard.press("Enter");
    await page.locator(".opener").first().waitFor();
    await tabTo(/^Details of/);
    await page.keyboard.press("Enter");
    await tabTo("Timeline of this device");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Timeline" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    const back = await page.evaluate(() => document.activeElement.textContent);
    assert.equal(back, "Timeline of this device");
  });

  it("reloads a trust anchor", async () => {
    await page.goto(`${mock.url}/scep/intune`);
    await page.getByRole("button", { name: /Reload trust anchor of corp/ }).waitFor();
    await tabTo(/^Reload trust anchor of corp/);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await tabTo("Reload", 10);
    await page.keyboard.press("Enter");
    await page.getByText(/were read again/).waitFor();
    assert.equal(await page.getByRole("dialog").count(), 0);
  });

  it("changes the tab, picks chips, revokes and approves", async () => {
    await page.goto(`${mock.url}/scep`);
    await page.getByRole("tab", { name: "Profiles" }).waitFor();
    await tabTo("Profiles");
    for (const next of ["Intune Monitoring", "Recent Activity"]) {
      await page.keyboard.press("ArrowRight");
      await page.waitForFunction((name) => document.activeElement.textContent === name, next);
    }
    await page.keyboard.press("Enter");
    await page.waitForURL(/tab=activity/);
    await page.locator("table.events").waitFor();
    await tabTo("All");
    await page.keyboard.press("ArrowRight");
    assert.ok(await page.getByRole("radio", { name: "Initial" }).isChecked());

    await page.goto(`${mock.url}/scep?tab=certificates`);
    await page.locator(".c-name a").first().waitFor();
    const name = await page.locator(".c-name a").first().textContent();
    await tabTo(name);
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Revoke" }).waitFor();
    await tabTo("Revoke", 20);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Revoke this certificate?" }).waitFor();
    await tabTo("Revoke certificate", 10);
    await page.keyboard.press("Enter");
    await page.getByText("The certificate is revoked.").waitFor();
    await page.keyboard.press("Escape");

    await page.goto(`${mock.url}/scep?tab=requests`);
    await page
      .getByRole("button", { name: /^Approve/ })
      .first()
      .waitFor();
    await tabTo(/^Approve/);
    await page.keyboard.press("Enter");
    await tabTo("Approve request", 10);
    await page.keyboard.press("Enter");
    await page.getByText("The request is approved.").waitFor();
  });
});
