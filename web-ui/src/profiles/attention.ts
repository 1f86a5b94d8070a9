import type { Profile } from "../api/types";
import { expiryTone, type Tone } from "../model/tone";

const RANK: Readonly<Record<Tone, number>> = { quiet: 0, good: 0, warn: 1, bad: 2, expired: 3 };

/** The worst that a profile's card shows; undefined when nothing needs attention. */
export function attention(profile: Profile): Tone | undefined {
  const tones = [expiryTone(profile.ra_cert_days_to_expiry, profile.ra_cert_expired)];
  for (const anchor of profile.intune?.trust_anchors ?? []) {
    tones.push(expiryTone(anchor.days_to_expiry, anchor.expired));
  }
  if (!profile.challenge_password_set && !profile.intune) tones.push("bad");
  const worst = tones.reduce((a, b) => (RANK[b] > RANK[a] ? b : a));
  return RANK[worst] > 0 ? worst : undefined;
}

/** Whether a profile fits what was typed. */
export function matches(profile: Profile, text: string): boolean {
  const needle = text.trim().toLowerCase();
  if (!needle) return true;
  return [profile.path_id || "(root)", profile.issuer_id, profile.ra_cert_subject ?? ""].some(
    (field) => field.toLowerCase().includes(needle),
  );
}
