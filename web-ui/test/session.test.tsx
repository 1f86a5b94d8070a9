import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { Reply, refusal, serve, show } from "./harness";

const SIGNED_OUT = refusal(401, "This needs a token.");

describe("signing in", () => {
  it("exchanges the token for a session and shows the page", async () => {
    const server = serve({
      "GET /auth/check": SIGNED_OUT,
      "POST /session": {
        user: "ops",
        admin: true,
        actor_type: "APIKey",
        csrf_token: "c",
        expires_at: "2026-11-24T00:00:00Z",
      },
    });
    const { user } = show();
    await user.type(await screen.findByLabelText("Admin token"), "secret-token{Enter}");
    expect(await screen.findByRole("tab", { name: "Profiles" })).toBeVisible();
    expect(server.of("POST /session")[0]?.body).toEqual({ token: "secret-token" });
    expect(screen.getByText("ops")).toBeVisible();
    expect(JSON.stringify({ ...localStorage, ...sessionStorage })).not.toContain("secret-token");
  });

  it("says that a wrong token is wrong and lets one try again", async () => {
    const server = serve({ "GET /auth/check": SIGNED_OUT, "POST /session": SIGNED_OUT });
    const { user } = show();
    const field = await screen.findByLabelText("Admin token");
    await user.type(field, "wrong{Enter}");
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("This token is not valid");
    expect(field).toHaveAttribute("aria-invalid", "true");
    expect(server.paths()).toEqual(["GET /auth/check", "POST /session"]);
  });

  it("passes on why a source is shut out", async () => {
    const words = "Too many bad tokens from this address. Try again in a minute.";
    serve({ "GET /auth/check": SIGNED_OUT, "POST /session": refusal(429, words) });
    const { user } = show();
    await user.type(await screen.findByLabelText("Admin token"), "x{Enter}");
    expect(await screen.findByRole("alert")).toHaveTextContent(words);
  });

  it("says when the server cannot be reached, with a retry", async () => {
    const server = serve({ "GET /auth/check": refusal(500, "The store does not answer.") });
    const { user } = show();
    expect(await screen.findByRole("alert")).toHaveTextContent("The store does not answer.");
    server.table["GET /auth/check"] = SIGNED_OUT;
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByLabelText("Admin token")).toBeVisible();
  });
});

describe("a caller who is not admin", () => {
  const viewer = { status: "authenticated", user: "dash", admin: false, actor_type: "APIKey" };

  it.each([
    "/scep",
    "/scep/intune",
    "/scep?tab=activity&timeline=device:x",
    "/scep?certificate=a/b",
  ])("sees the banner at %s, and the page sends no admin request at all", async (url) => {
    const server = serve({ "GET /auth/check": viewer });
    show(url);
    const banner = await screen.findByRole("alert");
    expect(within(banner).getByText("Admin access required")).toBeVisible();
    expect(banner).toHaveTextContent("every SCEP profile");
    expect(banner).toHaveTextContent("Intune monitoring");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.paths()).toEqual(["GET /auth/check"]);
    expect(screen.queryByRole("tab")).toBeNull();
  });
});

describe("the role of a caller", () => {
  it.each([
    ["an admin", true, "APIKey", "Role: admin", undefined],
    ["an admin of the provider", true, "OIDC", "Role: admin", undefined],
    ["a viewer", false, "APIKey", "Role: viewer", "with the role viewer"],
    [
      "a user of the provider",
      false,
      "OIDC",
      "Without the admin role",
      "whom the identity provider gives no role of an admin here",
    ],
  ])("is told as far as it is known: %s", async (_, admin, actor_type, title, words) => {
    serve({
      "GET /auth/check": { status: "authenticated", user: "alice", admin, actor_type },
    });
    show();
    if (words === undefined) {
      await screen.findByRole("tab", { name: "Profiles" });
    } else {
      const banner = await screen.findByRole("alert");
      expect(banner).toHaveTextContent(words);
      expect(banner).toHaveTextContent("you cannot see any profile, device, certificate");
      expect(banner.textContent?.includes("admin_roles")).toBe(actor_type === "OIDC");
    }
    expect(within(screen.getByRole("banner")).getByTitle(title)).toHaveTextContent("alice");
  });
});

describe("leaving", () => {
  it("ends the session with the CSRF token and forgets what was shown", async () => {
    const server = serve({ "DELETE /session": new Reply(204, undefined) });
    const { user, client } = show();
    await screen.findByRole("tab", { name: "Profiles" });
    await user.click(screen.getByRole("button", { name: "Sign out" }));
    expect(await screen.findByLabelText("Admin token")).toBeVisible();
    const [request] = server.of("DELETE /session");
    expect(request?.headers.get("X-CSRF-Token")).toBe("csrf-1");
    expect(client.getQueryData(["profiles"])).toBeUndefined();
  });

  it("goes back to the sign-in when the server ends the session, and says so", async () => {
    const server = serve();
    const { user } = show();
    await screen.findByRole("tab", { name: "Profiles" });
    server.table["GET /audit"] = SIGNED_OUT;
    await user.click(screen.getByRole("tab", { name: "Recent Activity" }));
    expect(await screen.findByText(/Your session ended/)).toBeVisible();
    expect(screen.getByLabelText("Admin token")).toBeVisible();
  });
});

describe("the frame of the page", () => {
  it("has its heading and its navigation", async () => {
    serve();
    show();
    expect(await screen.findByRole("heading", { level: 1 })).toHaveTextContent(
      "SCEP Administration",
    );
    expect(screen.getByRole("link", { name: "SCEP Admin" })).toHaveAttribute("href", "/scep");
  });

  it("keeps the chosen theme", async () => {
    serve();
    const { user } = show();
    await user.selectOptions(await screen.findByLabelText("Theme"), "Dark");
    expect(document.documentElement.dataset.theme).toBe("dark");
    expect(localStorage.getItem("scepd-theme")).toBe("dark");
    await user.selectOptions(screen.getByLabelText("Theme"), "System theme");
    await waitFor(() => expect(document.documentElement.dataset.theme).toBeUndefined());
  });
});
