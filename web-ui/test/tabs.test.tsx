import { screen, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { intuneRow, intuneSection, profile } from "./fixtures";
import { envelope, serve, show } from "./harness";

const TWO = {
  "GET /admin/scep/profiles": () =>
    envelope([profile("corp", { intune: intuneSection() }), profile("iot")]),
  "GET /admin/scep/intune/stats": () =>
    envelope([intuneRow("corp"), intuneRow("kiosk"), { ...intuneRow("iot"), enabled: false }]),
};

function selected() {
  return screen.getByRole("tab", { selected: true }).textContent;
}

describe("tabs", () => {
  it.each([
    ["/scep", "Profiles"],
    ["/scep?tab=intune", "Intune Monitoring"],
    ["/scep/intune", "Intune Monitoring"],
    ["/scep?tab=activity", "Recent Activity"],
    ["/scep?tab=certificates", "Certificates"],
    ["/scep?tab=requests", "Requests"],
    ["/scep?tab=challenges", "Challenges"],
    ["/scep?tab=server", "Server"],
    ["/scep?tab=other", "Profiles"],
    ["/elsewhere", "Profiles"],
  ])("%s opens %s", async (url, tab) => {
    serve(TWO);
    show(url);
    await screen.findByRole("tab", { selected: true });
    expect(selected()).toBe(tab);
  });

  it("put their name into the URL; the default leaves it clean", async () => {
    serve(TWO);
    const { user, place } = show("/scep/intune");
    await user.click(await screen.findByRole("tab", { name: "Recent Activity" }));
    expect(place.url).toBe("/scep?tab=activity");
    await user.click(screen.getByRole("tab", { name: "Intune Monitoring" }));
    expect(place.url).toBe("/scep?tab=intune");
    await user.click(screen.getByRole("tab", { name: "Profiles" }));
    expect(place.url).toBe("/scep");
  });

  it("keep the chosen profile, and send only what they show", async () => {
    const server = serve(TWO);
    const { user, place } = show("/scep?tab=intune&profile=corp");
    expect(await screen.findByRole("heading", { name: "corp" })).toBeVisible();
    expect(screen.queryByRole("heading", { name: "kiosk" })).toBeNull();
    await waitFor(() => expect(server.of("GET /audit")).toHaveLength(2));
    for (const { query } of server.of("GET /audit")) expect(query.get("profile")).toBe("corp");
    await user.click(screen.getByRole("tab", { name: "Recent Activity" }));
    expect(place.url).toBe("/scep?tab=activity&profile=corp");
  });

  it("work by arrow keys and Enter", async () => {
    serve(TWO);
    const { user } = show();
    (await screen.findByRole("tab", { name: "Profiles" })).focus();
    await user.keyboard("{ArrowRight}{Enter}");
    expect(selected()).toBe("Intune Monitoring");
    await user.keyboard("{End}{Enter}");
    expect(selected()).toBe("Server");
  });
});

describe("a chosen profile", () => {
  it.each([
    ["/scep?profile=nope", "There is no profile nope"],
    ["/scep?tab=intune&profile=nope", "There is no profile nope"],
    ["/scep?tab=intune&profile=iot", "Intune is off on iot"],
    ["/scep?tab=certificates&profile=iot", "Nothing from iot yet"],
    ["/scep?tab=requests&profile=iot", "No request of iot waits"],
    ["/scep?tab=requests&profile=nope", "There is no profile nope"],
  ])("%s says: %s", async (url, words) => {
    serve(TWO);
    show(url);
    expect(await screen.findByText(words)).toBeVisible();
    expect(screen.getByRole("link", { name: "All profiles" })).toBeVisible();
  });
});

describe("View Intune details", () => {
  it("switches to the Intune tab at that profile", async () => {
    serve(TWO);
    const { user, place } = show();
    await user.click(await screen.findByRole("link", { name: /^View Intune details\s*of corp$/ }));
    expect(place.url).toBe("/scep?tab=intune&profile=corp");
    expect(selected()).toBe("Intune Monitoring");
    expect(await screen.findByRole("heading", { name: "corp" })).toBeVisible();
  });
});
