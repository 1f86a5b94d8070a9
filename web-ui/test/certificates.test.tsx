import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { certificate, detail, event, NOW, pending } from "./fixtures";
import { list, refusal, type Seen, serve, show } from "./harness";

const CERTIFICATES = "GET /admin/certificates";

describe("Certificates", () => {
  it("are searched by text, status and profile on the server", async () => {
    const server = serve({ [CERTIFICATES]: () => list([certificate("0a")]) });
    const { user } = show("/scep?tab=certificates&profile=corp");
    await screen.findByText("laptop-0a");
    await user.type(screen.getByLabelText("Search certificates"), "lap");
    await user.selectOptions(screen.getByLabelText("Status"), "Revoked");
    await waitFor(() => {
      const last = server.of(CERTIFICATES).at(-1)?.query;
      expect(Object.fromEntries(last ?? [])).toEqual({
        q: "lap",
        profile: "corp",
        status: "revoked",
        page: "1",
        per_page: "50",
      });
    });
    // Typing three letters is one search.
    expect(server.of(CERTIFICATES).map(({ query }) => query.get("q"))).not.toContain("l");
  });

  it("are paged, and another search begins on the first page", async () => {
    const server = serve({
      [CERTIFICATES]: ({ query }: Seen) => ({
        data: [certificate(`0${query.get("page")}`)],
        total: 120,
        page: Number(query.get("page")),
        per_page: 50,
      }),
    });
    const { user } = show("/scep?tab=certificates");
    expect(await screen.findByText("1 to 50 of 120")).toBeVisible();
    expect(screen.getByRole("button", { name: "Newer" })).toBeDisabled();
    await user.click(screen.getByRole("button", { name: "Older" }));
    expect(await screen.findByText("51 to 100 of 120")).toBeVisible();
    await user.selectOptions(screen.getByLabelText("Status"), "Valid");
    await waitFor(() => expect(server.of(CERTIFICATES).at(-1)?.query.get("page")).toBe("1"));
  });

  it("show where each stands", async () => {
    serve({
      [CERTIFICATES]: () =>
        list([
          certificate("01"),
          certificate("02", { days_to_expiry: 5 }),
          certificate("03", { status: "expired", days_to_expiry: -3 }),
          certificate("04", { status: "revoked" }),
        ]),
    });
    show("/scep?tab=certificates");
    for (const [word, tone] of [
      ["Valid", "good"],
      ["Ends in 5 days", "bad"],
      ["Expired", "expired"],
      ["Revoked", "bad"],
    ] as const) {
      const badge = await screen.findByText(word, { selector: ".badge span" });
      expect(badge.closest(".badge")).toHaveAttribute("data-tone", tone);
    }
  });

  it("open at the side by their URL, and close to where one was", async () => {
    serve({
      [CERTIFICATES]: () => list([certificate("0a")]),
      "GET /admin/certificates/local/0a": detail(certificate("0a")),
    });
    const { user, place } = show("/scep?tab=certificates");
    await user.click(await screen.findByRole("link", { name: "laptop-0a" }));
    expect(place.url).toBe("/scep?tab=certificates&certificate=local%2F0a");
    const sheet = within(await screen.findByRole("dialog", { name: "Certificate" }));
    expect(await sheet.findByText("O=Example, CN=laptop-0a")).toBeVisible();
    expect(sheet.getByRole("link", { name: "Download PEM" })).toHaveAttribute(
      "href",
      "/api/v1/admin/certificates/local/0a/download?format=pem",
    );
    await user.keyboard("{Escape}");
    expect(place.url).toBe("/scep?tab=certificates");
  });

  it("are revoked with a reason and a note, after a question", async () => {
    const found = certificate("0a");
    const route = "POST /admin/certificates/local/0a/revoke";
    const server = serve({
      "GET /admin/certificates/local/0a": () => detail(found),
      [route]: () => {
        Object.assign(found, { status: "revoked", revoked_at: "2026-11-23T12:00:00Z" });
        return {
          revoked: true,
          issuer_id: "local",
          serial: "0a",
          reason: "key_compromise",
          revoked_at: "2026-11-23T12:00:00Z",
        };
      },
    });
    const { user } = show("/scep?tab=certificates&certificate=local/0a");
    await user.click(await screen.findByRole("button", { name: "Revoke" }));
    const dialog = within(screen.getByRole("dialog", { name: "Revoke this certificate?" }));
    expect(server.of(route)).toHaveLength(0);
    await user.selectOptions(dialog.getByLabelText("Reason"), "Key compromise");
    await user.type(dialog.getByLabelText("Note"), "stolen");
    await user.click(dialog.getByRole("button", { name: "Revoke certificate" }));
    await waitFor(() => expect(screen.queryByRole("button", { name: "Revoke" })).toBeNull());
    expect(server.of(route)[0]?.body).toEqual({ reason: "key_compromise", note: "stolen" });
    expect(await screen.findByText("The certificate is revoked.")).toBeVisible();
  });

  it("keep the question open with the server's error", async () => {
    serve({
      "GET /admin/certificates/local/0a": () => detail(certificate("0a")),
      "POST /admin/certificates/local/0a/revoke": refusal(409, "It is already revoked."),
    });
    const { user } = show("/scep?certificate=local/0a");
    await user.click(await screen.findByRole("button", { name: "Revoke" }));
    await user.click(screen.getByRole("button", { name: "Revoke certificate" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("It is already revoked.");
  });

  it("on hold can be released, or revoked for good", async () => {
    const found = certificate("0a", {
      status: "revoked",
      revoked_at: "2026-11-23T12:00:00Z",
      revocation_reason: "certificate_hold",
    });
    const route = "POST /admin/certificates/local/0a/release";
    const server = serve({
      "GET /admin/certificates/local/0a": () => detail(found),
      [route]: () => {
        Object.assign(found, { status: "valid", revocation_reason: undefined });
        return {
          released: true,
          issuer_id: "local",
          serial: "0a",
          released_at: "2026-11-23T13:00:00Z",
        };
      },
    });
    const { user } = show("/scep?tab=certificates&certificate=local/0a");
    expect(await screen.findByText("On hold", { selector: ".badge span" })).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Revoke for good" }));
    const question = within(screen.getByRole("dialog", { name: "Revoke this certificate?" }));
    expect(question.queryByRole("option", { name: /hold/ })).toBeNull();
    await user.click(question.getByRole("button", { name: "Cancel" }));
    await user.click(screen.getByRole("button", { name: "Release" }));
    const dialog = within(screen.getByRole("dialog", { name: "Release this certificate?" }));
    await user.type(dialog.getByLabelText("Note"), "found");
    await user.click(dialog.getByRole("button", { name: "Release certificate" }));
    expect(await screen.findByRole("button", { name: "Revoke" })).toBeVisible();
    expect(server.of(route)[0]?.body).toEqual({ note: "found" });
  });

  it("are put on hold together after a preview, and taken back", async () => {
    const route = "POST /admin/certificates/bulk";
    const at = "2026-11-23T13:00:00Z";
    const server = serve({
      [CERTIFICATES]: () => list([certificate("0a")]),
      [route]: ({ body }: Seen) => {
        const { expected } = body as { expected?: number };
        return expected === undefined
          ? {
              done: false,
              count: 2,
              profiles: [{ profile: "corp", count: 2 }],
              newest: [certificate("0a"), certificate("0b")],
            }
          : { done: true, count: 2, profiles: [], newest: [], at };
      },
    });
    const { user } = show("/scep?tab=certificates&profile=corp");
    await user.click(await screen.findByRole("button", { name: "Change many" }));
    const dialog = within(screen.getByRole("dialog", { name: "Change many certificates" }));
    expect(dialog.queryByRole("button", { name: /^Revoke/ })).toBeNull();
    await user.selectOptions(dialog.getByLabelText("Reason"), "On hold, until it is released");
    await user.type(dialog.getByLabelText("Serial numbers"), "0a, 0b");
    await user.click(dialog.getByRole("button", { name: "Preview" }));
    expect(await dialog.findByText("laptop-0b")).toBeVisible();
    // What is changed afterwards has to be counted again.
    await user.type(dialog.getByLabelText("Serial numbers"), " 0c");
    expect(dialog.queryByRole("button", { name: /^Revoke/ })).toBeNull();
    await user.click(dialog.getByRole("button", { name: "Preview" }));
    await user.click(await dialog.findByRole("button", { name: "Revoke 2 certificates" }));
    await user.click(await screen.findByRole("button", { name: "Take back" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    const selection = { profile: "corp", serials: ["0a", "0b", "0c"] };
    expect(
      server
        .of(route)
        .slice(1)
        .map(({ body }) => body),
    ).toEqual([
      { action: "revoke", selection, reason: "certificate_hold" },
      { action: "revoke", selection, reason: "certificate_hold", expected: 2 },
      { action: "release", selection: { revoked_at: at }, note: "taken back", expected: 2 },
    ]);
  });

  it("say what to do when there are none", async () => {
    serve();
    const { user } = show("/scep?tab=certificates");
    expect(await screen.findByText("No certificate was issued yet")).toBeVisible();
    await user.type(screen.getByLabelText("Search certificates"), "x");
    expect(await screen.findByText("No certificate fits")).toBeVisible();
  });
});

describe("Requests", () => {
  it.each([
    ["Approve", "approve", "Approve request", "The request is approved."],
    ["Deny", "deny", "Deny request", "The request is denied."],
  ])("%s with a note, after a question", async (button, verdict, confirm, said) => {
    let waiting = [pending("corp.1"), pending("corp.2")];
    const route = `POST /admin/scep/requests/corp.1/${verdict}`;
    const server = serve({
      "GET /admin/scep/requests": () => list(waiting),
      [route]: () => {
        waiting = waiting.slice(1);
        return {
          id: "corp.1",
          state: "approved",
          decided_by: "ops",
          decided_at: "2026-11-23T12:00:00Z",
        };
      },
    });
    const { user } = show("/scep?tab=requests");
    const card = within(await screen.findByRole("article", { name: "printer-corp.1" }));
    expect(screen.getByRole("tab", { selected: true })).toHaveTextContent("Requests2 waiting");
    await user.click(card.getByRole("button", { name: new RegExp(`^${button}`) }));
    const dialog = within(screen.getByRole("dialog"));
    expect(server.of(route)).toHaveLength(0);
    await user.type(dialog.getByLabelText("Note"), "seen on the list");
    await user.click(dialog.getByRole("button", { name: confirm }));
    expect(await screen.findByText(said)).toBeVisible();
    expect(server.of(route)[0]?.body).toEqual({ note: "seen on the list" });
    await waitFor(() =>
      expect(screen.queryByRole("article", { name: "printer-corp.1" })).toBeNull(),
    );
    expect(screen.getByRole("article", { name: "printer-corp.2" })).toBeVisible();
  });

  it("say so when none waits", async () => {
    serve();
    show("/scep?tab=requests");
    expect(await screen.findByText("No request waits")).toBeVisible();
  });
});

describe("a device's timeline", () => {
  const refused = event(1, "scep_pkcsreq_intune", {
    outcome: "failure",
    reason: "replay",
    message: "The challenge was used before.",
    device: "dev:1/ü",
    claim: { device_name: "device-1" },
  });
  const story = {
    entries: [
      {
        timestamp: refused.timestamp,
        stage: "refused",
        outcome: "failure",
        message: "The challenge was used before.",
        profile: "corp",
        event: refused,
      },
      {
        timestamp: "2099-01-01T00:00:00Z",
        stage: "expires",
        message: "The certificate expires.",
        profile: "corp",
        serial: "0a",
      },
    ],
    certificates: [certificate("0a")],
    truncated: false,
    generated_at: new Date(NOW).toISOString(),
  };

  it("opens from a row, tells it stage by stage, and leads on to a certificate", async () => {
    const server = serve({
      "GET /audit": ({ query }: Seen) =>
        list(query.get("action") === refused.action ? [refused] : []),
      "GET /admin/timeline": story,
      "GET /admin/certificates/local/0a": detail(certificate("0a")),
    });
    const { user, place } = show("/scep?tab=activity");
    await user.click(await screen.findByRole("button", { name: "Details of device-1" }));
    await user.click(screen.getByRole("link", { name: "Timeline of this device" }));
    const sheet = within(await screen.findByRole("dialog", { name: "Timeline" }));
    expect(await sheet.findByText("Refused: replay")).toBeVisible();
    expect(sheet.getByText("Expires")).toBeVisible();
    const steps = sheet.getAllByRole("listitem").map((step) => step.textContent);
    expect(steps[0]).toContain("Expires");
    expect(steps[1]).toContain("Refused");
    expect(document.querySelector(".standing")).toHaveTextContent(/^Valid until .*Last refused/);
    expect(server.of("GET /admin/timeline")[0]?.query.get("device")).toBe("dev:1/ü");
    await user.click(sheet.getByRole("button", { name: "Everything" }));
    expect(sheet.getByText("T1")).toBeVisible();
    await user.click(sheet.getByRole("link", { name: "0a" }));
    expect(await screen.findByRole("dialog", { name: "Certificate" })).toBeVisible();
    expect(place.url).toBe("/scep?tab=activity&certificate=local%2F0a");
  });

  it("says so when nothing is known", async () => {
    serve({ "GET /admin/timeline": { ...story, entries: [], certificates: [] } });
    show("/scep?timeline=serial:00ff");
    expect(await screen.findByText("Nothing is known")).toBeVisible();
  });
});
