import { describe, expect, it } from "vitest";
import { filterActivity, isKind, merge, subjectOf } from "../src/model/audit";
import { compare } from "../src/model/binding";
import { COUNTERS, counterTone, reasonName, refusals } from "../src/model/counters";
import { History, KEPT, steps } from "../src/model/history";
import { pieces, plain, profileName } from "../src/model/text";
import { duration, relative, utc } from "../src/model/time";
import { expiryTone, expiryWords } from "../src/model/tone";
import { profileOf, searchFor, sheetOf, tabOf, withSheet } from "../src/model/url";
import { event, NOW } from "./fixtures";

describe("tones of an expiry", () => {
  it.each([
    [31, false, "good", "31 days left"],
    [30, false, "good", "30 days left"],
    [29, false, "warn", "29 days left, rotate soon"],
    [7, false, "warn", "7 days left, rotate soon"],
    [6, false, "bad", "6 days left, rotate now"],
    [1, false, "bad", "1 day left, rotate now"],
    [0, false, "bad", "Under 1 day left, rotate now"],
    [-1, true, "expired", "EXPIRED"],
    [0, true, "expired", "EXPIRED"],
    [-1, false, "expired", "EXPIRED"],
  ] as const)("%i days, expired %s: %s", (days, expired, tone, words) => {
    expect(expiryTone(days, expired)).toBe(tone);
    expect(expiryWords(days, expired)).toBe(words);
  });
});

describe("counters", () => {
  it("stand in the server's order", () => {
    expect(COUNTERS.map(({ label }) => label)).toEqual([
      "success",
      "signature_invalid",
      "expired",
      "not_yet_valid",
      "wrong_audience",
      "replay",
      "rate_limited",
      "claim_mismatch",
      "compliance_failed",
      "malformed",
      "unknown_version",
    ]);
  });

  it("say nothing at zero, else good for success and warn or bad for the rest", () => {
    for (const counter of COUNTERS) {
      expect(counterTone(counter, 0)).toBe("quiet");
      const tone = counterTone(counter, 1);
      expect(tone === "good").toBe(counter.label === "success");
      expect(["good", "warn", "bad"]).toContain(tone);
    }
  });

  it("are named in words, unknown labels too", () => {
    expect(reasonName("claim_mismatch")).toBe("Claim mismatch");
    expect(reasonName("wrong_challenge")).toBe("Wrong challenge");
    expect(reasonName(undefined)).toBe("");
  });

  it("add up to the refusals without the successes", () => {
    expect(refusals({ success: 100, expired: 2, replay: 3 })).toBe(5);
  });
});

describe("the URL", () => {
  const at = (url: string) => {
    const { pathname, searchParams } = new URL(url, "https://x");
    return tabOf(pathname, searchParams);
  };

  it("opens the tab it names, the alias on Intune, anything else on Profiles", () => {
    expect(at("/scep")).toBe("profiles");
    expect(at("/scep?tab=intune")).toBe("intune");
    expect(at("/scep?tab=activity")).toBe("activity");
    expect(at("/scep/intune")).toBe("intune");
    expect(at("/scep/intune/")).toBe("intune");
    expect(at("/scep/intune?tab=activity")).toBe("activity");
    expect(at("/scep?tab=nonsense")).toBe("profiles");
  });

  it("stays clean for the default tab and keeps the root profile apart from all", () => {
    expect(searchFor("profiles")).toBe("");
    expect(searchFor("intune", "corp")).toBe("?tab=intune&profile=corp");
    expect(searchFor("intune", "")).toBe("?tab=intune&profile=");
    expect(profileOf(new URLSearchParams("profile="))).toBe("");
    expect(profileOf(new URLSearchParams(""))).toBeUndefined();
  });

  it("carries a side sheet there and back, whatever the name holds", () => {
    const subject = { kind: "device", value: "a:b/c&d=e ü" } as const;
    const params = withSheet(new URLSearchParams("tab=activity"), { kind: "timeline", subject });
    expect(sheetOf(new URLSearchParams(params.toString()))).toEqual({ kind: "timeline", subject });
    const other = withSheet(params, { kind: "certificate", issuerId: "a/b", serial: "0f" });
    expect(sheetOf(other)).toEqual({ kind: "certificate", issuerId: "a/b", serial: "0f" });
    expect(withSheet(other).toString()).toBe("tab=activity");
    expect(sheetOf(new URLSearchParams("timeline=nonsense"))).toBeUndefined();
    expect(sheetOf(new URLSearchParams("timeline=other:x"))).toBeUndefined();
  });
});

