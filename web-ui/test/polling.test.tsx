import { act, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { intuneRow, profile } from "./fixtures";
import { envelope, list, refusal, serve, setVisible, show } from "./harness";

const PROFILES = "GET /admin/scep/profiles";
const STATS = "GET /admin/scep/intune/stats";
const AUDIT = "GET /audit";

function start() {
  return serve({
    [PROFILES]: () => envelope([profile("corp")]),
    [STATS]: () => envelope([intuneRow("corp")]),
    [AUDIT]: () => list([]),
  });
}

async function pass(milliseconds: number) {
  await act(async () => {
    await vi.advanceTimersByTimeAsync(milliseconds);
  });
}

beforeEach(() => {
  vi.useFakeTimers({ shouldAdvanceTime: false });
  setVisible(true);
});
afterEach(() => setVisible(true));

describe("polling", () => {
  it("asks for profiles every 30 seconds", async () => {
    const server = start();
    show("/scep");
    await pass(100);
    expect(server.of(PROFILES)).toHaveLength(1);
    await pass(29_000);
    expect(server.of(PROFILES)).toHaveLength(1);
    await pass(1_500);
    expect(server.of(PROFILES)).toHaveLength(2);
    await pass(60_000);
    expect(server.of(PROFILES)).toHaveLength(4);
  });

  it("asks for Intune state every 30 seconds and for failures every 60, and nothing of other tabs", async () => {
    const server = start();
    show("/scep/intune");
    await pass(100);
    expect(server.of(STATS)).toHaveLength(1);
    expect(server.of(AUDIT)).toHaveLength(2);
    await pass(31_000);
    expect(server.of(STATS)).toHaveLength(2);
    expect(server.of(AUDIT)).toHaveLength(2);
    await pass(30_000);
    expect(server.of(STATS)).toHaveLength(3);
    expect(server.of(AUDIT)).toHaveLength(4);
    expect(server.of("GET /admin/certificates")).toHaveLength(0);
  });

  it("asks for activity every 60 seconds", async () => {
    const server = start();
    show("/scep?tab=activity");
    await pass(100);
    expect(server.of(AUDIT)).toHaveLength(4);
    await pass(61_000);
    expect(server.of(AUDIT)).toHaveLength(8);
  });

  it("rests while the page is hidden and goes on when it is seen again", async () => {
    const server = start();
    show("/scep");
    await pass(100);
    act(() => setVisible(false));
    await pass(300_000);
    expect(server.of(PROFILES)).toHaveLength(1);
    expect(screen.getByText(/Paused while the page is hidden/)).toBeInTheDocument();
    act(() => setVisible(true));
    await pass(100);
    expect(server.of(PROFILES)).toHaveLength(2);
    await pass(30_500);
    expect(server.of(PROFILES)).toHaveLength(3);
  });

  it("shows when it last succeeded, also after a failure", async () => {
    const server = start();
    show("/scep");
    await pass(100);
    await pass(12_000);
    expect(screen.getByText("12 s ago")).toBeInTheDocument();
    server.table[PROFILES] = refusal(500, "The store is gone.");
    await pass(20_000);
    const alert = screen.getByRole("alert");
    expect(alert).toHaveTextContent("The last update failed");
    const said = alert.textContent;
    await pass(3_000);
    // The time beside it has gone on; what is said aloud has not changed.
    expect(screen.getByRole("alert").textContent).toBe(said);
    expect(alert.querySelector("time")).toBeNull();
    expect(screen.getAllByText("35 s ago").length).toBeGreaterThan(0);
    expect(screen.getByRole("article", { name: "corp" })).toBeInTheDocument();
  });
});
