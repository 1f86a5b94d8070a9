import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { Reply, serve, show } from "./harness";

const TOKEN = { id: "7c", name: "ops", role: "admin", created_at: "2026-11-01T00:00:00Z" };

describe("the start-up checks", () => {
  it("run on request and list what they find", async () => {
    const server = serve({
      "POST /admin/scep/checks": {
        ok: false,
        findings: [
          {
            level: "error",
            profile: "iot",
            setting: "ra_cert_path",
            file: "/etc/scepd/iot-ra.pem",
            message: "The file is not there.",
            action: "Put the RA certificate there.",
          },
        ],
        profiles_checked: 2,
        generated_at: "2026-11-23T12:00:00Z",
      },
    });
    const { user } = show("/scep?tab=server");
    await user.click(await screen.findByRole("button", { name: "Run now" }));
    expect(await screen.findByText("Would not start")).toBeVisible();
    expect(screen.getByText("The file is not there.")).toBeVisible();
    expect(screen.getByText("Put the RA certificate there.")).toBeVisible();
    expect(server.of("POST /admin/scep/checks")[0]?.headers.get("X-CSRF-Token")).toBe("csrf-1");
  });
});

describe("tokens", () => {
  it("are made, and the secret is shown once", async () => {
    const server = serve({
      "GET /admin/tokens": { tokens: [TOKEN] },
      "POST /admin/tokens": new Reply(201, {
        secret: "scepd_secret",
        token: { ...TOKEN, id: "8d", name: "dash", role: "viewer" },
      }),
    });
    const { user } = show("/scep?tab=server");
    await user.click(await screen.findByRole("button", { name: "Make a token" }));
    const dialog = within(screen.getByRole("dialog"));
    await user.type(dialog.getByLabelText("Name"), "dash");
    await user.selectOptions(dialog.getByLabelText("Role"), "viewer");
    await user.click(dialog.getByRole("button", { name: "Make token" }));
    expect(await screen.findByText("scepd_secret")).toBeVisible();
    expect(server.of("POST /admin/tokens")[0]?.body).toEqual({
      name: "dash",
      role: "viewer",
      expires_in_days: 90,
    });
    await user.click(screen.getByRole("button", { name: "Done" }));
    expect(screen.queryByText("scepd_secret")).toBeNull();
  });

  it("show whether each still opens anything", async () => {
    serve({
      "GET /admin/tokens": {
        tokens: [
          { ...TOKEN, id: "1", name: "live" },
          { ...TOKEN, id: "2", name: "ended", expires_at: "2020-01-01T00:00:00Z" },
          { ...TOKEN, id: "3", name: "gone", revoked_at: "2026-11-01T00:00:00Z" },
        ],
      },
    });
    show("/scep?tab=server");
    const table = within(await screen.findByRole("table", { name: "Tokens" }));
    for (const [name, standing, action] of [
      ["live", "Active", true],
      ["ended", "Ended", true],
      ["gone", "Revoked", false],
    ] as const) {
      const row = table.getByText(name, { selector: "bdi" }).closest("tr") as HTMLElement;
      expect(within(row).getByText(standing)).toBeVisible();
      expect(within(row).queryByRole("button", { name: /^Revoke/ }) !== null).toBe(action);
    }
  });

  it("are revoked after a question", async () => {
    const route = "DELETE /admin/tokens/7c";
    const server = serve({
      "GET /admin/tokens": { tokens: [TOKEN] },
      [route]: { ...TOKEN, revoked_at: "2026-11-23T12:00:00Z" },
    });
    const { user } = show("/scep?tab=server");
    const table = within(await screen.findByRole("table", { name: "Tokens" }));
    await user.click(table.getByRole("button", { name: /^Revoke/ }));
    expect(server.of(route)).toHaveLength(0);
    await user.click(screen.getByRole("button", { name: "Revoke token" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(server.of(route)).toHaveLength(1);
  });
});
