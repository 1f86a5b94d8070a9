// `npm run screenshots`: the real page over a real server and a small fleet, as docs/screenshots/*.png.

import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { live, PROFILES, prepare } from "../e2e/fleet.mjs";
import { startServer } from "../e2e/server.mjs";
import { launch, signIn } from "./browser.mjs";

const OUT = fileURLToPath(new URL("../../docs/screenshots/", import.meta.url));
const WIDE = { width: 1280, height: 840 };
const PHONE = { width: 390, height: 844 };

/** Which views are kept, by theme. */
const KEPT = {
  light: ["profiles", "intune", "failure", "certificates", "requests", "timeline"],
  dark: ["intune", "activity"],
  phone: ["intune", "activity"],
};

const place = join(tmpdir(), "scepd");
const server = await startServer({
  config: PROFILES,
  prepare,
  // A short path reads well in a picture.
  ...(existsSync(place) ? {} : { place }),
});
let laptop = 1000;
try {
  await mkdir(OUT, { recursive: true });
  await live(server);
  await shoot("light", WIDE, "", KEPT.light);
  await shoot("dark", WIDE, "", KEPT.dark);
  await shoot("light", PHONE, "phone-", KEPT.phone);
} finally {
  await server.stop();
}

async function shoot(theme, viewport, prefix, kept) {
  const { page, close } = await launch({
    colorScheme: theme,
    viewport,
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    reducedMotion: "reduce",
    args: ["--enable-features=OverlayScrollbar"],
    // A phone's pixels are finer.
    ...(prefix ? { deviceScaleFactor: 2, isMobile: true, hasTouch: true } : {}),
  });
  const at = async (query) => {
    await page.goto(`${server.url}/scep${query}`);
    await page.waitForLoadState("networkidle");
    await page.evaluate(() => document.fonts.ready);
  };
  const save = async (name) => {
    if (!kept.includes(name)) return;
    await page.mouse.move(0, 0);
    await page.evaluate(() => document.activeElement?.blur());
    await page.screenshot({ path: `${OUT}${prefix}${name}-${theme}.png` });
    console.log(`docs/screenshots/${prefix}${name}-${theme}.png`);
  };

  await signIn(page, server.url, server.token);
  await at("");
  await save("profiles");

  // The chart shows what happens while the page is open.
  await at("?tab=intune");
  const refresh = page.getByRole("button", { name: "Refresh" }).first();
  for (let poll = 0; poll < 10; poll++) {
    for (let n = 0; n <= (poll * 7) % 4; n++) {
      await server.enrollIntune(`LAPTOP-${++laptop}`);
    }
    if (poll % 4 === 2) {
      await server.enrollIntune(`LAPTOP-${++laptop}`, { claimed: "dns:vpn.example.com" });
    }
    await refresh.click();
    await page.waitForLoadState("networkidle");
  }
  await save("intune");

  const failure = page.locator("tr.event", { has: page.getByText("LAPTOP-0207", { exact: true }) });
  await failure.getByRole("button").click();
  await page.locator("#recent-failures").evaluate((heading) => heading.scrollIntoView());
  await page.evaluate(() => window.scrollBy(0, -24));
  await save("failure");

  await at("?tab=activity");
  await save("activity");
  await at("?tab=certificates");
  await save("certificates");
  await at("?tab=requests");
  await save("requests");
  await at("?tab=activity&timeline=device:dev-LAPTOP-0412");
  await page.locator(".step").first().waitFor();
  await save("timeline");
  await close();
}
