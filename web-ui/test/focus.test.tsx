import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { certificate, detail, event, intuneSection, NOW, pending, profile } from "./fixtures";
import { envelope, list, refusal, type Seen, serve, show } from "./harness";

describe("the focus", () => {
  it("is on the heading after signing in and after signing out", async () => {
    serve({
      "GET /auth/check": refusal(401, "This needs a token."),
      "POST /session": { user: "ops", admin: true, actor_type: "APIKey", csrf_token: "c" },
      "DELETE /session": {},
    });
    const { user } = show();
    await user.type(await screen.findByLabelText("Admin token"), "secret{Enter}");
    await screen.findByRole("tab", { name: "Profiles" });
    const heading = () => screen.getByRole("heading", { level: 1 });
    await waitFor(() => expect(heading()).toHaveFocus());
    await user.click(screen.getByRole("button", { name: "Sign out" }));
    await screen.findByLabelText("Admin token");
    await waitFor(() => expect(heading()).toHaveFocus());
  });

  it("is left to the browser when the page is loaded", async () => {
    serve();
    show();
    await screen.findByRole("tab", { name: "Profiles" });
    expect(document.body).toHaveFocus();
  });

  it("goes to the list's heading when the decided request is gone", async () => {
    let waiting = [pending("corp.1"), pending("corp.2")];
    serve({
      "GET /admin/scep/requests": () => list(waiting),
      "POST /admin/scep/requests/corp.1/approve": () => {
        waiting = waiting.slice(1);
        return { id: "corp.1", state: "approved", decided_by: "ops", decided_at: "" };
      },
    });
    const { user } = show("/scep?tab=requests");
    const card = within(await screen.findByRole("article", { name: "printer-corp.1" }));
    await user.click(card.getByRole("button", { name: /^Approve/ }));
    await user.click(screen.getByRole("button", { name: "Approve request" }));
    await waitFor(() =>
      expect(screen.getByRole("heading", { name: "Waiting for approval" })).toHaveFocus(),
    );
  });

  it("goes to the tokens' heading when the revoked token's button is gone", async () => {
    const token = { id: "7c", name: "ops", role: "admin", created_at: new Date(NOW).toISOString() };
    let revoked = {};
    serve({
      "GET /admin/tokens": () => ({ tokens: [{ ...token, ...revoked }] }),
      "DELETE /admin/tokens/7c": () => {
        revoked = { revoked_at: "2026-11-23T12:00:00Z" };
        return { ...token, ...revoked };
      },
    });
    const { user } = show("/scep?tab=server");
    await user.click(await screen.findByRole("button", { name: /^Revoke/ }));
    await user.click(screen.getByRole("button", { name: "Revoke token" }));
    await screen.findByText("Revoked");
    await waitFor(() => expect(screen.getByRole("heading", { name: "Tokens" })).toHaveFocus());
  });

  it("stays in the sheet whose certificate was revoked", async () => {
    const found = certificate("0a");
    serve({
      "GET /admin/certificates/local/0a": () => detail(found),
      "POST /admin/certificates/local/0a/revoke": () => {
        Object.assign(found, { status: "revoked", revoked_at: "2026-11-23T12:00:00Z" });
        return { revoked: true };
      },
    });
    const { user } = show("/scep?certificate=local/0a");
    await user.click(await screen.findByRole("button", { name: "Revoke" }));
    await user.click(screen.getByRole("button", { name: "Revoke certificate" }));
    await waitFor(() => expect(screen.queryByRole("button", { name: "Revoke" })).toBeNull());
    await waitFor(() =>
      expect(screen.getByRole("dialog", { name: "Certificate" })).toContainElement(
        document.activeElement as HTMLElement,
      ),
    );
  });

  it("comes back to what opened the first of two sheets, and Back opens neither", async () => {
    const issued = event(1, "scep_pkcsreq", { common_name: "pump-1", serial: "0a" });
    serve({
      "GET /audit": ({ query }: Seen) =>
        list(query.get("action") === issued.action ? [issued] : []),
      "GET /admin/timeline": {
        entries: [],
        certificates: [certificate("0a")],
        truncated: false,
        generated_at: new Date(NOW).toISOString(),
      },
      "GET /admin/certificates/local/0a": detail(certificate("0a")),
    });
    const { user, place, go } = show("/scep?tab=activity");
    await user.click(await screen.findByRole("button", { name: "Details of pump-1" }));
    await user.click(screen.getByRole("link", { name: "Timeline of this device" }));
    const timeline = within(await screen.findByRole("dialog", { name: "Timeline" }));
    await user.click(await timeline.findByRole("link", { name: "0a" }));
    await screen.findByRole("dialog", { name: "Certificate" });
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(place.url).toBe("/scep?tab=activity");
    await waitFor(() =>
      expect(screen.getByRole("link", { name: "Timeline of this device" })).toHaveFocus(),
    );
    go(-1);
    expect(screen.queryByRole("dialog")).toBeNull();
  });

  it("goes to the tab when a sheet closes that came with the URL, which is replaced", async () => {
    serve({ "GET /admin/certificates/local/0a": detail(certificate("0a")) });
    const { user, place } = show("/scep?tab=certificates&certificate=local/0a");
    await screen.findByRole("dialog", { name: "Certificate" });
    await user.keyboard("{Escape}");
    await waitFor(() => expect(place.url).toBe("/scep?tab=certificates"));
    await waitFor(() => expect(screen.getByRole("tab", { name: "Certificates" })).toHaveFocus());
  });

  it("goes to the tab that a link leads to", async () => {
    serve({
      "GET /admin/scep/profiles": () => envelope([profile("corp", { intune: intuneSection() })]),
    });
    const { user } = show();
    (await screen.findByRole("link", { name: /^View Intune details/ })).focus();
    await user.keyboard("{Enter}");
    await waitFor(() =>
      expect(screen.getByRole("tab", { name: "Intune Monitoring" })).toHaveFocus(),
    );
  });

  it("goes on from a “Try again” that helped", async () => {
    const server = serve({ "GET /admin/scep/profiles": refusal(500, "The store is gone.") });
    const { user } = show();
    const again = await screen.findByRole("button", { name: "Try again" });
    server.table["GET /admin/scep/profiles"] = () => envelope([profile("corp")]);
    await user.click(again);
    await screen.findByRole("article", { name: "corp" });
    await waitFor(() => expect(screen.getByRole("tab", { name: "Profiles" })).toHaveFocus());
  });
});
