// Hostile names, the Content-Security-Policy, no layout jump, and answers with much data.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { HOSTILE } from "../mock/data.mjs";
import { start } from "../mock/server.mjs";
import { launch, signIn, watch } from "../scripts/browser.mjs";

const VIEWS = ["", "?tab=intune", "?tab=activity", "?tab=certificates", "?tab=requests"];

describe("names from certificates", () => {
  for (const width of [1280, 768, 390]) {
    it(`are text and break no layout at ${width}`, async () => {
      const mock = await start({ hostile: true });
      const { page, close } = await launch({ viewport: { width, height: 860 } });
      try {
        const troubles = watch(page, mock.url);
        await signIn(page, mock.url);
        for (const query of VIEWS) {
          await page.goto(`${mock.url}/scep${query}`);
          await page.waitForLoadState("networkidle");
          for (const opener of (await page.locator(".opener").all()).slice(0, 5)) {
            await opener.click();
          }
          const { inner, outer, title, foreign } = await page.evaluate(() => ({
            inner: document.documentElement.scrollWidth,
            outer: document.documentElement.clientWidth,
            title: document.title,
            foreign: document.querySelectorAll("main img, main script, main iframe").length,
          }));
          assert.ok(inner <= outer, `${query}: ${inner} is wider than ${outer}`);
          assert.equal(title, "SCEP Administration");
          assert.equal(foreign, 0);
        }
        for (const name of Object.values(HOSTILE)) {
          const subject = encodeURIComponent(`common_name:${name}`);
          await page.goto(`${mock.url}/scep?tab=activity&timeline=${subject}`);
          await page.getByRole("dialog", { name: "Timeline" }).waitFor();
          await page.locator(".step").first().waitFor();
          const sheet = await page.evaluate(() => {
            const found = document.querySelector(".sheet");
            return [found.scrollWidth, found.clientWidth];
          });
          assert.ok(sheet[0] <= sheet[1], `${name.slice(0, 20)}: ${sheet}`);
        }
        assert.deepEqual(troubles, []);
      } finally {
        await close();
        await mock.stop();
      }
    });
  }
});

describe("the Content-Security-Policy", () => {
  it("allows nothing inline and nothing from elsewhere", async () => {
    const mock = await start();
    const { page, close } = await launch();
    try {
      const response = await page.goto(`${mock.url}/scep`);
      const policy = response.headers()["content-security-policy"];
      assert.match(policy, /script-src 'self'(;|$)/);
      assert.match(policy, /style-src 'self'(;|$)/);
      assert.doesNotMatch(policy, /unsafe/);
      await page.evaluate(() => {
        const script = document.createElement("p");
        try {
          script.innerHTML = "<img src=x onerror='window.owned = true'>";
        } catch (error) {
          window.refused = error.name;
        }
        document.body.append(script);
      });
      assert.equal(await page.evaluate(() => window.refused), "TypeError");
      assert.equal(await page.evaluate(() => window.owned), undefined);
    } finally {
      await close();
      await mock.stop();
    }
  });
});

describe("a refresh", () => {
  it("moves nothing", async () => {
    const mock = await start();
    const { page, close } = await launch();
    try {
      await signIn(page, mock.url);
      await page.clock.install();
      for (const query of VIEWS) {
        await page.goto(`${mock.url}/scep${query}`);
        await page.waitForLoadState("networkidle");
        await page.evaluate(async () => {
          await document.fonts.ready;
          window.moved = [];
          const said = ({ node, previousRect: from, currentRect: to }) =>
            `${node?.textContent}: ${from.x},${from.y} to ${to.x},${to.y}`;
          new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) window.moved.push(...entry.sources.map(said));
          }).observe({ type: "layout-shift", buffered: false });
        });
        for (const { intune } of mock.state.profiles) {
          if (intune) intune.counters.success += 7;
        }
        for (const refresh of await page.getByRole("button", { name: "Refresh" }).all()) {
          await refresh.click();
        }
        await page.waitForLoadState("networkidle");
        // The words change with time as well: "just now" becomes "5 s ago", "9 s ago" "10 s ago".
        for (const words of [/updated just now/i, /updated \d s ago/i, /updated \d\d s ago/i]) {
          await page.locator(".freshness").first().filter({ hasText: words }).waitFor();
          await page.clock.runFor(6000);
        }
        await page.evaluate(
          () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
        );
        assert.deepEqual(await page.evaluate(() => window.moved), [], query);
      }
    } finally {
      await close();
      await mock.stop();
    }
  });
});

