import { describe, expect, it } from "vitest";
import type { Claim, Outcome } from "../src/api/types";
import {
  deviceName,
  deviceNote,
  filterActivity,
  isKind,
  merge,
  subjectOf,
} from "../src/model/audit";
import { compare } from "../src/model/binding";
import { blamed, claimTime } from "../src/model/challenge";
import { COUNTERS, counterTone, reasonName, reasonTone, refusals } from "../src/model/counters";
import { grown, History, KEPT, steps } from "../src/model/history";
import { standingNow } from "../src/model/story";
import { pieces, plain, profileName } from "../src/model/text";
import { duration, relative, utc } from "../src/model/time";
import { expiryTone, expiryWords } from "../src/model/tone";
import {
  filtersOf,
  pageOf,
  profileOf,
  searchFor,
  sheetOf,
  tabOf,
  withFilter,
  withSheet,
} from "../src/model/url";
import { certificate, event, NOW } from "./fixtures";

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
  it("say nothing at zero, else good for success and warn or bad for the rest", () => {
    for (const counter of COUNTERS) {
      expect(counterTone(counter, 0)).toBe("quiet");
      const tone = counterTone(counter, 1);
      expect(tone === "good").toBe(counter.label === "success");
      expect(["good", "warn", "bad"]).toContain(tone);
    }
  });

  it("say for every refusal what to do first, and refusals have their tones", () => {
    for (const { label, next, tone } of COUNTERS) {
      expect(next === undefined).toBe(label === "success");
      expect(reasonTone(label)).toBe(tone);
    }
    expect(reasonTone("challenge_wrong")).toBe("bad");
    expect(reasonTone(undefined)).toBe("bad");
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

  it("tells the filters of a tab from what all tabs share", () => {
    const params = new URLSearchParams("tab=activity&profile=corp&kind=Initial&timeline=device:x");
    expect(filtersOf(params).toString()).toBe("kind=Initial");
    expect(searchFor("profiles", "", filtersOf(params))).toBe("?profile=&kind=Initial");
    const paged = new URLSearchParams("status=valid&page=3");
    expect(pageOf(paged)).toBe(3);
    expect(withFilter(paged, "q", "a&b").toString()).toBe("status=valid&q=a%26b");
    expect(withFilter(paged, "status").toString()).toBe("");
    for (const page of ["0", "-1", "1.5", "x", "", "123456789"]) {
      expect(pageOf(new URLSearchParams({ page }))).toBe(1);
    }
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

  it("are named by the challenge where there is one: the common name is the device's own", () => {
    const liar = { common_name: "admin-laptop", device: "guid-1", reason: "claim_mismatch" };
    const action = "scep_pkcsreq_intune";
    const claimed = event(1, action, { ...liar, claim: { device_name: "kiosk-4" } });
    expect(deviceName(claimed)).toBe("kiosk-4");
    expect(deviceNote(claimed)).toEqual({ id: "guid-1", askedFor: "admin-laptop" });
    const bare = event(1, action, liar);
    expect(deviceName(bare)).toBe("guid-1");
    expect(deviceNote(bare)).toEqual({ askedFor: "admin-laptop" });
    const fixed = event(1, "scep_pkcsreq", { common_name: "pump-1" });
    expect(deviceName(fixed)).toBe("pump-1");
    expect(deviceNote(fixed)).toEqual({});
    expect(deviceName(event(1, action, { common_name: "unread" }))).toBe("unread");
    const forged = event(1, action, {
      common_name: "csr-name",
      device: "guid-1",
      claim: { device_name: "boss" },
      unverified: "true",
    });
    expect(deviceName(forged)).toBe("csr-name");
    expect(deviceNote(forged)).toEqual({ id: "guid-1", unverified: true });
  });

  it("are found by the name that the challenge gives, too", () => {
    const found = event(1, "scep_pkcsreq_intune", { claim: { device_name: "Kiosk-4" } });
    const filter = { kind: "All", outcome: "all", text: "kiosk-4", profile: undefined } as const;
    expect(filterActivity([found], filter)).toHaveLength(1);
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
  const claim = { device_name: "Laptop", san_dns: ["a.example", "B.example"], san_upn: ["u@x"] };
  const csr = {
    device_name: ["LAPTOP", "Laptop"],
    san_dns: ["b.EXAMPLE ", "evil.example"],
    san_ip: ["192.0.2.1"],
  };
  const marked = (mismatch?: string) =>
    compare(claim, csr, mismatch).flatMap((row) =>
      [...row.claim, ...row.csr].filter(({ differs }) => differs).map(({ value }) => value),
    );

  it("stand side by side, and nothing is marked that the server did not name", () => {
    expect(compare(claim, csr).map((row) => [row.dimension, row.differs])).toEqual([
      ["Common name", false],
      ["DNS names", false],
      ["User principal names", false],
      ["IP addresses", false],
    ]);
    expect(marked()).toEqual([]);
    expect(marked("san_uri")).toEqual([]);
  });

  it("are marked in the named dimensions: SANs without regard to case, common names exactly", () => {
    expect(marked("san_dns")).toEqual(["a.example", "evil.example"]);
    expect(marked("device_name,san_ip")).toEqual(["LAPTOP", "192.0.2.1"]);
    expect(marked("san_upn")).toEqual(["u@x"]);
  });
});

describe("the part of a challenge that a refusal is about", () => {
  const second = NOW / 1000;
  const about = (reason: string, claim: Claim = {}, outcome: Outcome = "failure") =>
    blamed(event(1, "scep_pkcsreq_intune", { outcome, reason, claim }, NOW));

  it.each([
    ["wrong_audience", { aud: "x" }, "audience"],
    ["replay", { nonce: "n" }, "nonce"],
    ["expired", { exp: second - 1 }, "ends"],
    ["not_yet_valid", { iat: second + 90 }, "issued"],
    ["claim_mismatch", { aud: "x" }, undefined],
  ] as const)("%s %o: %s", (reason, claim, part) => {
    expect(about(reason, claim)).toBe(part);
  });

  it("is not a time that bears nothing out: an anchor may have expired", () => {
    expect(about("expired", { exp: second + 60 })).toBeUndefined();
    expect(about("not_yet_valid", { iat: second - 60 })).toBeUndefined();
    expect(about("replay", {}, "success")).toBeUndefined();
  });

  it("has a time only when a calendar has it", () => {
    expect(claimTime(second)).toBe("2026-11-23T12:00:00.000Z");
    expect(claimTime(9e15)).toBeUndefined();
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

  it("adds up to how much each counter grew", () => {
    const sums = grown([
      { at: 0, counters: { success: 5, expired: 1 } },
      { at: 10, counters: { success: 8, expired: 1 } },
      { at: 20, counters: { success: 2, expired: 1, replay: 4 } },
    ]);
    expect([sums.success, sums.expired, sums.replay]).toEqual([5, 0, 4]);
    expect(grown([]).success).toBe(0);
  });

  it("is written and read again, the newest where there is much", () => {
    const history = new History();
    for (let at = 1; at <= 6; at++) history.add(at, [["corp", { success: at, replay: 1 }]]);
    const again = new History();
    again.read(history.write(4));
    expect(again.of("corp").map(({ at }) => at)).toEqual([3, 4, 5, 6]);
    expect(again.of("corp")[3]?.counters).toMatchObject({ success: 6, replay: 1, expired: 0 });
    for (const text of ["", "{}", "[1]", '[["corp",[["x"]]]]', '[["corp",[[1,2]]]]']) {
      const other = new History();
      other.read(text);
      expect(other.of("corp")).toHaveLength(0);
    }
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

  it("shows fillers, variation selectors and blank braille by number", () => {
    expect(plain("a\u3164b\u115fc\u2800d\ufe0fe\u{e0041}")).toBe(
      "a[U+3164]b[U+115F]c[U+2800]d[U+FE0F]e[U+E0041]",
    );
  });

  it("writes a name of blanks alone out", () => {
    expect(plain("  ")).toBe("[U+0020][U+0020]");
    expect(plain("\u00a0\u3000")).toBe("[U+00A0][U+3000]");
    expect(plain("a b")).toBe("a b");
  });

  it("names the root profile", () => {
    expect(profileName("")).toBe("(root)");
    expect(profileName("corp")).toBe("corp");
  });
});

describe("a device's story", () => {
  it("comes down to what it holds and when it was last refused", () => {
    const step = (stage: "refused" | "issued", timestamp: string) => ({
      stage,
      timestamp,
      message: "",
      profile: "corp",
    });
    const found = standingNow(
      [step("refused", "2026-11-01T00:00:00Z"), step("refused", "2026-11-03T00:00:00Z")],
      [
        certificate("01", { not_after: "2027-01-01T00:00:00Z" }),
        certificate("02", { not_after: "2027-06-01T00:00:00Z" }),
        certificate("03", { not_after: "2028-06-01T00:00:00Z", status: "revoked" }),
      ],
    );
    expect(found.valid?.serial).toBe("02");
    expect(found.ended?.serial).toBe("03");
    expect(found.refused?.timestamp).toBe("2026-11-03T00:00:00Z");
    expect(standingNow([], [])).toEqual({});
  });
});
