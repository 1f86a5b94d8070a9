// What the page looks like to a ruler: columns keep room for names, words are not cut, nothing moves.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { start } from "../mock/server.mjs";
import { launch, signIn } from "../scripts/browser.mjs";

describe("at every width", () => {
  let mock;
  let chromium;
  let page;

  before(async () => {
    mock = await start();
    chromium = await launch({ reducedMotion: "reduce" });
    ({ page } = chromium);
    await signIn(page, mock.url);
  });
  after(async () => {
    await chromium.close();
    await mock.stop();
  });

  const NAMES = [
    ["?tab=activity", "tr.event td.c-device"],
    ["?tab=intune", "tr.event td.c-device"],
    ["?tab=certificates", ".certificates td.c-name"],
    ["?tab=server", ".tokens tbody td:first-child"],
  ];
  for (const [query, selector] of NAMES) {
    it(`${query} leaves room for names`, async () => {
      await page.goto(`${mock.url}/scep${query}`);
      await page.locator(selector).first().waitFor({ state: "attached" });
      for (const width of [390, 641, 660, 768, 820, 900, 960, 1024, 1100, 1280]) {
        await page.setViewportSize({ width, height: 860 });
        const room = await page.evaluate((css) => {
          const cells = [...document.querySelectorAll(css)];
          return Math.min(...cells.map((cell) => cell.getBoundingClientRect().width));
        }, selector);
        assert.ok(room >= 120, `${selector} has ${room} px at ${width}`);
      }
    });
  }

  it("leaves room for the subject of a trust anchor", async () => {
    await page.goto(`${mock.url}/scep?tab=intune&profile=corp`);
    await page.locator("summary", { hasText: /^Trust anchors/ }).click();
    for (const width of [390, 660, 768, 900, 1024, 1280]) {
      await page.setViewportSize({ width, height: 860 });
      const { width: room } = await page.locator(".anchors tbody td").first().boundingBox();
      assert.ok(room >= 120, `${room} px at ${width}`);
    }
  });

  it("cuts no counter's name", async () => {
    await page.goto(`${mock.url}/scep?tab=intune`);
    await page.locator(".counter").first().waitFor();
    for (const width of [320, 360, 390, 641, 660, 700, 768, 1024, 1280]) {
      await page.setViewportSize({ width, height: 860 });
      const cut = await page.evaluate(() =>
        [...document.querySelectorAll(".counter")]
          .filter((cell) => cell.scrollWidth > cell.clientWidth)
          .map((cell) => cell.textContent),
      );
      assert.deepEqual(cut, [], `at ${width}`);
    }
  });

  it("folds the filters of a phone behind one button", async () => {
    await page.setViewportSize({ width: 390, height: 860 });
    await page.goto(`${mock.url}/scep?tab=activity`);
    const chip = page.getByRole("radio", { name: "Renewal" });
    const toggle = page.getByRole("button", { name: /^Filters/ });
    await toggle.waitFor();
    await page.locator("tr.event").first().waitFor();
    assert.equal(await chip.isVisible(), false);
    await toggle.click();
    await chip.check();
    assert.equal(await toggle.textContent(), "Filters 1");
    await page.setViewportSize({ width: 1280, height: 860 });
    assert.equal(await toggle.isVisible(), false);
    assert.equal(await chip.isVisible(), true);
  });

  it("shades the scrollbar's gutter beside a dialog", async () => {
    await page.setViewportSize({ width: 1280, height: 860 });
    await page.goto(`${mock.url}/scep?tab=intune`);
    const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).background);
    const before = await paper();
    await page.getByRole("button", { name: "Reload trust anchor of corp" }).click();
    assert.notEqual(await paper(), before);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(await paper(), before);
  });
});

describe("in forced colours", () => {
  it("what is chosen looks other than what is not", async () => {
    const mock = await start();
    const { page, close } = await launch({ forcedColors: "active", reducedMotion: "reduce" });
    try {
      await signIn(page, mock.url);
      await page.goto(`${mock.url}/scep?tab=activity`);
      await page.locator("tr.event").first().waitFor();
      const style = (css, of) =>
        page.evaluate(
          ([at, name]) => getComputedStyle(document.querySelector(at))[name],
          [css, of],
        );
      assert.notEqual(
        await style(".tab[data-state=active]", "borderBottomColor"),
        await style(".tab:not([data-state=active])", "borderBottomColor"),
      );
      assert.notEqual(
        await style(".chip input:checked + span", "backgroundColor"),
        await style(".chip input:not(:checked) + span", "backgroundColor"),
      );
      await page.goto(`${mock.url}/scep?tab=intune`);
      const track = () => style(".switch-track", "backgroundColor");
      await page.locator(".switch").waitFor();
      const off = await track();
      await page.locator(".switch").click();
      assert.notEqual(await track(), off);
    } finally {
      await close();
      await mock.stop();
    }
  });
});
