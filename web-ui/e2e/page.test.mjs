// The page in real Chromium against a real server with real enrollments.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { launch, signIn, watch } from "../scripts/browser.mjs";
import { startServer } from "./server.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** A little longer than the slowest poll. */
const POLL = 70_000;

describe("the page against a real server", () => {
  let server;
  let chromium;
  let page;
  let troubles;

  before(async () => {
    server = await startServer();
    chromium = await launch();
    ({ page } = chromium);
    troubles = watch(page, server.url);
  });
  after(async () => {
    await chromium?.close();
    await server?.stop();
  });

  const at = (path) => page.goto(`${server.url}${path}`);
  const counter = async (label) =>
    Number(
      await page.locator(`[aria-labelledby=intune-corp] [data-counter=${label}]`).textContent(),
    );
  const row = (name) => page.locator("tr.event", { has: page.getByText(name, { exact: true }) });

  it("is served with a policy that allows nothing inline, and its files for good", async () => {
    const response = await at("/scep");
    const headers = response.headers();
    const policy = headers["content-security-policy"];
    assert.match(policy, /script-src 'self';/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
    assert.equal(headers["x-content-type-options"], "nosniff");
    const script = await page.locator("script[src]").getAttribute("src");
    const file = await page.request.get(`${server.url}${script}`);
    assert.match(file.headers()["cache-control"], /immutable/);
    assert.equal(file.headers()["content-encoding"], "gzip");
  });

  it("refuses a wrong token, lets a good one in, and asks nothing before", async () => {
    const asked = [];
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    await at("/scep");
    await page.getByLabel("Admin token").fill("scepd_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("This token is not valid").waitFor();
    assert.deepEqual(
      asked.filter((path) => path.startsWith("/api/v1/admin")),
      [],
    );
    await signIn(page, server.url, server.token);
    await page.getByRole("heading", { name: "corp" }).waitFor();
    const cookies = await page.context().cookies();
    const session = cookies.find(({ name }) => name === "__Host-scepd_session");
    assert.ok(session.httpOnly && session.secure && session.sameSite === "Strict");
  });

  it("shows the profiles", async () => {
    await at("/scep");
    for (const name of ["corp", "iot", "workshop"]) {
      await page.getByRole("heading", { name }).waitFor();
    }
    const iot = page.getByRole("article", { name: "iot" });
    assert.match(await iot.textContent(), /SCEP RA iot/);
    assert.match(await iot.textContent(), /36\d days left/);
  });

  it("sees an enrollment and a refusal arrive while it is looked at", async () => {
    await at("/scep/intune");
    await page.getByRole("heading", { name: "corp" }).waitFor();
    assert.equal(await counter("success"), 0);
    assert.equal((await server.enrollIntune("laptop-1")).code, 0);
    const refused = await server.enrollIntune("laptop-2", {
      san: "dns:vpn-admin.example.com",
      claimed: "dns:laptop-2.example.com",
    });
    assert.equal(refused.code, 1);
    await page.locator("[data-counter=success]", { hasText: "1" }).waitFor({ timeout: POLL });
    assert.equal(await counter("claim_mismatch"), 1);
    assert.equal(await counter("replay"), 0);
    await page.getByRole("img", { name: /1 issued, 1 refused/ }).waitFor();
    await row("laptop-2").waitFor({ timeout: POLL });
    assert.match(await row("laptop-2").textContent(), /Claim mismatch.*vpn-admin\.example\.com/);
    assert.equal(await row("laptop-1").count(), 0);
  });

  it("opens the failure to claim and CSR side by side", async () => {
    await row("laptop-2").getByRole("button").click();
    const table = page.locator("table.comparison");
    await table.waitFor();
    assert.deepEqual(await table.locator("mark .untrusted").allTextContents(), [
      "laptop-2.example.com",
      "vpn-admin.example.com",
    ]);
  });

  it("shows every outcome on request", async () => {
    await page.getByRole("switch", { name: "Show all outcomes" }).click({ force: true });
    await row("laptop-1").waitFor();
    assert.match(await row("laptop-1").textContent(), /Issued/);
  });

  it("reloads a rotated trust file, and the new connector's challenges pass", async () => {
    const made = join(server.directory, "new-connector");
    await server.scepd("intune-challenge", "--new-connector", made, "--connector-name", "Next");
    const old = await readFile(server.anchors, "utf8");
    const next = await readFile(join(made, "connector-cert.pem"), "utf8");
    await server.write(server.anchors, old + next);
    const key = join(made, "connector-key.pem");
    assert.equal((await server.enrollIntune("laptop-3", { key })).code, 1);

    await at("/scep/intune");
    await page.getByRole("button", { name: /Reload trust anchor of corp/ }).click();
    await page.getByRole("dialog").getByText(server.anchors).waitFor();
    await page.getByRole("button", { name: "Reload", exact: true }).click();
    await page.getByText(/were read again at/).waitFor();
    assert.equal(await page.getByRole("dialog").count(), 0);
    await page.locator("summary", { hasText: "Trust anchors 2" }).click();
    await page.getByRole("cell", { name: "Next" }).waitFor();
    assert.equal((await server.enrollIntune("laptop-4", { key })).code, 0);
  });

  it("shows a bad file's error in the dialog, and the old anchors stay in use", async () => {
    const good = await readFile(server.anchors, "utf8");
    await server.write(server.anchors, "-----BEGIN CERTIFICATE-----\nnonsense\n");
    await page.getByRole("button", { name: /Reload trust anchor of corp/ }).click();
    await page.getByRole("button", { name: "Reload", exact: true }).click();
    const alert = page.getByRole("dialog").getByRole("alert");
    await alert.waitFor();
    assert.ok((await alert.textContent()).includes(server.anchors));
    assert.equal((await server.enrollIntune("laptop-5")).code, 0);
    await server.write(server.anchors, good);
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText(/were read again at/).waitFor();
  });

  it("approves a request that waits, and the device gets its certificate", async () => {
    const drill = await server.enroll("workshop", "O=Example, CN=drill-1");
    const saw = await server.enroll("workshop", "O=Example, CN=saw-1");
    assert.deepEqual([drill.code, saw.code], [3, 3]);
    await at("/scep?tab=requests");
    const card = page.getByRole("article", { name: "drill-1" });
    await card.getByRole("button", { name: /^Approve/ }).click();
    await page.getByLabel("Note").fill("On the asset list");
    await page.getByRole("button", { name: "Approve request" }).click();
    await page.getByText("The request is approved.").waitFor();
    await card.waitFor({ state: "detached" });
    await page
      .getByRole("article", { name: "saw-1" })
      .getByRole("button", { name: /^Deny/ })
      .click();
    await page.getByRole("button", { name: "Deny request" }).click();
    await page.getByText("No request waits").waitFor();
    const ca = ["--ca-file", server.described.ca_cert];
    assert.equal((await server.scepd("poll", "--out", drill.place, ...ca)).code, 0);
    assert.notEqual((await server.scepd("poll", "--out", saw.place, ...ca)).code, 0);
    const { data } = await server.api("/api/v1/audit?action=scep_request_approve");
    assert.equal(data[0].details.note, "On the asset list");
  });

  it("finds, shows and revokes a certificate", async () => {
    await at("/scep?tab=certificates");
    await page.getByLabel("Search certificates").fill("laptop-1");
    await page.getByRole("link", { name: "laptop-4" }).waitFor({ state: "detached" });
    await page.getByRole("link", { name: "laptop-1" }).click();
    const sheet = page.getByRole("dialog", { name: "Certificate" });
    await sheet.getByText("CN=laptop-1").first().waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      sheet.getByRole("link", { name: "Download PEM" }).click(),
    ]);
    assert.match(await readFile(await download.path(), "utf8"), /^-----BEGIN CERTIFICATE-----/);
    await sheet.getByRole("button", { name: "Revoke" }).click();
    await page.getByLabel("Reason").selectOption("Key compromise");
    await page.getByLabel("Note").fill("Stolen");
    await page.getByRole("button", { name: "Revoke certificate" }).click();
    await page.getByText("The certificate is revoked.").waitFor();
    await sheet.getByText("Revoked", { exact: true }).first().waitFor();
    const { data } = await server.api("/api/v1/admin/certificates?status=revoked");
    assert.deepEqual(
      data.map(({ common_name, revocation_reason }) => [common_name, revocation_reason]),
      [["laptop-1", "key_compromise"]],
    );
  });

  it("follows a device through its timeline", async () => {
    await at("/scep?tab=activity");
    await row("laptop-1").getByRole("button").click();
    await page.getByRole("link", { name: "Timeline of this device" }).click();
    const sheet = page.getByRole("dialog", { name: "Timeline" });
    await sheet.getByText("Issued", { exact: true }).waitFor();
    await sheet.getByText("Revoked", { exact: true }).first().waitFor();
    const stages = await sheet.locator(".step-head strong").allTextContents();
    // Newest first.
    assert.ok(stages.indexOf("Revoked") < stages.indexOf("Issued"), stages.join(", "));
  });

  it("keeps the filters of a tab: over another tab, over a reload, and in a link", async () => {
    const narrowed = "tab=activity&outcome=failure&q=laptop";
    const stands = async () => {
      await row("laptop-2").waitFor();
      assert.equal(await row("laptop-1").count(), 0);
      assert.equal(await page.getByLabel("Outcome").inputValue(), "failure");
      assert.equal(await page.getByLabel("Search device").inputValue(), "laptop");
      assert.equal(new URL(page.url()).search, `?${narrowed}`);
    };
    await at("/scep?tab=activity");
    await row("laptop-1").waitFor();
    await page.getByLabel("Outcome").selectOption("failure");
    await page.getByLabel("Search device").fill("laptop");
    await page.waitForURL(`**/scep?${narrowed}`);
    await stands();
    await page.getByRole("tab", { name: "Certificates" }).click();
    await page.waitForURL("**/scep?tab=certificates");
    await page.getByRole("link", { name: "laptop-1" }).waitFor();
    await page.getByRole("tab", { name: "Recent Activity" }).click();
    await stands();
    const link = page.url();
    await page.reload();
    await stands();
    await at("/scep?tab=server");
    await page.goto(link);
    await stands();
  });

  it("goes back, forward and reloads to the same place", async () => {
    await at("/scep");
    await page
      .getByRole("article", { name: "corp" })
      .getByRole("link", { name: /View Intune/ })
      .click();
    await page.waitForURL("**/scep?tab=intune&profile=corp");
    await page.getByRole("tab", { name: "Recent Activity" }).click();
    await page.waitForURL("**/scep?tab=activity&profile=corp");
    await row("laptop-4").getByRole("button").click();
    await page.getByRole("link", { name: "Timeline of this device" }).click();
    await page.getByRole("dialog", { name: "Timeline" }).waitFor();
    const deep = page.url();
    await page.goBack();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.goBack();
    assert.equal(new URL(page.url()).search, "?tab=intune&profile=corp");
    await page.getByRole("tab", { name: "Intune Monitoring", selected: true }).waitFor();
    await page.goForward();
    await page.goForward();
    assert.equal(page.url(), deep);
    await page.getByRole("dialog", { name: "Timeline" }).waitFor();
    await page.reload();
    await page.getByRole("dialog", { name: "Timeline" }).getByText("Issued").first().waitFor();
    assert.equal(page.url(), deep);
  });

  it("shows hostile names of real certificates as text", async () => {
    const names = [
      '<img src=x onerror="document.title=1">',
      "invoice\u202Egnp.exe",
      "\u05de\u05d7\u05e9\u05d1-17",
    ];
    for (const [index, name] of names.entries()) {
      const { code, stderr } = await server.enroll("iot", `CN=${name}`);
      // Characters without width are refused; the refusal shows the name all the same.
      assert.equal(code === 0, index !== 1, stderr);
    }
    const long = `https://example.com/${"a".repeat(3_900)}`;
    const { code, stderr } = await server.enroll("iot", "CN=long-1", { san: `uri:${long}` });
    assert.equal(code, 0, stderr);
    for (const tab of ["activity", "certificates"]) {
      await at(`/scep?tab=${tab}`);
      await page.getByText(names[0]).first().waitFor();
      await page.getByText(names[2]).first().waitFor();
      const { inner, outer, images, text } = await page.evaluate(() => ({
        inner: document.documentElement.scrollWidth,
        outer: document.documentElement.clientWidth,
        images: document.querySelectorAll("main img").length,
        text: document.body.textContent,
      }));
      assert.ok(inner <= outer);
      assert.equal(images, 0);
      assert.ok(!text.includes("\u202E"));
      assert.equal(await page.title(), "SCEP Administration");
    }
  });

  it("shows the checks, the tokens, and makes one for a viewer who sees only a banner", async () => {
    await at("/scep?tab=server");
    await page.getByRole("button", { name: "Run now" }).click();
    await page.getByText(/3 profiles checked/).waitFor();
    await page.getByRole("button", { name: "Make a token" }).click();
    await page.getByLabel("Name", { exact: true }).fill("dashboards");
    await page.getByLabel("Role").selectOption("viewer");
    await page.getByRole("button", { name: "Make token" }).click();
    const secret = await page.getByRole("dialog").locator("code").textContent();
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Admin token").waitFor();

    const asked = [];
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    await page.getByLabel("Admin token").fill(secret);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("Admin access required").waitFor();
    await at("/scep?tab=activity&timeline=device:x");
    await page.getByText("Admin access required").waitFor();
    const admin = asked.filter((path) => /^\/api\/v1\/(admin|audit)/.test(path));
    assert.deepEqual(admin, []);
    await page.getByRole("button", { name: "Sign out" }).first().click();
    await signIn(page, server.url, server.token);
  });

  it("caused no script error, no breach of its policy and no request elsewhere", () => {
    assert.deepEqual(troubles, []);
  });

  for (const theme of ["light", "dark"]) {
    it(`has nothing that axe objects to, ${theme}`, async () => {
      // axe is put into the page from outside, which the page's own policy forbids.
      const other = await launch({ colorScheme: theme, bypassCSP: true, reducedMotion: "reduce" });
      try {
        await other.browser.addInitScript(AXE);
        await signIn(other.page, server.url, server.token);
        for (const query of [
          "",
          "?tab=intune",
          "?tab=activity",
          "?tab=certificates",
          "?tab=requests",
          "?tab=server",
          "?tab=activity&timeline=device:dev-laptop-1",
        ]) {
          await other.page.goto(`${server.url}/scep${query}`);
          await other.page.waitForLoadState("networkidle");
          const found = await other.page.evaluate(async () => {
            const { violations } = await window.axe.run(document);
            return violations.map(({ id, nodes }) => [id, nodes[0].html.slice(0, 200)]);
          });
          assert.deepEqual(found, [], query);
        }
      } finally {
        await other.close();
      }
    });
  }
});
