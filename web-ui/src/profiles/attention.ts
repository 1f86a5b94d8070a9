import type { Profile } from "../api/types";
import { anchorsTone } from "../model/anchors";
import { expiryTone, RANK, type Tone } from "../model/tone";
import { issuerTone } from "./issuer-state";

/** Whether challenges of Intune's open the profile: signed ones, or those that its service validates. */
export function takesIntune(profile: Profile): boolean {
  return profile.intune !== undefined || (profile.intune_tenants ?? []).length > 0;
}

/** Whether no challenge opens the profile: it has no password, and Intune is off. */
export function lacksChallenge(profile: Profile): boolean {
  return !profile.challenge_password_set && !takesIntune(profile);
}

/** The worst that a profile's card shows; undefined when nothing needs attention. */
export function attention(profile: Profile): Tone | undefined {
  const tones = [expiryTone(profile.ra_cert_days_to_expiry, profile.ra_cert_expired)];
  if (profile.intune) tones.push(anchorsTone(profile.intune.trust_anchors ?? []));
  if (lacksChallenge(profile)) tones.push("bad");
  if (profile.issuer) tones.push(issuerTone(profile.issuer));
  const worst = tones.reduce((a, b) => (RANK[b] > RANK[a] ? b : a));
  return RANK[worst] > 0 ? worst : undefined;
}

/** Those that need attention, the worst first. */
export function needy(profiles: readonly Profile[]): Profile[] {
  return profiles
    .flatMap((profile) => {
      const tone = attention(profile);
      return tone ? [{ profile, rank: RANK[tone] }] : [];
    })
    .sort((a, b) => b.rank - a.rank)
    .map(({ profile }) => profile);
}

/** The whole in a few words: how many there are, and what about them is not good. */
export function summary(profiles: readonly Profile[]): string {
  let intune = 0;
  let missing = 0;
  let away = 0;
  const ra = { soon: 0, expired: 0 };
  const anchors = { soon: 0, expired: 0, none: 0 };
  for (const profile of profiles) {
    const tone = expiryTone(profile.ra_cert_days_to_expiry, profile.ra_cert_expired);
    if (tone === "expired") ra.expired++;
    else if (tone !== "good") ra.soon++;
    if (lacksChallenge(profile)) missing++;
    if (takesIntune(profile)) intune++;
    if (profile.issuer?.trouble !== undefined) away++;
    if (!profile.intune) continue;
    const held = profile.intune.trust_anchors ?? [];
    if (held.length === 0) anchors.none++;
    for (const { days_to_expiry, expired } of held) {
      const stands = expiryTone(days_to_expiry, expired);
      if (stands === "expired") anchors.expired++;
      else if (stands !== "good") anchors.soon++;
    }
  }
  const troubles = [
    said(ra.expired, "RA certificate has expired", "RA certificates have expired"),
    said(anchors.expired, "trust anchor has expired", "trust anchors have expired"),
    said(
      anchors.none,
      "Intune profile has no trust anchor",
      "Intune profiles have no trust anchor",
    ),
    said(away, "profile waits for its issuer", "profiles wait for their issuers"),
    said(missing, "challenge password is MISSING", "challenge passwords are MISSING"),
    said(ra.soon, "RA certificate expires within 30 days", "RA certificates expire within 30 days"),
    said(
      anchors.soon,
      "trust anchor expires within 30 days",
      "trust anchors expire within 30 days",
    ),
  ].filter(Boolean);
  const count = profiles.length;
  return [
    `${count} ${count === 1 ? "profile" : "profiles"}, ${intune} with Intune.`,
    ...(troubles.length > 0
      ? troubles
      : ["Every RA certificate and trust anchor has 30 days or more."]),
  ].join(" ");
}

function said(count: number, one: string, many: string): string {
  return count === 0 ? "" : `${count.toLocaleString()} ${count === 1 ? one : many}.`;
}

/** Whether a profile fits what was typed. */
export function matches(profile: Profile, text: string): boolean {
  const needle = text.trim().toLowerCase();
  if (!needle) return true;
  return [profile.path_id || "(root)", profile.issuer_id, profile.ra_cert_subject ?? ""].some(
    (field) => field.toLowerCase().includes(needle),
  );
}
