import type { AuditEvent, Outcome } from "../api/types";
import type { Subject } from "./url";

/** The four actions that are enrollments. */
export const ENROLLMENTS = [
  "scep_pkcsreq",
  "scep_renewalreq",
  "scep_pkcsreq_intune",
  "scep_renewalreq_intune",
] as const;

/** The two of them that came with an Intune challenge. */
export const INTUNE_ENROLLMENTS = ["scep_pkcsreq_intune", "scep_renewalreq_intune"] as const;

/** The chips over Recent Activity. */
export const KINDS = ["All", "Initial", "Renewal", "Intune", "Static"] as const;
export type Kind = (typeof KINDS)[number];

/** Whether an event's action belongs under a chip. */
export function isKind(action: string, kind: Kind): boolean {
  const intune = action.endsWith("_intune");
  const renewal = action.startsWith("scep_renewalreq");
  switch (kind) {
    case "All":
      return true;
    case "Initial":
      return !renewal;
    case "Renewal":
      return renewal;
    case "Intune":
      return intune;
    case "Static":
      return !intune;
  }
}

/** An enrollment's kind in words, such as "Renewal, Intune". */
export function kindWords(action: string): string {
  const renewal = action.startsWith("scep_renewalreq") ? "Renewal" : "Initial";
  return action.endsWith("_intune") ? `${renewal}, Intune` : `${renewal}, static`;
}

/** Lists of events as one: newest first, each event once, at most `limit`. */
export function merge(lists: readonly (readonly AuditEvent[])[], limit: number): AuditEvent[] {
  const seen = new Map<number, AuditEvent>();
  for (const list of lists) for (const event of list) seen.set(event.id, event);
  return [...seen.values()]
    .sort((a, b) => Date.parse(b.timestamp) - Date.parse(a.timestamp) || b.id - a.id)
    .slice(0, limit);
}

export interface ActivityFilter {
  kind: Kind;
  outcome: Outcome | "all";
  text: string;
  profile: string | undefined;
}

/** The events that a filter lets through. The text is looked for in device, serial and common name. */
export function filterActivity(
  events: readonly AuditEvent[],
  filter: ActivityFilter,
): AuditEvent[] {
  const needle = filter.text.trim().toLowerCase();
  return events.filter((event) => {
    const { details } = event;
    if (!isKind(event.action, filter.kind)) return false;
    if (filter.outcome !== "all" && details.outcome !== filter.outcome) return false;
    if (filter.profile !== undefined && details.profile !== filter.profile) return false;
    if (!needle) return true;
    const { device, serial, common_name, claim } = details;
    return [device, serial, common_name, claim?.device_name].some((text) =>
      text?.toLowerCase().includes(needle),
    );
  });
}

/** Whether an event is of an enrollment with an Intune challenge. */
export function isIntune({ action }: AuditEvent): boolean {
  return action.endsWith("_intune");
}

/** Whether the challenge was signed by no trusted connector: then it vouches for nothing. */
export function isUnverified({ details }: AuditEvent): boolean {
  return details.unverified !== undefined;
}

/**
 * Who an event is about, as its row names it. The common name is the device's own choice, so a
 * device with an Intune challenge goes by the name, else the id, that the challenge gives it.
 */
export function deviceName(event: AuditEvent): string {
  const { details } = event;
  const vouched =
    isIntune(event) && !isUnverified(event)
      ? details.claim?.device_name || details.device
      : undefined;
  return vouched || details.common_name || details.device || details.serial || event.actor;
}

export interface DeviceNote {
  /** The Intune device's id. */
  id?: string;
  /** The common name that the device asked for instead. */
  askedFor?: string;
  /** Whether what the challenge says is nobody's word. */
  unverified?: true;
}

/** What a row says below the name: the Intune device's id, and another name that was asked for. */
export function deviceNote(event: AuditEvent): DeviceNote {
  const { details } = event;
  const name = deviceName(event);
  const asked = details.reason === "claim_mismatch" ? details.common_name : undefined;
  return {
    ...(isUnverified(event) ? { unverified: true } : {}),
    ...(isIntune(event) && details.device && details.device !== name ? { id: details.device } : {}),
    ...(asked && asked !== name ? { askedFor: asked } : {}),
  };
}

/** The best handle on an event's device for its timeline. */
export function subjectOf(event: AuditEvent): Subject | undefined {
  const { details } = event;
  if (details.device) return { kind: "device", value: details.device };
  if (details.common_name) return { kind: "common_name", value: details.common_name };
  if (details.serial) return { kind: "serial", value: details.serial };
  if (details.transaction_id) return { kind: "transaction_id", value: details.transaction_id };
  return undefined;
}
