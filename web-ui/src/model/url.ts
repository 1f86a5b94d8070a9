/** What the page shows is in its URL: the tab, the chosen profile, the tab's filters, and an opened side sheet. */

export const TABS = [
  "profiles",
  "intune",
  "activity",
  "certificates",
  "requests",
  "challenges",
  "server",
] as const;
export type Tab = (typeof TABS)[number];

export const TAB_NAMES: Readonly<Record<Tab, string>> = {
  profiles: "Profiles",
  intune: "Intune Monitoring",
  activity: "Recent Activity",
  certificates: "Certificates",
  requests: "Requests",
  challenges: "Challenges",
  server: "Server",
};

/** The tab that a URL opens; `/scep/intune` is an alias for the Intune tab. */
export function tabOf(pathname: string, params: URLSearchParams): Tab {
  const named = params.get("tab");
  if (named !== null) return TABS.find((tab) => tab === named) ?? "profiles";
  return pathname.replace(/\/+$/, "") === "/scep/intune" ? "intune" : "profiles";
}

/** The chosen profile: undefined for all, "" for the root profile. */
export function profileOf(params: URLSearchParams): string | undefined {
  return params.get("profile") ?? undefined;
}

/** How a device or transaction is named for its timeline. */
export interface Subject {
  kind: "device" | "transaction_id" | "serial" | "common_name";
  value: string;
}

const KINDS = ["device", "transaction_id", "serial", "common_name"] as const;

/** A side sheet that lies over the tab. */
export type Sheet =
  | { kind: "timeline"; subject: Subject }
  | { kind: "certificate"; issuerId: string; serial: string };

/** The side sheet that a URL opens. */
export function sheetOf(params: URLSearchParams): Sheet | undefined {
  const timeline = params.get("timeline");
  if (timeline) {
    const colon = timeline.indexOf(":");
    const kind = KINDS.find((name) => name === timeline.slice(0, colon));
    const value = timeline.slice(colon + 1);
    if (kind && value) return { kind: "timeline", subject: { kind, value } };
  }
  const certificate = params.get("certificate");
  if (certificate) {
    const slash = certificate.lastIndexOf("/");
    const issuerId = certificate.slice(0, slash);
    const serial = certificate.slice(slash + 1);
    if (slash > 0 && serial) return { kind: "certificate", issuerId, serial };
  }
  return undefined;
}

/** The page of a long list that a URL opens, from 1. */
export function pageOf(params: URLSearchParams): number {
  const named = params.get("page") ?? "";
  return /^[1-9]\d{0,6}$/.test(named) ? Number(named) : 1;
}

/** The same query with one filter set, or without it. Another search begins on its first page. */
export function withFilter(params: URLSearchParams, name: string, value?: string): URLSearchParams {
  const next = new URLSearchParams(params);
  next.delete("page");
  if (value === undefined) next.delete(name);
  else next.set(name, value);
  return next;
}

/** What narrows the shown tab alone. The profile narrows all of them. */
export function filtersOf(params: URLSearchParams): URLSearchParams {
  const filters = withFilter(withSheet(params), "tab");
  filters.delete("profile");
  return filters;
}

/** The query for a tab; the default tab leaves it clean. */
export function searchFor(tab: Tab, profile?: string, filters?: URLSearchParams): string {
  const params = new URLSearchParams();
  if (tab !== "profiles") params.set("tab", tab);
  if (profile !== undefined) params.set("profile", profile);
  for (const [name, value] of filters ?? []) params.set(name, value);
  const text = params.toString();
  return text && `?${text}`;
}

/** The same query with a side sheet opened, or closed when none is given. */
export function withSheet(params: URLSearchParams, sheet?: Sheet): URLSearchParams {
  const next = new URLSearchParams(params);
  next.delete("timeline");
  next.delete("certificate");
  if (sheet?.kind === "timeline") {
    next.set("timeline", `${sheet.subject.kind}:${sheet.subject.value}`);
  } else if (sheet?.kind === "certificate") {
    next.set("certificate", `${sheet.issuerId}/${sheet.serial}`);
  }
  return next;
}
