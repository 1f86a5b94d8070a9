import type { Tone } from "./tone";

/** One of the eleven outcomes of an Intune enrollment. */
export interface Counter {
  label: string;
  name: string;
  /** What it means, in one sentence. */
  meaning: string;
  /** What an operator does about it first; issued needs nothing. */
  next?: string;
  /** Its tone once it is above zero. */
  tone: Tone;
}

/** The eleven counters in their fixed order. */
export const COUNTERS: readonly Counter[] = [
  { label: "success", name: "Issued", meaning: "All gates passed.", tone: "good" },
  {
    label: "signature_invalid",
    name: "Bad signature",
    meaning: "No trust anchor fits the challenge's signature.",
    next: "Compare the trust anchor file with the certificate the connector signs with; put a renewed one in beside the old and reload.",
    tone: "bad",
  },
  {
    label: "expired",
    name: "Expired",
    meaning: "The challenge, or the anchor that signed it, is past its end.",
    next: "A few devices: they get a new challenge at their next check-in. Every device: compare the clocks and the trust anchors' days left.",
    tone: "warn",
  },
  {
    label: "not_yet_valid",
    name: "Not yet valid",
    meaning: "The challenge begins later: compare the clocks.",
    next: "Let NTP set the clocks of the connector and of this server; a wider tolerance hides the fault.",
    tone: "warn",
  },
  {
    label: "wrong_audience",
    name: "Wrong audience",
    meaning: "The challenge was made for another server.",
    next: "Make the profile's audience the same, letter by letter, as what the connector writes, then reload.",
    tone: "bad",
  },
  {
    label: "replay",
    name: "Replay",
    meaning: "The challenge was used before.",
    next: "One device within minutes: set retransmission_window. Several addresses: find out where the challenge leaked, and look at the first use.",
    tone: "bad",
  },
  {
    label: "rate_limited",
    name: "Rate limited",
    meaning: "The device enrolled too often in 24 hours.",
    next: "Find out on the device why it does not use the certificates it gets; raise per_device_rate_limit_24h only if the limit is too small.",
    tone: "warn",
  },
  {
    label: "claim_mismatch",
    name: "Claim mismatch",
    meaning: "The CSR asks for other names than the challenge vouches for.",
    next: "Compare what challenge and CSR say. Every device: make the subject and SAN format in Intune agree. One device: treat it as an incident.",
    tone: "bad",
  },
  {
    label: "compliance_failed",
    name: "Not compliant",
    meaning: "The compliance check said no or did not answer.",
    next: "One device: make it compliant, its challenge still works. Every device: see whether the compliance webhook answers.",
    tone: "warn",
  },
  {
    label: "malformed",
    name: "Malformed",
    meaning: "The challenge cannot be read, or something that has no counter refused the request.",
    next: "Look at a challenge with scepd intune-inspect; a field of the MDM may cut it short.",
    tone: "bad",
  },
  {
    label: "unknown_version",
    name: "Unknown version",
    meaning: "The challenge is of a version that this server does not know.",
    next: "Upgrade scepd, or hold the connector back at the version before.",
    tone: "bad",
  },
];

const BY_LABEL = new Map(COUNTERS.map((counter) => [counter.label, counter]));

/** A reason in words: the counter's name for the eleven labels, else the label with spaces. */
export function reasonName(label: string | undefined): string {
  if (!label) return "";
  const known = BY_LABEL.get(label);
  if (known) return known.name;
  const words = label.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What a label means, where it is one of the eleven. */
export function reasonMeaning(label: string | undefined): string | undefined {
  return label ? BY_LABEL.get(label)?.meaning : undefined;
}

/** What to do about a label first, where it is one of the eleven. */
export function reasonNext(label: string | undefined): string | undefined {
  return label ? BY_LABEL.get(label)?.next : undefined;
}

/** A refusal's tone: that of its counter, bad where it has none. */
export function reasonTone(label: string | undefined): Tone {
  return (label ? BY_LABEL.get(label)?.tone : undefined) ?? "bad";
}

/** A counter's tone at a value: nothing to say at zero. */
export function counterTone(counter: Counter, value: number): Tone {
  return value === 0 ? "quiet" : counter.tone;
}

/** Refusals of all kinds together. */
export function refusals(counters: Readonly<Record<string, number>>): number {
  let sum = 0;
  for (const { label } of COUNTERS) if (label !== "success") sum += counters[label] ?? 0;
  return sum;
}
