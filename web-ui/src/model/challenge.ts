import type { AuditEvent, Claim } from "../api/types";

/** The parts of a challenge, beside its names, that a gate looks at. */
export type ChallengePart = "audience" | "issued" | "ends" | "nonce";

/**
 * The part that a refusal is about. Times are marked only when they bear the reason out: "expired"
 * may also be said of a trust anchor, or of a challenge that the profile holds valid for less long.
 */
export function blamed({ timestamp, details }: AuditEvent): ChallengePart | undefined {
  const { claim, outcome, reason } = details;
  if (!claim || outcome !== "failure") return undefined;
  const at = Date.parse(timestamp) / 1000;
  switch (reason) {
    case "wrong_audience":
      return "audience";
    case "replay":
      return "nonce";
    case "expired":
      return claim.exp !== undefined && claim.exp <= at ? "ends" : undefined;
    case "not_yet_valid":
      return claim.iat !== undefined && claim.iat > at ? "issued" : undefined;
    default:
      return undefined;
  }
}

/** Whether a claim says more than names and where it came from. */
export function hasTerms(claim: Claim): boolean {
  const { aud, iat, exp, nonce } = claim;
  return aud !== undefined || iat !== undefined || exp !== undefined || nonce !== undefined;
}

/** A claim's time, in seconds since 1970, as ISO 8601; undefined when no calendar has it. */
export function claimTime(seconds: number): string | undefined {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
