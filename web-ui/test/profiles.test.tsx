import { screen, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { anchor, intuneSection, profile } from "./fixtures";
import { envelope, refusal, serve, show } from "./harness";

function withProfiles(profiles: ReturnType<typeof profile>[]) {
  return serve({ "GET /admin/scep/profiles": () => envelope(profiles) });
}

async function card(name: string) {
  return within(await screen.findByRole("article", { name }));
}

function fact(found: ReturnType<typeof within>, name: string) {
  return found.getByText(name, { selector: "dt" }).nextElementSibling;
}

describe("a profile's card", () => {
  it("names path, issuer, RA certificate and what is on", async () => {
    withProfiles([
      profile("corp", {
        mtls_enabled: true,
        mtls_trust_bundle_path: "/etc/scepd/clients.pem",
        intune: intuneSection(),
      }),
    ]);
    show();
    const corp = await card("corp");
    expect(corp.getByText("/scep/corp")).toBeVisible();
    expect(corp.getByText("RA corp")).toBeVisible();
    expect(fact(corp, "Issuer")).toHaveTextContent("local");
    expect(fact(corp, "Challenge password")).toHaveTextContent("Set");
    expect(fact(corp, "mTLS")).toHaveTextContent("On");
    expect(fact(corp, "mTLS bundle")).toHaveTextContent("/etc/scepd/clients.pem");
    expect(fact(corp, "Intune")).toHaveTextContent("On");
  });

  it("says what is off or missing, and the root profile's name", async () => {
    withProfiles([profile("", { challenge_password_set: false })]);
    show();
    const root = await card("(root)");
    expect(fact(root, "Challenge password")).toHaveTextContent("MISSING");
    expect(fact(root, "mTLS")).toHaveTextContent("Off");
    expect(fact(root, "Intune")).toHaveTextContent("Off");
    expect(root.queryByText("mTLS bundle")).toBeNull();
    expect(root.queryByRole("link", { name: /View Intune details/ })).toBeNull();
  });

  it("says how an issuer elsewhere is, and what to do when it is away", async () => {
    const issuer = {
      kind: "ejbca",
      reached: true,
      silent_for_seconds: 12,
      waiting: 0,
      revokes: true,
    };
    const away = {
      ...issuer,
      silent_for_seconds: 420,
      waiting: 1234,
      trouble: "503 CA is \u202eoffline",
    };
    withProfiles([
      profile("well", { issuer_id: "corp-ca", issuer }),
      profile("away", { issuer: away }),
      profile("short", { issuer: { ...away, silent_for_seconds: 61, waiting: 1 } }),
      profile("never", { issuer: { ...away, reached: false, silent_for_seconds: 7300 } }),
      profile("mute", { issuer: { ...issuer, kind: "adcs", revokes: false } }),
      profile("local"),
    ]);
    const { user } = show();
    const tone = async (name: string, words: string) =>
      (await card(name)).getByText(words).closest(".badge")?.getAttribute("data-tone");
    expect(await tone("well", "Answers")).toBe("good");
    expect(await tone("away", "AWAY for 7 minutes")).toBe("bad");
    expect(await tone("short", "AWAY for 1 minute")).toBe("warn");
    expect(await tone("never", "NEVER REACHED in 2 hours")).toBe("bad");
    expect(fact(await card("well"), "Issuer's kind")).toHaveTextContent(/^ejbca$/);
    expect(fact(await card("mute"), "Issuer's kind")).toHaveTextContent(
      "cannot be asked to revoke",
    );
    const waiting = async (name: string) => fact(await card(name), "Waiting for issuer");
    expect(await waiting("well")).toHaveTextContent(/^No enrollment$/);
    expect(await waiting("away")).toHaveTextContent(/^1,234 enrollments$/);
    expect(await waiting("short")).toHaveTextContent(/^1 enrollment$/);
    expect((await card("local")).queryByText("Waiting for issuer")).toBeNull();
    expect((await card("local")).queryByText("Issuer's kind")).toBeNull();
    const next = (await card("away")).getByText(/The last call to the issuer failed/);
    expect(next).toHaveTextContent("503 CA is");
    expect(next.textContent).not.toContain("\u202e");
    expect(screen.getByText(/3 profiles wait for their issuers\./)).toBeVisible();
    await user.click(screen.getByRole("radio", { name: /Needs attention/ }));
    const shown = screen.getAllByRole("article").map((one) => one.getAttribute("aria-labelledby"));
    expect(shown).toEqual(["profile-away", "profile-never", "profile-short"]);
  });

  it.each([
    [30, false, "good", "30 days left"],
    [29, false, "warn", "29 days left, rotate soon"],
    [7, false, "warn", "7 days left, rotate soon"],
    [6, false, "bad", "6 days left, rotate now"],
    [0, false, "bad", "Under 1 day left, rotate now"],
    [-1, true, "expired", "EXPIRED"],
  ] as const)("counts down: %i days, expired %s", async (days, expired, tone, words) => {
    withProfiles([profile("corp", { ra_cert_days_to_expiry: days, ra_cert_expired: expired })]);
    show();
    const badge = (await card("corp")).getByText(words).closest(".badge");
    expect(badge).toHaveAttribute("data-tone", tone);
    expect(badge?.querySelector("svg")).not.toBeNull();
    expect(badge).toHaveAttribute("title", expect.stringMatching(/^Valid until .* UTC$/));
  });
});

describe("the list of profiles", () => {
  it("says how to configure one when there is none", async () => {
    withProfiles([]);
    show();
    expect(await screen.findByText("No SCEP profile is configured")).toBeVisible();
    expect(screen.getByText(/\[\[profile\]\]/)).toBeVisible();
  });

  it("shows that it loads, then an error with a retry, then the data", async () => {
    const server = serve({ "GET /admin/scep/profiles": refusal(500, "The store is gone.") });
    const { user } = show();
    expect(await screen.findByText("Loading profiles")).toBeInTheDocument();
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("Profiles could not be loaded");
    expect(alert).toHaveTextContent("The store is gone.");
    expect(alert).toHaveTextContent("req-1");
    server.table["GET /admin/scep/profiles"] = () => envelope([profile("corp")]);
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await card("corp")).toBeTruthy();
  });

  it("keeps what it has when an update fails, and says so", async () => {
    const server = withProfiles([profile("corp")]);
    const { user } = show();
    await card("corp");
    server.table["GET /admin/scep/profiles"] = refusal(500, "The store is gone.");
    await user.click(screen.getByRole("button", { name: "Refresh" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("The last update failed");
    expect(screen.getByRole("article", { name: "corp" })).toBeVisible();
  });

  it("finds by path, issuer and RA certificate, and narrows to what needs attention", async () => {
    withProfiles([
      profile("corp"),
      profile("iot", { ra_cert_days_to_expiry: 3 }),
      profile("lab", { issuer_id: "other", intune: intuneSection({ trust_anchors: [anchor(2)] }) }),
    ]);
    const { user } = show();
    await card("corp");
    const search = screen.getByLabelText("Find a profile");
    await user.type(search, "other");
    expect(
      screen.getAllByRole("article").map((found) => found.getAttribute("aria-labelledby")),
    ).toEqual(["profile-lab"]);
    await user.clear(search);
    await user.click(screen.getByRole("radio", { name: /Needs attention\s*2/ }));
    expect(screen.queryByRole("article", { name: "corp" })).toBeNull();
    expect(screen.getByRole("article", { name: "iot" })).toBeVisible();
    await user.type(search, "nothing like this");
    expect(await screen.findByText("No profile fits")).toBeVisible();
  });

  it("draws a thousand in portions", async () => {
    withProfiles(Array.from({ length: 1000 }, (_, n) => profile(`p${n}`)));
    const { user } = show();
    await card("p0");
    const before = screen.getAllByRole("article").length;
    expect(before).toBeLessThan(100);
    await user.click(screen.getByRole("button", { name: /Show \d+ more of/ }));
    expect(screen.getAllByRole("article").length).toBe(before * 2);
  });
});

describe("what needs attention", () => {
  it("shows on the card why, says what to do, and stands worst first", async () => {
    withProfiles([
      profile("fine", { intune: intuneSection() }),
      profile("soon", { ra_cert_days_to_expiry: 20 }),
      profile("over", { intune: intuneSection({ trust_anchors: [anchor(90), anchor(-2)] }) }),
      profile("shut", { challenge_password_set: false }),
      profile("bare", { intune: intuneSection({ trust_anchors: [] }) }),
    ]);
    const { user } = show();
    await card("fine");
    expect(document.querySelector(".summary")).toHaveTextContent(
      "5 profiles, 3 with Intune. 1 trust anchor has expired. 1 Intune profile has no trust anchor. 1 challenge password is MISSING. 1 RA certificate expires within 30 days.",
    );
    await user.click(screen.getByRole("radio", { name: /^Needs attention/ }));
    const names = screen
      .getAllByRole("article")
      .map((found) => found.querySelector("h2")?.textContent);
    expect(names).toEqual(["over", "shut", "bare", "soon"]);
    for (const article of screen.getAllByRole("article")) {
      expect(
        article.querySelector(".badge:is([data-tone=warn], [data-tone=bad], [data-tone=expired])"),
      ).not.toBeNull();
      expect(within(article).getByText("Next:")).toBeVisible();
    }
    expect(fact(await card("over"), "Intune")).toHaveTextContent("EXPIRED");
    expect(fact(await card("bare"), "Intune")).toHaveTextContent("No trust anchor");
  });
});
