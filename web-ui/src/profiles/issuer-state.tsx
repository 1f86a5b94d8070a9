import type { Profile } from "../api/types";
import type { Tone } from "../model/tone";
import { Badge } from "../parts/badge";
import { Next } from "../parts/next";
import { Untrusted } from "../parts/untrusted";

type Section = NonNullable<Profile["issuer"]>;

/** As long as this an issuer may be silent, in seconds, before the server gives its alarm. */
const ALARM = 300;

/** How an issuer somewhere else stands. */
export function issuerTone(issuer: Section): Tone {
  if (issuer.trouble === undefined) return issuer.reached ? "good" : "quiet";
  return issuer.silent_for_seconds >= ALARM ? "bad" : "warn";
}

/** A span in the largest unit that it fills. */
function span(seconds: number): string {
  const [count, unit] =
    seconds < 60
      ? [seconds, "second"]
      : seconds < 3600
        ? [Math.floor(seconds / 60), "minute"]
        : [Math.floor(seconds / 3600), "hour"];
  return `${count.toLocaleString()} ${unit}${count === 1 ? "" : "s"}`;
}

/** So many enrollments, in words. */
export function enrollments(count: number): string {
  if (count === 0) return "No enrollment";
  return `${count.toLocaleString()} ${count === 1 ? "enrollment" : "enrollments"}`;
}

function words(issuer: Section): string {
  if (issuer.trouble === undefined) return issuer.reached ? "Answers" : "Not asked yet";
  const silent = span(issuer.silent_for_seconds);
  return issuer.reached ? `AWAY for ${silent}` : `NEVER REACHED in ${silent}`;
}

/** An issuer's state as a badge. */
export function IssuerBadge({ issuer }: { issuer: Section }) {
  const last = `Last answer ${span(issuer.silent_for_seconds)} ago`;
  return (
    <Badge tone={issuerTone(issuer)} title={issuer.reached ? last : "It has not answered yet"}>
      {words(issuer)}
    </Badge>
  );
}

/** What to do about an issuer that does not do its work. */
export function IssuerNext({ profile }: { profile: Profile }) {
  const { issuer } = profile;
  if (issuer?.trouble === undefined) return null;
  return (
    <Next>
      The last call to the issuer failed: <Untrusted text={issuer.trouble} />. Devices wait and get
      their certificates once it is back; <code>scepd issuer test</code> says what is wrong.
    </Next>
  );
}
