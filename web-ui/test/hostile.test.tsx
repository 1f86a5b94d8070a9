import { screen, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { certificate, detail, event } from "./fixtures";
import { list, type Seen, serve, show } from "./harness";

const MARKUP = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
const BIDI = "invoice\u202Egnp.exe";
const LONG = "x".repeat(4096);

describe("names from certificates", () => {
  it("are text: markup makes no element, hidden characters are shown by number", async () => {
    const events = [MARKUP, BIDI].map((common_name, n) =>
      event(n + 1, "scep_pkcsreq", {
        common_name,
        sans: `dns:${common_name}`,
        user_agent: common_name,
        transaction_id: common_name,
        message: common_name,
      }),
    );
    serve({
      "GET /audit": ({ query }: Seen) => list(query.get("action") === "scep_pkcsreq" ? events : []),
    });
    const { user, container } = show("/scep?tab=activity");
    expect(await screen.findByText(MARKUP)).toBeVisible();
    for (const opener of screen.getAllByRole("button", { name: /^Details of/ })) {
      await user.click(opener);
    }
    expect(container.querySelector("img, script")).toBeNull();
    expect(container.textContent).not.toContain("\u202E");
    expect(screen.getAllByText("U+202E").length).toBeGreaterThan(1);
    expect(screen.getAllByText(MARKUP)[0]?.closest("bdi")).not.toBeNull();
  });

  it("are cut when long, and shown whole on request", async () => {
    const found = certificate("0a", { common_name: LONG });
    serve({
      "GET /admin/certificates": () => list([found]),
      "GET /admin/certificates/local/0a": detail(found),
    });
    const { user } = show("/scep?tab=certificates&certificate=local/0a");
    const sheet = within(await screen.findByRole("dialog"));
    const more = await sheet.findByRole("button", { name: /Show 3,\d+ more characters/ });
    expect(document.body.textContent).not.toContain(LONG);
    await user.click(more);
    expect(document.body.textContent).toContain(LONG);
  });
});