describe("with 1,000 profiles and 100 rows", () => {
  /** Elements of a page with 100 rows, each with its cells and marks. */
  const LIMIT = 6000;
  let mock;
  let chromium;
  let page;

  before(async () => {
    mock = await start({ profiles: 1000, audit: 400 });
    chromium = await launch();
    ({ page } = chromium);
    await signIn(page, mock.url);
  });
  after(async () => {
    await chromium.close();
    await mock.stop();
  });

  /**
   * Each input shows its effect, and the page stays small enough to be quick: how long a frame takes depends on the
   * machine, how much there is to lay out does not. What it took is printed. Each step is what to do and a condition,
   * in the page's terms, that holds once its effect is there.
   */
  async function answers(what, steps) {
    const taken = [];
    for (const { act, shows } of steps) {
      await page.evaluate((text) => {
        const there = new Function(`return ${text}`);
        window.taken = new Promise((resolve) => {
          const begin = (event) => {
            const look = () => {
              if (!there()) return requestAnimationFrame(look);
              // A message is handled after the frame is painted.
              const channel = new MessageChannel();
              channel.port1.onmessage = () => resolve(performance.now() - event.timeStamp);
              return channel.port2.postMessage(0);
            };
            requestAnimationFrame(look);
          };
          for (const type of ["keydown", "mousedown"]) {
            addEventListener(type, begin, { capture: true, once: true });
          }
        });
      }, shows);
      await act();
      taken.push(await page.evaluate(() => window.taken));
      const elements = await page.evaluate(() => document.querySelectorAll("*").length);
      assert.ok(elements < LIMIT, `${what}: ${elements} elements`);
    }
    taken.sort((a, b) => a - b);
    const middle = taken[Math.floor(taken.length / 2)];
    console.log(`${what}: ${middle.toFixed(0)} ms, at worst ${taken.at(-1).toFixed(0)} ms`);
  }

  async function open(query, label) {
    await page.goto(`${mock.url}/scep${query}`);
    const field = page.getByLabel(label, { exact: true });
    await field.waitFor();
    await page.waitForLoadState("networkidle");
    await field.focus();
  }

  for (const query of ["", "?tab=intune"]) {
    it(`answers to typing in ${query || "profiles"}`, async () => {
      await open(query, "Find a profile");
      const letters = [..."fleet-01"];
      const steps = letters.map((letter, n) => ({
        act: () => page.keyboard.press(letter),
        shows: `document.activeElement.value.length === ${n + 1}
          && [...document.querySelectorAll(".cards h2")]
            .every((h) => h.textContent.includes("fleet-01".slice(0, ${n + 1})))`,
      }));
      await answers(`typing in ${query || "profiles"}`, steps);
    });
  }

  it("answers to typing in activity", async () => {
    await open("?tab=activity", "Search device, serial or common name");
    // One letter hides all 100 rows, the next key brings them back.
    const steps = Array.from({ length: 8 }, (_, n) => ({
      act: () => page.keyboard.press(n % 2 ? "Backspace" : "~"),
      shows: `document.querySelectorAll("tr.event").length === ${n % 2 ? 100 : 0}`,
    }));
    await answers("typing in activity", steps);
  });

  it("reaches Recent failures, past profiles that are a line each", async () => {
    await page.goto(`${mock.url}/scep?tab=intune`);
    await page.locator("tr.event").first().waitFor();
    const lines = await page.locator(".card.intune[data-open=false]").count();
    assert.equal(lines, 24);
    // Nothing is added by itself as the end comes near: the end stays where it is.
    for (let press = 0; press < 3; press++) await page.keyboard.press("End");
    const heading = page.getByRole("heading", { name: "Recent failures" });
    await heading.scrollIntoViewIfNeeded();
    assert.equal(await page.locator(".card.intune:not(.tenant)").count(), lines);
    await page.getByRole("link", { name: /^Recent failures \(\d+\+?\)/ }).click();
    await page.waitForFunction(() => document.activeElement.id === "recent-failures");
    await page.getByRole("button", { name: /^Show 24 more/ }).click();
    await page.waitForFunction(
      () => document.querySelectorAll(".card.intune:not(.tenant)").length === 48,
    );
    const place = await page.evaluate(() => {
      const list = document.querySelector(".card.intune:not(.tenant)").closest(".cards");
      return [...list.children].indexOf(document.activeElement);
    });
    assert.equal(place, 24);
  });

  it("answers to a change of the tab", async () => {
    await page.goto(`${mock.url}/scep`);
    const content = {
      "Intune Monitoring": ".card.intune:not(.tenant)",
      "Recent Activity": "tr.event",
      Profiles: ".card:not(.intune)",
    };
    // Once around, so that the data is there: what is timed is the page, not the network.
    for (const [name, selector] of Object.entries(content)) {
      await page.getByRole("tab", { name }).click();
      await page.locator(selector).first().waitFor();
      await page.waitForLoadState("networkidle");
    }
    const round = [...Object.entries(content), ...Object.entries(content)];
    const steps = round.map(([name, selector]) => ({
      act: () => page.getByRole("tab", { name }).click(),
      shows: `document.querySelector('${selector}') !== null
        && document.querySelector("[role=tab][aria-selected=true]").textContent === "${name}"`,
    }));
    await answers("changing the tab", steps);
  });
});
