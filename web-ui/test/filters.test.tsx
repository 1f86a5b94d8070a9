import { screen, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { certificate, event, intuneRow, profile } from "./fixtures";
import { envelope, list, type Seen, serve, show } from "./harness";

const CERTIFICATES = "GET /admin/certificates";

function house() {
  return serve({
    "GET /admin/scep/profiles": () => envelope([profile("corp"), profile("iot")]),
    "GET /admin/scep/intune/stats": () => envelope([intuneRow("corp"), intuneRow("iot")]),
    "GET /audit": ({ query }: Seen) => list([event(1, query.get("action") ?? "")]),
    [CERTIFICATES]: () => list([certificate("0a")]),
  });
}

const tab = (name: string) => screen.findByRole("tab", { name });
const SEARCH = "Search device, serial or common name";

describe("the filters of a tab", () => {
  it("are there again when one comes back to it", async () => {
    const server = house();
    const { user, place } = show("/scep?tab=activity");
    await user.click(await screen.findByRole("radio", { name: "Renewal" }));
    await user.selectOptions(screen.getByLabelText("Outcome"), "Refused");
    await user.type(screen.getByLabelText(SEARCH), "lap ");
    const activity = "/scep?tab=activity&kind=Renewal&outcome=failure&q=lap+";
    await waitFor(() => expect(place.url).toBe(activity));

    await user.click(await tab("Certificates"));
    expect(place.url).toBe("/scep?tab=certificates");
    expect(await screen.findByLabelText("Search certificates")).toHaveValue("");
    await user.selectOptions(screen.getByLabelText("Status"), "Revoked");

    await user.click(await tab("Recent Activity"));
    expect(place.url).toBe(activity);
    expect(screen.getByRole("radio", { name: "Renewal" })).toBeChecked();
    expect(screen.getByLabelText("Outcome")).toHaveDisplayValue("Refused");
    expect(screen.getByLabelText(SEARCH)).toHaveValue("lap ");

    await user.click(await tab("Certificates"));
    expect(place.url).toBe("/scep?tab=certificates&status=revoked");
    expect(screen.getByLabelText("Status")).toHaveDisplayValue("Revoked");
    // Each search once, and none with the words of the other tab.
    expect(server.of(CERTIFICATES).map(({ query }) => query.toString())).toEqual([
      "page=1&per_page=50",
      "status=revoked&page=1&per_page=50",
    ]);
  });

  it("come with a link", async () => {
    const server = house();
    server.table[CERTIFICATES] = ({ query }: Seen) => ({
      data: [certificate("0a")],
      total: 120,
      page: Number(query.get("page")),
      per_page: 50,
    });
    const { user, place } = show("/scep?tab=certificates&status=valid&q=lap&page=2");
    expect(await screen.findByText("51 to 100 of 120")).toBeVisible();
    expect(screen.getByLabelText("Search certificates")).toHaveValue("lap");
    expect(screen.getByLabelText("Status")).toHaveDisplayValue("Valid");
    expect(Object.fromEntries(server.of(CERTIFICATES).at(0)?.query ?? [])).toEqual({
      q: "lap",
      status: "valid",
      page: "2",
      per_page: "50",
    });
    const profiles = screen.getByLabelText("Profile");
    await user.click(profiles);
    await screen.findByRole("option", { name: "iot" });
    await user.selectOptions(profiles, "iot");
    expect(place.url).toBe("/scep?tab=certificates&status=valid&q=lap&profile=iot");
  });

  it("are nothing where the URL holds nonsense", async () => {
    const server = house();
    const first = show("/scep?tab=certificates&status=lost&page=-1");
    await screen.findByText("laptop-0a");
    expect(screen.getByLabelText("Status")).toHaveDisplayValue("Any status");
    expect(server.of(CERTIFICATES).at(0)?.query.get("page")).toBe("1");
    first.unmount();
    show("/scep?tab=activity&kind=x&outcome=");
    expect(await screen.findByRole("radio", { name: "All" })).toBeChecked();
    expect(screen.getByLabelText("Outcome")).toHaveDisplayValue("All outcomes");
  });

  it("are an entry of the history each, but for what is typed", async () => {
    house();
    const { user, place, go } = show("/scep?tab=activity");
    await user.selectOptions(await screen.findByLabelText("Outcome"), "Refused");
    await user.type(screen.getByLabelText(SEARCH), "lap");
    await waitFor(() => expect(place.url).toContain("q=lap"));
    await user.clear(screen.getByLabelText(SEARCH));
    await waitFor(() => expect(place.url).toBe("/scep?tab=activity&outcome=failure"));
    await user.type(screen.getByLabelText(SEARCH), "top");
    await waitFor(() => expect(place.url).toContain("q=top"));
    go(-1);
    expect(place.url).toBe("/scep?tab=activity");
    expect(screen.getByLabelText("Outcome")).toHaveDisplayValue("All outcomes");
    expect(screen.getByLabelText(SEARCH)).toHaveValue("");
    go(1);
    expect(screen.getByLabelText(SEARCH)).toHaveValue("top");
  });

  it("stay on Profiles and on Intune, by its alias too", async () => {
    house();
    const { user, place } = show("/scep/intune");
    await user.click(await screen.findByRole("switch", { name: "Show all outcomes" }));
    await user.type(screen.getByLabelText("Find a profile"), "iot");
    await waitFor(() => expect(place.url).toBe("/scep/intune?outcome=all&q=iot"));
    await user.click(await tab("Profiles"));
    await user.click(await screen.findByRole("radio", { name: /^Needs attention/ }));
    expect(place.url).toBe("/scep?show=attention");
    await user.click(await tab("Intune Monitoring"));
    expect(place.url).toBe("/scep?tab=intune&outcome=all&q=iot");
    expect(screen.getByRole("switch", { name: "Show all outcomes" })).toBeChecked();
    expect(screen.queryByRole("heading", { name: "corp" })).toBeNull();
    await user.click(await tab("Profiles"));
    expect(screen.getByRole("radio", { name: /^Needs attention/ })).toBeChecked();
  });

  it("stay when one looks at all profiles again", async () => {
    const server = house();
    server.table["GET /audit"] = () => list([]);
    const { user, place } = show("/scep?tab=activity&kind=Renewal&profile=iot");
    await user.click(await screen.findByRole("link", { name: "All profiles" }));
    expect(place.url).toBe("/scep?tab=activity&kind=Renewal");
  });

  it("lead back from a page that is no longer there", async () => {
    const server = house();
    server.table[CERTIFICATES] = ({ query }: Seen) => ({
      data: query.get("page") === "1" ? [certificate("0a")] : [],
      total: 1,
      page: Number(query.get("page")),
      per_page: 50,
    });
    const { user, place } = show("/scep?tab=certificates&q=lap&page=7");
    await user.click(await screen.findByRole("button", { name: "First page" }));
    expect(await screen.findByText("laptop-0a")).toBeVisible();
    expect(place.url).toBe("/scep?tab=certificates&q=lap");
  });
});
