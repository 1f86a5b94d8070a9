import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { Challenge, ChallengeCounts } from "../src/api/types";
import { iso, NOW } from "./fixtures";
import { refusal, serve, show } from "./harness";

function challenge(id: string, more: Partial<Challenge> = {}): Challenge {
  return {
    id,
    profile: "corp",
    state: "open",
    interface: "jamf",
    created_by: "jamf",
    created_at: iso(NOW),
    expires_at: iso(NOW + 900_000),
    uses: 1,
    used: 0,
    ...more,
  };
}

const COUNTS: ChallengeCounts = {
  profile: "corp",
  open: 12,
  max_open: 10000,
  made: 50,
  used: 31,
  expired: 5,
  withdrawn: 2,
  refused: 7,
};

const URL = "/scep?tab=challenges";

describe("Challenges", () => {
  it("shows how many there are and which, and no value", async () => {
    const challenges = [
      challenge("aaaaaaaa11111111", { bound_to: "device box-4" }),
      challenge("bbbbbbbb22222222", { state: "used", used: 1, interface: "api" }),
    ];
    serve({ "GET /challenges": { challenges, profiles: [COUNTS] } });
    show(URL);
    const counts = await screen.findByRole("table", { name: "Challenges by profile" });
    for (const words of ["12 of 10000", "50", "31", "5", "2", "7"]) {
      expect(within(counts).getByText(words)).toBeVisible();
    }
    const list = screen.getByRole("table", { name: "Challenges, newest first" });
    expect(within(list).getByText("device box-4")).toBeVisible();
    expect(within(list).getByText("Used", { selector: ".badge span" })).toBeVisible();
    expect(within(list).getAllByRole("button", { name: /^Withdraw/ })).toHaveLength(1);
  });

  it("says how to have them where no profile has", async () => {
    serve();
    show(URL);
    expect(await screen.findByText("No profile has challenges for one device")).toBeVisible();
    expect(screen.queryByRole("button", { name: "Make a challenge" })).toBeNull();
  });

  it("makes one for a device and shows it once", async () => {
    const server = serve({
      "GET /challenges": { challenges: [], profiles: [COUNTS] },
      "POST /challenges": {
        challenge: "8CE317021F690069",
        details: challenge("cccccccc33333333", { interface: "page" }),
      },
    });
    const { user } = show(URL);
    await user.click(await screen.findByRole("button", { name: "Make a challenge" }));
    await user.type(screen.getByLabelText("Device"), "box-4");
    await user.click(screen.getByRole("button", { name: "Make challenge" }));
    expect(await screen.findByText("8CE317021F690069")).toBeVisible();
    const [sent] = server.of("POST /challenges");
    expect(sent?.body).toEqual({ profile: "corp", uses: 1, device: "box-4" });
    expect(sent?.headers.get("X-CSRF-Token")).toBe("csrf-1");
    await user.click(screen.getByRole("button", { name: "Done" }));
    expect(screen.queryByText("8CE317021F690069")).toBeNull();
  });

  it("withdraws one, and says why it could not", async () => {
    const open = challenge("aaaaaaaa11111111");
    const server = serve({
      "GET /challenges": { challenges: [open], profiles: [COUNTS] },
      [`DELETE /challenges/${open.id}`]: refusal(409, "the challenge has ended already"),
    });
    const { user } = show(URL);
    await user.click(await screen.findByRole("button", { name: /^Withdraw/ }));
    const button = screen.getByRole("button", { name: "Withdraw challenge" });
    await user.click(button);
    expect(await screen.findByText(/the challenge has ended already/)).toBeVisible();
    server.table[`DELETE /challenges/${open.id}`] = { ...open, state: "withdrawn" };
    await user.click(button);
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });

  it("narrows the list by state and profile", async () => {
    const server = serve({ "GET /challenges": { challenges: [], profiles: [COUNTS] } });
    const { user } = show(`${URL}&profile=corp`);
    await screen.findByRole("table", { name: "Challenges by profile" });
    await user.selectOptions(screen.getByLabelText("State"), "expired");
    await waitFor(() => expect(server.of("GET /challenges").length).toBeGreaterThan(1));
    const asked = server.of("GET /challenges").at(-1)?.query;
    expect([asked?.get("state"), asked?.get("profile")]).toEqual(["expired", "corp"]);
  });
});
