import type { Certificate, RevocationReason } from "../api/types";
import { expiryTone, type Tone } from "../model/tone";

export const REASONS: readonly { value: RevocationReason; name: string }[] = [
  { value: "unspecified", name: "Unspecified" },
  { value: "key_compromise", name: "Key compromise" },
  { value: "superseded", name: "Superseded" },
  { value: "cessation_of_operation", name: "Device retired" },
  { value: "affiliation_changed", name: "Names changed" },
  { value: "privilege_withdrawn", name: "Privilege withdrawn" },
  { value: "ca_compromise", name: "CA compromise" },
  { value: "certificate_hold", name: "On hold, until it is released" },
];

/** Whether it is revoked for now, and can be released. */
export function isOnHold(certificate: Certificate): boolean {
  return certificate.revocation_reason === "certificate_hold";
}

/** So many certificates, in words. */
export function countOf(count: number): string {
  return `${count.toLocaleString()} ${count === 1 ? "certificate" : "certificates"}`;
}

export function revocationName(reason: RevocationReason | undefined): string {
  if (reason === "certificate_hold") return "On hold";
  return REASONS.find(({ value }) => value === reason)?.name ?? "Unspecified";
}

/** Where a certificate stands, as a tone and a word. */
export function standing(certificate: Certificate): { tone: Tone; name: string } {
  if (isOnHold(certificate)) return { tone: "warn", name: "On hold" };
  if (certificate.status === "revoked") return { tone: "bad", name: "Revoked" };
  if (certificate.status === "expired") return { tone: "expired", name: "Expired" };
  const tone = expiryTone(certificate.days_to_expiry, false);
  const days = certificate.days_to_expiry;
  if (tone === "good") return { tone, name: "Valid" };
  return { tone, name: days < 1 ? "Ends today" : `Ends in ${days} ${days === 1 ? "day" : "days"}` };
}
