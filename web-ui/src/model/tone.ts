/** How something stands. Every tone is shown with a word or a shape besides its colour. */
export type Tone = "good" | "warn" | "bad" | "expired" | "quiet";

/** Tones by how much they ask for attention. */
export const RANK: Readonly<Record<Tone, number>> = {
  quiet: 0,
  good: 0,
  warn: 1,
  bad: 2,
  expired: 3,
};

const SOON = 30;
const NOW = 7;

/** The tone of a certificate with `days` whole days left. */
export function expiryTone(days: number, expired: boolean): Tone {
  if (expired || days < 0) return "expired";
  if (days < NOW) return "bad";
  if (days < SOON) return "warn";
  return "good";
}

/** The countdown in words, such as "16 days left, rotate soon". */
export function expiryWords(days: number, expired: boolean): string {
  const tone = expiryTone(days, expired);
  if (tone === "expired") return "EXPIRED";
  const left = days === 0 ? "Under 1 day left" : days === 1 ? "1 day left" : `${days} days left`;
  if (tone === "bad") return `${left}, rotate now`;
  if (tone === "warn") return `${left}, rotate soon`;
  return left;
}
