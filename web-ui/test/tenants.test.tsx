import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { TenantStatus } from "../src/api/types";
import { intuneRow, intuneSection, profile } from "./fixtures";
import { envelope, refusal, serve, show } from "./harness";

const TENANTS = "GET /admin/intune/tenants";
const STATS = "GET /admin/scep/intune/stats";
const DECIDE = "POST /admin/intune/tenants/contoso/revocations";

function tenant(more: Partial<TenantStatus> = {}): TenantStatus {
  return {
    id: "contoso",
    tenant: "contoso.onmicrosoft.com",
    client_id: "11111111-2222-3333-4444-555555555555",
    credential: "client_secret",
    profiles: ["corp"],
    resting_profiles: [],
    last_success: "2026-11-23T12:44:02Z",
    token_issued: "2026-11-23T12:30:02Z",
    notifications_waiting: 0,
    codes: [
      { begins: "2026-11-23T11:00:00Z", codes: { Success: 100, ChallengeExpired: 2 } },
      { begins: "2026-11-23T12:00:00Z", codes: { Success: 18 } },
    ],
    ...more,
  };
}

const HELD = {
  waiting: 240,
  held_since: "2026-11-23T12:10:01Z",
  held: [{ serial: "4a5b", common_name: "laptop-17" }],
};

function withTenants(data: TenantStatus[], more = {}) {
  return serve({
    [TENANTS]: () => ({ data, generated_at: "2026-11-23T12:44:40Z" }),
    [STATS]: () => envelope([intuneRow("corp", { enabled: false, counters: {} })]),
    ...more,
  });
}

async function card(name = "contoso") {
  return within(await screen.findByRole("article", { name }));
}

function fact(of: Awaited<ReturnType<typeof card>>, name: string) {
  return of.getByText(name).nextElementSibling?.textContent;
}

describe("tenants", () => {
  it("are not spoken of where there are none", async () => {
    withTenants([]);
    show("/scep/intune");
    await screen.findByText("No profile has Intune on");
    expect(screen.queryByRole("heading", { name: "Tenants" })).toBeNull();
  });

  it("are what a profile with cloud validation alone has", async () => {
    withTenants([tenant()]);
    show("/scep/intune");
    await card();
    await screen.findByText("No Intune enrollment was refused");
    expect(screen.queryByText("No profile has Intune on")).toBeNull();
  });

  it("are shown for the chosen profile alone", async () => {
    withTenants([tenant(), tenant({ id: "fabrikam", profiles: ["lab"] })]);
    show("/scep/intune?profile=lab");
    await card("fabrikam");
    expect(screen.queryByRole("article", { name: "contoso" })).toBeNull();
    expect(screen.queryByText(/Intune is off/)).toBeNull();
  });

  it("stand beside profiles with signed challenges", async () => {
    withTenants([tenant({ profiles: ["lab"] })], { [STATS]: () => envelope([intuneRow("corp")]) });
    show("/scep/intune");
    await card();
    await card("corp");
  });

  it("show how often each code came, and how they stand", async () => {
    const sweep = {
      at: "2026-11-23T09:10:00Z",
      managed_devices: 4031,
      registered_devices: 4480,
      certificates: 3987,
      gone: 2,
      disabled: 1,
      released: 0,
      on_hold: 3,
    };
    withTenants([tenant({ notifications_waiting: 3, sweep })]);
    show("/scep/intune");
    const contoso = await card();
    expect(fact(contoso, "Codes of 48 hours")).toBe("Success 118, ChallengeExpired 2");
    expect(fact(contoso, "Wait for notification")).toBe("3 certificates");
    expect(fact(contoso, "Device sweep")).toMatch(/^3,987 certificates .*: 2 gone, 3 on hold$/);
    expect(fact(contoso, "Credential")).toBe("client secret");
    expect(fact(contoso, "Circuit")).toBe("Closed");
    contoso.getByText("Reachable");
    expect(contoso.queryByRole("alert")).toBeNull();
  });

  it("say what is wrong, and warn of a credential that ends", async () => {
    const message = "Entra ID gave no token: AADSTS7000222: the client secret has expired";
    withTenants([
      tenant({
        trouble: { since: "2026-11-23T12:40:00Z", message, lasting: true },
        credential_expires: "2026-12-05T00:00:00Z",
        credential_days_to_expiry: 11,
        resting_profiles: ["corp"],
      }),
    ]);
    show("/scep/intune");
    const contoso = await card();
    expect(contoso.getByRole("alert").textContent).toContain(message);
    expect(contoso.getByText("Needs mending").closest("[data-tone]")).toHaveAttribute(
      "data-tone",
      "bad",
    );
    const left = contoso.getByText("11 days left, rotate soon");
    expect(left.closest("[data-tone]")).toHaveAttribute("data-tone", "warn");
    expect(fact(contoso, "Circuit")).toBe("Open");
  });

  it("have a batch of revocations released or refused, after a question", async () => {
    for (const [button, question, word] of [
      [/^Revoke them/, "Revoke 240 certificates?", "release"],
      [/^Keep them/, "Keep these certificates?", "refuse"],
    ] as const) {
      let held: object = HELD;
      const path = `${DECIDE}/${word}`;
      const server = withTenants([], {
        [TENANTS]: () => ({ data: [tenant({ revocations: held as never })], generated_at: "" }),
        [path]: () => {
          held = { waiting: 0, held: [] };
          return { tenant: "contoso", decided: 240 };
        },
      });
      const { user, unmount } = show("/scep/intune");
      const contoso = await card();
      contoso.getByText("laptop-17");
      contoso.getByText("and 239 more");
      await user.click(contoso.getByRole("button", { name: button }));
      const dialog = within(await screen.findByRole("dialog", { name: question }));
      expect(server.of(path)).toHaveLength(0);
      const action = word === "release" ? "Revoke 240 certificates" : "Revoke none";
      await user.click(dialog.getByRole("button", { name: action }));
      await waitFor(() => expect(server.of(path)).toHaveLength(1));
      await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
      await waitFor(() => expect(contoso.queryByText("laptop-17")).toBeNull());
      unmount();
    }
  });

  it("say why a batch was not decided on", async () => {
    const words = "no revocations of this tenant are held";
    withTenants([tenant({ revocations: HELD })], {
      [`${DECIDE}/release`]: refusal(409, words),
    });
    const { user } = show("/scep/intune");
    await user.click((await card()).getByRole("button", { name: /^Revoke them/ }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.click(dialog.getByRole("button", { name: "Revoke 240 certificates" }));
    expect((await dialog.findByRole("alert")).textContent).toContain(words);
  });
});

describe("a profile's card", () => {
  it("says which tenants it asks, and lacks no challenge", async () => {
    serve({
      "GET /admin/scep/profiles": () =>
        envelope([
          profile("cloud", { challenge_password_set: false, intune_tenants: ["contoso"] }),
          profile("both", { intune: intuneSection(), intune_tenants: ["contoso", "fabrikam"] }),
        ]),
    });
    show("/scep");
    const cloud = await card("cloud");
    expect(fact(cloud, "Intune")).toBe("On");
    expect(fact(cloud, "Intune tenants")).toBe("contoso");
    expect(cloud.queryByText(/No device can authenticate/)).toBeNull();
    cloud.getByRole("link", { name: /View Intune details/ });
    expect(fact(await card("both"), "Intune tenants")).toBe("contoso, fabrikam");
  });
});
