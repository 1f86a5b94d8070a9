import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { event, NOW, profile } from "./fixtures";
import { envelope, list, refusal, type Seen, serve, show } from "./harness";

const EVENTS = [
  event(1, "scep_pkcsreq", { common_name: "first" }, NOW - 4_000),
  event(2, "scep_renewalreq", { common_name: "second", serial: "00beef" }, NOW - 3_000),
  event(
    3,
    "scep_pkcsreq_intune",
    {
      common_name: "csr-3",
      outcome: "failure",
      reason: "replay",
      device: "DEV-3",
      claim: { device_name: "third" },
    },
    NOW - 2_000,
  ),
  event(4, "scep_renewalreq_intune", { common_name: "fourth", outcome: "pending" }, NOW - 1_000),
];

function audit(events = EVENTS) {
  return ({ query }: Seen) =>
    list(events.filter(({ action }) => action === query.get("action")).reverse());
}

async function names() {
  const table = await screen.findByRole("table", { name: "Recent enrollments" });
  return within(table)
    .getAllByRole("row")
    .slice(1)
    .map((row) => row.querySelector(".device-name")?.textContent);
}

describe("Recent Activity", () => {
  it("asks for all four actions and merges them, newest first", async () => {
    const server = serve({ "GET /audit": audit() });
    show("/scep?tab=activity");
    expect(await names()).toEqual(["fourth", "third", "second", "first"]);
    const asked = server.of("GET /audit").map(({ query }) => query.get("action"));
    expect(asked.sort()).toEqual([
      "scep_pkcsreq",
      "scep_pkcsreq_intune",
      "scep_renewalreq",
      "scep_renewalreq_intune",
    ]);
    for (const { query } of server.of("GET /audit")) expect(query.get("per_page")).toBe("100");
  });

  it("shows the last 100 of them together", async () => {
    const many = EVENTS.flatMap(({ action }, kind) =>
      Array.from({ length: 100 }, (_, n) =>
        event(
          n * 4 + kind,
          action,
          { common_name: `d${n * 4 + kind}` },
          NOW + (n * 4 + kind) * 1000,
        ),
      ),
    );
    serve({ "GET /audit": audit(many) });
    show("/scep?tab=activity");
    const shown = await names();
    expect(shown).toHaveLength(100);
    expect(shown[0]).toBe("d399");
    expect(shown[99]).toBe("d300");
  });

  it("is narrowed by chips", async () => {
    serve({ "GET /audit": audit() });
    const { user } = show("/scep?tab=activity");
    await names();
    const chips = within(screen.getByRole("group", { name: "Kind of enrollment" }));
    expect(chips.getAllByRole("radio").map((chip) => chip.parentElement?.textContent)).toEqual([
      "All",
      "Initial",
      "Renewal",
      "Intune",
      "Static",
    ]);
    const expected = {
      Initial: ["third", "first"],
      Renewal: ["fourth", "second"],
      Intune: ["fourth", "third"],
      Static: ["second", "first"],
      All: ["fourth", "third", "second", "first"],
    };
    for (const [chip, found] of Object.entries(expected)) {
      await user.click(chips.getByRole("radio", { name: chip }));
      expect(await names()).toEqual(found);
    }
  });

  it("is narrowed by outcome and by text", async () => {
    serve({ "GET /audit": audit() });
    const { user } = show("/scep?tab=activity");
    await names();
    await user.selectOptions(screen.getByLabelText("Outcome"), "Refused");
    expect(await names()).toEqual(["third"]);
    await user.selectOptions(screen.getByLabelText("Outcome"), "Waiting");
    expect(await names()).toEqual(["fourth"]);
    await user.selectOptions(screen.getByLabelText("Outcome"), "All outcomes");
    const search = screen.getByLabelText("Search device, serial or common name");
    for (const [text, found] of [
      ["dev-3", "third"],
      ["BEEF", "second"],
      ["fir", "first"],
    ] as const) {
      await user.clear(search);
      await user.type(search, text);
      await waitFor(async () => expect(await names()).toEqual([found]));
    }
    await user.type(search, "no such");
    expect(await screen.findByText("No enrollment fits")).toBeVisible();
  });

  it("names outcomes and reasons in words beside a shape", async () => {
    serve({ "GET /audit": audit() });
    show("/scep?tab=activity");
    await names();
    for (const [word, tone] of [
      ["Replay", "bad"],
      ["Waiting", "warn"],
    ] as const) {
      const badge = screen.getByText(word, { selector: ".badge span" }).closest(".badge");
      expect(badge).toHaveAttribute("data-tone", tone);
      expect(badge?.querySelector("svg")).not.toBeNull();
    }
  });

  it("gives times in words, with UTC on hover", async () => {
    serve({ "GET /audit": audit([event(1, "scep_pkcsreq", {}, Date.now() - 125_000)]) });
    show("/scep?tab=activity");
    const time = await screen.findByText("2 min ago");
    expect(time).toHaveAttribute("title", expect.stringMatching(/^\d{4}-\d\d-\d\d [\d:]{8} UTC$/));
  });

  it("says of a profile that it is not there, or has nothing yet and where devices enroll", async () => {
    serve({ "GET /admin/scep/profiles": () => envelope([profile("corp")]) });
    const first = show("/scep?tab=activity&profile=nope");
    expect(await screen.findByText("There is no profile nope")).toBeVisible();
    await first.user.click(screen.getByRole("link", { name: "All profiles" }));
    expect(first.place.url).toBe("/scep?tab=activity");
    first.unmount();
    show("/scep?tab=activity&profile=corp");
    expect(await screen.findByText("Nothing from corp yet")).toBeVisible();
    expect(screen.getByText(`${window.location.origin}/scep/corp`)).toBeVisible();
    expect(screen.getByRole("button", { name: /^Copy/ })).toBeVisible();
  });

  it("has the profiles to choose from before the list is opened", async () => {
    const server = serve({
      "GET /admin/scep/profiles": () => envelope([profile("corp"), profile("iot")]),
    });
    const { user } = show("/scep?tab=activity");
    await waitFor(() => expect(server.of("GET /admin/scep/profiles")).toHaveLength(1));
    await screen.findByText("No enrollment yet");
    const select = screen.getByLabelText("Profile");
    await user.pointer({ keys: "[MouseLeft>]", target: select });
    expect(within(select).getAllByRole("option")).toHaveLength(3);
  });

  it("has an empty state and an error with a retry", async () => {
    const server = serve({ "GET /audit": refusal(500, "The store is gone.") });
    const { user } = show("/scep?tab=activity");
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("Recent activity could not be loaded");
    server.table["GET /audit"] = () => list([]);
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("No enrollment yet")).toBeVisible();
    expect(screen.getByText(/scepd enroll/)).toBeVisible();
  });
});