describe("audit events", () => {
  it("merge newest first, each once, and are cut", () => {
    const a = [event(5, "scep_pkcsreq", {}, 500), event(2, "scep_pkcsreq", {}, 200)];
    const b = [event(4, "scep_renewalreq", {}, 500), event(2, "scep_pkcsreq", {}, 200)];
    expect(merge([a, b], 10).map(({ id }) => id)).toEqual([5, 4, 2]);
    expect(merge([a, b], 2).map(({ id }) => id)).toEqual([5, 4]);
  });

  it("belong under their chips", () => {
    const kinds = (action: string) =>
      (["All", "Initial", "Renewal", "Intune", "Static"] as const).filter((k) => isKind(action, k));
    expect(kinds("scep_pkcsreq")).toEqual(["All", "Initial", "Static"]);
    expect(kinds("scep_renewalreq")).toEqual(["All", "Renewal", "Static"]);
    expect(kinds("scep_pkcsreq_intune")).toEqual(["All", "Initial", "Intune"]);
    expect(kinds("scep_renewalreq_intune")).toEqual(["All", "Renewal", "Intune"]);
  });

  it("are found by device, serial and common name, and nothing else", () => {
    const events = [
      event(1, "scep_pkcsreq", { device: "DEV-9" }),
      event(2, "scep_pkcsreq", { serial: "00ab" }),
      event(3, "scep_pkcsreq", { common_name: "Kiosk" }),
      event(4, "scep_pkcsreq", { transaction_id: "DEV-9" }),
    ];
    const found = (text: string) =>
      filterActivity(events, { kind: "All", outcome: "all", text, profile: undefined }).map(
        ({ id }) => id,
      );
    expect(found(" dev-9 ")).toEqual([1]);
    expect(found("00AB")).toEqual([2]);
    expect(found("kiosk")).toEqual([3]);
    expect(found("")).toEqual([1, 2, 3, 4]);
  });

  it("lead to a timeline by the best handle there is", () => {
    const bare = { common_name: "", transaction_id: "T1" };
    expect(subjectOf(event(1, "x", { device: "d" }))).toEqual({ kind: "device", value: "d" });
    expect(subjectOf(event(1, "x"))).toEqual({ kind: "common_name", value: "device-1" });
    expect(subjectOf(event(1, "x", bare))).toEqual({ kind: "transaction_id", value: "T1" });
    expect(subjectOf(event(1, "x", { common_name: "", transaction_id: "" }))).toBeUndefined();
  });
});

describe("claim and CSR", () => {
  it("are compared as sets, trimmed, without regard to case", () => {
    const rows = compare(
      { device_name: "Laptop", san_dns: ["a.example", "B.example"], san_upn: ["u@x"] },
      { device_name: ["LAPTOP "], san_dns: ["b.EXAMPLE", "evil.example"], san_ip: ["192.0.2.1"] },
    );
    expect(rows.map((row) => [row.dimension, row.differs])).toEqual([
      ["Common name", false],
      ["DNS names", true],
      ["User principal names", true],
      ["IP addresses", true],
    ]);
    const dns = rows[1];
    expect(dns?.claim).toEqual([
      { value: "a.example", differs: true },
      { value: "B.example", differs: false },
    ]);
    expect(dns?.csr.map(({ differs }) => differs)).toEqual([false, true]);
  });
});

describe("what the page polled", () => {
  it("becomes steps; a counter that went back starts anew", () => {
    const found = steps([
      { at: 0, counters: { success: 5, expired: 1 } },
      { at: 10, counters: { success: 8, expired: 3, replay: 1 } },
      { at: 20, counters: { success: 2 } },
    ]);
    expect(found).toEqual([
      { from: 0, to: 10, issued: 3, refused: 3 },
      { from: 10, to: 20, issued: 2, refused: 0 },
    ]);
  });

  it("is kept for so many polls, each once", () => {
    const history = new History();
    for (let at = 1; at <= KEPT + 10; at++) history.add(at, [["corp", { success: at }]]);
    history.add(KEPT + 10, [["corp", { success: 0 }]]);
    const kept = history.of("corp");
    expect(kept).toHaveLength(KEPT);
    expect(kept[kept.length - 1]?.counters.success).toBe(KEPT + 10);
  });

  it("begins anew when the server's clock was set back, but not for replies out of turn", () => {
    const history = new History();
    history.add(100_000, [["corp", { success: 5 }]]);
    history.add(99_000, [["corp", { success: 4 }]]);
    expect(history.of("corp")).toHaveLength(1);
    history.add(130_000, [["corp", { success: 6 }]]);
    history.add(10_000, [["corp", { success: 7 }]]);
    expect(history.of("corp").map(({ at }) => at)).toEqual([10_000]);
  });
});

describe("times", () => {
  it("are relative up to a day", () => {
    expect(relative(NOW - 2_000, NOW)).toBe("just now");
    expect(relative(NOW - 42_000, NOW)).toBe("42 s ago");
    expect(relative(NOW - 61_000, NOW)).toBe("1 min ago");
    expect(relative(NOW - 2 * 3_600_000 - 5 * 60_000, NOW)).toBe("2 h 5 min ago");
    expect(relative(NOW + 3 * 60_000, NOW)).toBe("in 3 min");
    expect(relative(NOW - 90 * 86_400_000, NOW)).not.toMatch(/ago/);
    expect(relative("nonsense", NOW)).toBe("nonsense");
  });

  it("are exact in UTC, and durations short", () => {
    expect(utc("2026-11-23T13:44:40.125+01:00")).toBe("2026-11-23 12:44:40 UTC");
    expect(duration(3_600e9)).toBe("60 min");
    expect(duration(86_400e9)).toBe("24 h");
    expect(duration(90e9)).toBe("90 s");
  });
});

describe("text from outside", () => {
  it("shows hidden characters by number", () => {
    expect(plain("a\u202Eb\u0000c")).toBe("a[U+202E]b[U+0000]c");
    expect(pieces("\u2066x")).toEqual([
      { text: "U+2066", hidden: true },
      { text: "x", hidden: false },
    ]);
    expect(pieces("מחשב-17")).toEqual([{ text: "מחשב-17", hidden: false }]);
  });

  it("names the root profile", () => {
    expect(profileName("")).toBe("(root)");
    expect(profileName("corp")).toBe("corp");
  });
});
