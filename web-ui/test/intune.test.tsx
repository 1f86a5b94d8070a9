import { act, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { forgetHistory, keepHistory } from "../src/api/history-store";
import { history } from "../src/api/query-client";
import { COUNTERS } from "../src/model/counters";
import { History } from "../src/model/history";
import { anchor, event, intuneRow, NOW } from "./fixtures";
import { envelope, list, refusal, type Seen, serve, show } from "./harness";

const RELOAD = "POST /admin/scep/intune/reload-trust";

function withRows(rows: ReturnType<typeof intuneRow>[], more = {}) {
  return serve({ "GET /admin/scep/intune/stats": () => envelope(rows), ...more });
}

async function card(name: string) {
  return within(await screen.findByRole("article", { name }));
}

describe("an Intune profile's card", () => {
  it("shows the eleven counters in their order, with tones", async () => {
    withRows([intuneRow("corp")]);
    show("/scep/intune");
    const corp = await card("corp");
    const items = within(corp.getByRole("list", { name: "Counters of corp" })).getAllByRole(
      "listitem",
    );
    const labels = items.map((item) =>
      item.querySelector("[data-counter]")?.getAttribute("data-counter"),
    );
    expect(labels).toEqual(COUNTERS.map(({ label }) => label));
    expect(items.map((item) => item.querySelector("[data-counter]")?.textContent)).toEqual([
      "112",
      "0",
      "4",
      "0",
      "0",
      "0",
      "1",
      "2",
      "0",
      "0",
      "0",
    ]);
    expect(items.map((item) => item.getAttribute("data-tone"))).toEqual([
      "good",
      "quiet",
      "warn",
      "quiet",
      "quiet",
      "quiet",
      "warn",
      "bad",
      "quiet",
      "quiet",
      "quiet",
    ]);
    for (const item of items) expect(item.querySelector("svg")).not.toBeNull();
  });

  it("counts down to the soonest anchor and folds them all into a table", async () => {
    withRows([intuneRow("corp", { trust_anchors: [anchor(200), anchor(6), anchor(40)] })]);
    const { user } = show("/scep/intune");
    const corp = await card("corp");
    expect(corp.getByText("Trust anchor").nextElementSibling).toHaveTextContent("6 days left");
    const table = corp.getByRole("table", { name: "Trust anchors of corp", hidden: true });
    expect(table.closest("details")).not.toHaveAttribute("open");
    await user.click(corp.getByText(/^Trust anchors/, { selector: "summary" }));
    expect(table.closest("details")).toHaveAttribute("open");
    expect(within(table).getAllByRole("row", { hidden: true })).toHaveLength(4);
  });

  it("says what limits are in force", async () => {
    withRows([
      intuneRow("corp"),
      intuneRow("kiosk", {
        rate_limit_disabled: true,
        audience: "",
        replay_cache_size: 1,
        trust_anchors: [],
      }),
    ]);
    show("/scep/intune");
    const corp = await card("corp");
    expect(corp.getByText("Active")).toBeVisible();
    expect(corp.getByText("https://scep.example/scep/corp")).toBeVisible();
    expect(corp.getByText("118")).toBeVisible();
    const kiosk = await card("kiosk");
    expect(kiosk.getByText("Disabled")).toBeVisible();
    expect(kiosk.getByText("not checked")).toBeVisible();
    expect(kiosk.getByText("No trust anchor")).toBeVisible();
  });

  it("draws what happened between the polls", async () => {
    const rows = [intuneRow("corp")];
    let polls = 0;
    serve({
      "GET /admin/scep/intune/stats": () => {
        polls += 1;
        return envelope(rows, NOW + polls * 30_000);
      },
    });
    const { user } = show("/scep/intune");
    const corp = await card("corp");
    expect(corp.getByText(/The chart begins with the next update/)).toBeVisible();
    const { counters } = intuneRow("corp");
    rows[0] = intuneRow("corp", { counters: { ...counters, success: 115, replay: 1, expired: 6 } });
    await user.click(screen.getAllByRole("button", { name: "Refresh" })[0] as HTMLElement);
    expect(await corp.findByText(/3 issued/, { selector: "figcaption span" })).toBeVisible();
    expect(corp.getByText(/3 refused/, { selector: "figcaption span" })).toBeVisible();
    expect(corp.getByRole("img", { name: /3 issued, 3 refused/ })).toBeVisible();
  });

  it("colours a counter's cell when it grew, and keeps that over a reload of the page", async () => {
    let rows = [intuneRow("corp")];
    let polls = 0;
    serve({
      "GET /admin/scep/intune/stats": () => {
        polls += 1;
        return envelope(rows, NOW + polls * 30_000);
      },
    });
    const { user } = show("/scep/intune");
    const corp = await card("corp");
    const cell = (label: string) =>
      document.querySelector(`[data-counter=${label}]`)?.closest("li") as HTMLElement;
    expect(cell("expired")).toHaveAttribute("data-grown", "false");
    expect(corp.getByText(/7 of 119 refused so far/)).toBeVisible();
    const { counters } = intuneRow("corp");
    rows = [intuneRow("corp", { counters: { ...counters, expired: 6 } })];
    await user.click(screen.getAllByRole("button", { name: "Refresh" })[0] as HTMLElement);
    await waitFor(() => expect(cell("expired")).toHaveAttribute("data-grown", "true"));
    expect(within(cell("expired")).getByText(/^\+2/)).toBeVisible();
    expect(cell("claim_mismatch")).toHaveAttribute("data-grown", "false");

    const again = new History();
    keepHistory(history);
    window.dispatchEvent(new Event("pagehide"));
    keepHistory(again);
    expect(again.of("corp")).toHaveLength(2);
    forgetHistory();
  });

  it("says what each counter means and what to do about it", async () => {
    withRows([intuneRow("corp", { trust_anchors: [anchor(3)] })]);
    const { user } = show("/scep/intune");
    const corp = await card("corp");
    const meanings = corp.getByText("What these count").closest("details") as HTMLElement;
    expect(meanings).not.toHaveAttribute("open");
    await user.click(corp.getByText("What these count"));
    for (const { meaning, next } of COUNTERS) {
      expect(meanings).toHaveTextContent(meaning);
      if (next) expect(meanings).toHaveTextContent(next);
    }
    expect(corp.getByText(/connector's new certificate/)).toHaveTextContent("connector.pem");
  });

  it("stands with trouble first, one of many as a line that opens to it", async () => {
    const paths = ["a", "b", "c", "d", "e", "f", "g"];
    withRows(
      paths.map((path) => intuneRow(path, { trust_anchors: [anchor(path === "e" ? 2 : 200)] })),
    );
    const { user } = show("/scep/intune");
    const line = await card("e");
    const headings = screen
      .getAllByRole("article")
      .map((found) => within(found).getByRole("heading"));
    expect(headings.map((heading) => heading.textContent)).toEqual(["e", ..."abcdfg"]);
    expect(line.queryByRole("list", { name: "Counters of e" })).toBeNull();
    expect(line.getByText("112 issued")).toBeVisible();
    expect(line.getByText("7 refused")).toBeVisible();
    const opener = line.getByRole("button", { name: "Card of e" });
    opener.focus();
    await user.keyboard("{Enter}");
    expect(opener).toHaveFocus();
    expect(opener).toHaveAttribute("aria-expanded", "true");
    const counters = within(line.getByRole("list", { name: "Counters of e" }));
    expect(counters.getAllByRole("listitem")).toHaveLength(11);
    expect(line.getByText("Audience")).toBeVisible();
    expect(screen.getByRole("link", { name: "Recent failures (0)" })).toHaveAttribute(
      "href",
      "#recent-failures",
    );
  });

  it("is absent where Intune is off, and says how to turn it on", async () => {
    withRows([intuneRow("iot", { enabled: false, counters: {} })]);
    show("/scep/intune");
    expect(await screen.findByText("No profile has Intune on")).toBeVisible();
    expect(screen.getByText(/connector_cert_path/)).toBeVisible();
    expect(screen.queryByRole("article")).toBeNull();
  });
});

describe("reloading trust anchors", () => {
  async function open(answer: unknown) {
    const server = withRows([intuneRow("corp")], { [RELOAD]: answer });
    const { user } = show("/scep/intune");
    const opener = (await card("corp")).getByRole("button", { name: /Reload trust anchor/ });
    await user.click(opener);
    const dialog = within(screen.getByRole("dialog"));
    return { server, user, opener, dialog };
  }

  it("says first what will happen", async () => {
    const { dialog, server } = await open({});
    expect(dialog.getByText("Reload trust anchor of corp")).toBeVisible();
    expect(dialog.getByText("/etc/scepd/connector.pem")).toBeVisible();
    expect(dialog.getByText(/in one step/)).toBeVisible();
    expect(dialog.getByText(/the old pool stays in use/)).toBeVisible();
    expect(server.of(RELOAD)).toHaveLength(0);
  });

  it("can be called off, and gives the focus back", async () => {
    const { user, dialog, opener, server } = await open({});
    await user.click(dialog.getByRole("button", { name: "Cancel" }));
    expect(screen.queryByRole("dialog")).toBeNull();
    await waitFor(() => expect(opener).toHaveFocus());
    await user.click(opener);
    await user.keyboard("{Escape}");
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(server.of(RELOAD)).toHaveLength(0);
  });

  it("sends the profile with the CSRF token, closes, says so, and asks for the new state", async () => {
    const { user, dialog, server } = await open((request: Seen) => ({
      reloaded: true,
      path_id: (request.body as { path_id: string }).path_id,
      reloaded_at: "2026-11-23T12:44:40Z",
    }));
    const before = server.of("GET /admin/scep/intune/stats").length;
    await user.click(dialog.getByRole("button", { name: "Reload" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    const [sent] = server.of(RELOAD);
    expect(sent?.body).toEqual({ path_id: "corp" });
    expect(sent?.headers.get("X-CSRF-Token")).toBe("csrf-1");
    expect(await screen.findByText(/were read again at 2026-11-23 12:44:40 UTC/)).toBeVisible();
    await waitFor(() =>
      expect(server.of("GET /admin/scep/intune/stats").length).toBeGreaterThan(before),
    );
  });

  it("stays open with the server's error when the file is bad, and can be tried again", async () => {
    const words = 'connector.pem: certificate 2 ("Old") expired on 2026-11-20';
    const { user, dialog, server } = await open(refusal(500, words));
    await user.click(dialog.getByRole("button", { name: "Reload" }));
    const alert = await dialog.findByRole("alert");
    expect(alert).toHaveTextContent(words);
    expect(alert).toHaveTextContent("the old anchors stay in use");
    server.table[RELOAD] = { reloaded: true, path_id: "corp", reloaded_at: "2026-11-23T12:44:40Z" };
    await user.click(dialog.getByRole("button", { name: "Try again" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });

  it("keeps the focus inside while it is open", async () => {
    const { user } = await open({});
    const dialog = screen.getByRole("dialog");
    for (let press = 0; press < 8; press++) {
      await user.tab();
      expect(dialog).toContainElement(document.activeElement as HTMLElement);
    }
  });
});

describe("recent failures", () => {
  const mismatch = event(7, "scep_pkcsreq_intune", {
    outcome: "failure",
    reason: "claim_mismatch",
    message: "DNS names differ.",
    mismatch: "san_dns",
    common_name: "laptop-17",
    device: "dev-17",
    claim: { device_name: "laptop-17", san_dns: ["laptop-17.example.com"] },
    csr: { device_name: ["laptop-17"], san_dns: ["vpn-admin.example.com"] },
  });
  const late = event(3, "scep_renewalreq_intune", { outcome: "failure", reason: "expired" });
  const good = event(9, "scep_pkcsreq_intune", { common_name: "good-one" });

  function audit({ query }: Seen) {
    const events = [good, mismatch, late].filter(
      (found) =>
        found.action === query.get("action") &&
        (query.get("outcome") === null || found.details.outcome === query.get("outcome")),
    );
    return list(events);
  }

  it("are the refused of both Intune actions, 50 at most, newest first", async () => {
    const server = withRows([intuneRow("corp")], { "GET /audit": audit });
    show("/scep/intune");
    const table = await screen.findByRole("table", { name: "Recently refused Intune enrollments" });
    const rows = within(table).getAllByRole("row").slice(1);
    expect(rows.map((row) => row.querySelector(".device-name")?.textContent)).toEqual([
      "device-3",
      "laptop-17",
    ]);
    expect(rows[1]).toHaveTextContent("Claim mismatch");
    expect(rows[1]).toHaveTextContent("DNS names differ.");
    for (const { query } of server.of("GET /audit")) {
      expect(query.get("outcome")).toBe("failure");
      expect(query.get("per_page")).toBe("50");
    }
  });

  it("show all outcomes by a switch", async () => {
    withRows([intuneRow("corp")], { "GET /audit": audit });
    const { user } = show("/scep/intune");
    await screen.findByText("laptop-17");
    expect(screen.queryByText("good-one")).toBeNull();
    await user.click(screen.getByRole("switch", { name: "Show all outcomes" }));
    expect(await screen.findByText("good-one")).toBeVisible();
  });

  it("open to the claim and the CSR side by side, with what differs marked", async () => {
    withRows([intuneRow("corp")], { "GET /audit": audit });
    const { user } = show("/scep/intune");
    const opener = await screen.findByRole("button", { name: "Details of laptop-17" });
    expect(opener).toHaveAttribute("aria-expanded", "false");
    opener.focus();
    await user.keyboard("{Enter}");
    expect(opener).toHaveAttribute("aria-expanded", "true");
    const table = screen.getByRole("table", { name: /claim and the CSR side by side/ });
    const row = (name: string) =>
      within(table).getByRole("rowheader", { name }).closest("tr") as HTMLElement;
    expect(row("Common name").querySelector("mark")).toBeNull();
    const marks = [...row("DNS names").querySelectorAll("mark")].map((mark) => mark.textContent);
    expect(marks).toEqual(["laptop-17.example.com differs", "vpn-admin.example.com differs"]);
    await user.keyboard("{Enter}");
    expect(screen.queryByRole("table", { name: /side by side/ })).toBeNull();
  });

  it("name the device by its challenge, and say what it asked for instead", async () => {
    withRows([intuneRow("corp")], {
      "GET /audit": ({ query }: Seen) =>
        list(
          query.get("action") === mismatch.action
            ? [
                {
                  ...mismatch,
                  details: {
                    ...mismatch.details,
                    common_name: "vpn-admin",
                    csr: { device_name: ["vpn-admin"], san_dns: ["laptop-17.example.com"] },
                    mismatch: "device_name",
                  },
                },
              ]
            : [],
        ),
    });
    const { user } = show("/scep/intune");
    const opener = await screen.findByRole("button", { name: "Details of laptop-17" });
    const row = opener.closest("tr") as HTMLElement;
    expect(row.querySelector(".device-name")).toHaveTextContent("laptop-17");
    expect(row.querySelector(".device-note")).toHaveTextContent("asked for vpn-admin");
    expect(row.querySelector(".device-note")).toHaveTextContent("dev-17");
    await user.click(opener);
    const marks = [...document.querySelectorAll(".comparison mark")];
    expect(marks.map((mark) => mark.textContent)).toEqual([
      "laptop-17 differs",
      "vpn-admin differs",
    ]);
    expect(
      within(screen.getByRole("table", { name: /refused/ })).getByText(/Compare what/),
    ).toBeVisible();
    expect(screen.queryByText("Mismatch")).toBeNull();
  });

  it("show the challenge's terms, and mark the one that the reason is about", async () => {
    const astray = event(7, "scep_pkcsreq_intune", {
      outcome: "failure",
      reason: "wrong_audience",
      common_name: "laptop-17",
      claim: {
        aud: "https://old.example/scep/corp",
        iat: NOW / 1000 - 60,
        exp: 9e15,
        nonce: "n-1",
      },
    });
    withRows([intuneRow("corp")], {
      "GET /audit": ({ query }: Seen) =>
        list(query.get("action") === astray.action ? [astray] : []),
    });
    const { user } = show("/scep/intune");
    await user.click(await screen.findByRole("button", { name: "Details of laptop-17" }));
    const terms = within(screen.getByRole("group", { name: "Challenge" }));
    const fact = (name: string) => terms.getByText(name).nextElementSibling as HTMLElement;
    expect(fact("Audience").querySelector("mark")).toHaveTextContent("https://old.example");
    expect(fact("Profile's audience")).toHaveTextContent("https://scep.example/scep/corp");
    expect(fact("Issued").querySelector("mark, time")?.tagName).toBe("TIME");
    expect(fact("Ends")).toHaveTextContent("9000000000000000");
    expect(fact("Nonce")).toHaveTextContent("n-1");
  });

  it("say so when there are none, and when they cannot be loaded", async () => {
    const server = withRows([intuneRow("corp")]);
    const { user } = show("/scep/intune");
    expect(await screen.findByText("No Intune enrollment was refused")).toBeVisible();
    server.table["GET /audit"] = refusal(500, "The store is gone.");
    await user.click(screen.getByRole("switch", { name: "Show all outcomes" }));
    await waitFor(() => expect(screen.getByRole("alert")).toHaveTextContent("The store is gone."));
    await act(async () => {});
  });
});
