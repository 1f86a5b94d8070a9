import type { Tone } from "./tone";

/** One of the eleven outcomes of an Intune enrollment. */
export interface Counter {
  label: string;
  name: string;
  /** What it means, in one sentence. */
  meaning: string;
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
    tone: "bad",
  },
  {
    label: "expired",
    name: "Expired",
    meaning: "The challenge, or the anchor that signed it, is past its end.",
    tone: "warn",
  },
  {
    label: "not_yet_valid",
    name: "Not yet valid",
    meaning: "The challenge begins later: compare the clocks.",
    tone: "warn",
  },
  {
    label: "wrong_audience",
    name: "Wrong audience",
    meaning: "The challenge was made for another server.",
    tone: "bad",
  },
  { label: "replay", name: "Replay", meaning: "The challenge was used before.", tone: "bad" },
  {
    label: "rate_limited",
    name: "Rate limited",
    meaning: "The device enrolled too often in 24 hours.",
    tone: "warn",
  },
  {
    label: "claim_mismatch",
    name: "Claim mismatch",
    meaning: "The CSR asks for other names than the challenge vouches for.",
    tone: "bad",
  },
  {
    label: "compliance_failed",
    name: "Not compliant",
    meaning: "The compliance check said no or did not answer.",
    tone: "warn",
  },
  { label: "malformed", name: "Malformed", meaning: "The challenge cannot be read.", tone: "bad" },
  {
    label: "unknown_version",
    name: "Unknown version",
    meaning: "The challenge is of a version that this server does not know.",
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
