import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { certificate, detail, intuneRow, pending } from "./fixtures";
import { envelope, list, Reply, refusal, serve, show } from "./harness";

/** Presses beside the open dialog, on the page below. */
async function pressBeside(user: ReturnType<typeof show>["user"]) {
  await user.pointer({ keys: "[MouseLeft]", target: document.documentElement });
}

/** An answer that waits until it is told. */
function later(reply: unknown) {
  let answer: () => void = () => {};
  const given = new Promise((resolve) => {
    answer = () => resolve(reply);
  });
  return { given: () => given, answer: () => answer() };
}

describe("a dialog", () => {
  it("closes on a press beside it while nothing was typed, and keeps a note", async () => {
    serve({ "GET /admin/scep/requests": () => list([pending("corp.1")]) });
    const { user } = show("/scep?tab=requests");
    const deny = await screen.findByRole("button", { name: /^Deny/ });
    await user.click(deny);
    await pressBeside(user);
    expect(screen.queryByRole("dialog")).toBeNull();
    await user.click(deny);
    await user.type(screen.getByLabelText("Note"), "not one of ours");
    await pressBeside(user);
    expect(screen.getByLabelText("Note")).toHaveValue("not one of ours");
    await user.keyboard("{Escape}");
    expect(screen.queryByRole("dialog")).toBeNull();
  });

  it("with a new token's secret closes by its buttons alone", async () => {
    serve({
      "POST /admin/tokens": new Reply(201, {
        secret: "scepd_secret",
        token: { id: "8d", name: "dash", role: "admin", created_at: "2026-11-23T12:00:00Z" },
      }),
    });
    const { user } = show("/scep?tab=server");
    const opener = await screen.findByRole("button", { name: "Make a token" });
    await user.click(opener);
    await user.type(screen.getByLabelText("Name"), "dash{Enter}");
    await screen.findByText("scepd_secret");
    await pressBeside(user);
    await user.keyboard("{Escape}");
    expect(screen.getByText("scepd_secret")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Done" }));
    expect(screen.queryByRole("dialog")).toBeNull();
    await waitFor(() => expect(opener).toHaveFocus());
  });

  const WORDS = "connector.pem: the certificate has expired";

  it.each([
    {
      url: "/scep/intune",
      open: /^Reload trust anchor/,
      act: "Reload",
      route: "POST /admin/scep/intune/reload-trust",
    },
    {
      url: "/scep?certificate=local/0a",
      open: /^Revoke$/,
      act: "Revoke certificate",
      route: "POST /admin/certificates/local/0a/revoke",
    },
    {
      url: "/scep?tab=requests",
      open: /^Approve/,
      act: "Approve request",
      route: "POST /admin/scep/requests/corp.1/approve",
    },
  ])("waits for the answer of $act, which is shown in it", async ({ url, open, act, route }) => {
    const slow = later(refusal(500, WORDS));
    serve({
      "GET /admin/scep/intune/stats": () => envelope([intuneRow("corp")]),
      "GET /admin/certificates/local/0a": detail(certificate("0a")),
      "GET /admin/scep/requests": () => list([pending("corp.1")]),
      [route]: slow.given,
    });
    const { user } = show(url);
    await user.click(await screen.findByRole("button", { name: open }));
    const question = screen.getAllByRole("dialog").at(-1) as HTMLElement;
    await user.click(within(question).getByRole("button", { name: act }));
    await user.keyboard("{Escape}");
    await pressBeside(user);
    await user.click(within(question).getByRole("button", { name: "Cancel" }));
    await user.click(within(question).getByRole("button", { name: "Close" }));
    slow.answer();
    expect(await within(question).findByRole("alert")).toHaveTextContent(WORDS);
    await user.click(within(question).getByRole("button", { name: "Cancel" }));
    expect(question).not.toBeInTheDocument();
  });
});
