import type { Challenge, ChallengeState } from "../api/types";
import type { Tone } from "../model/tone";

/** How the states of a challenge are shown. */
export const STATES: Readonly<Record<ChallengeState, { name: string; tone: Tone }>> = {
  open: { name: "Open", tone: "good" },
  used: { name: "Used", tone: "quiet" },
  expired: { name: "Expired", tone: "quiet" },
  withdrawn: { name: "Withdrawn", tone: "quiet" },
};

export const INTERFACES: Readonly<Record<string, string>> = {
  api: "API",
  cli: "command line",
  page: "this page",
  jamf: "Jamf webhook",
  ndes: "NDES page",
};

/** By which way a challenge was made. */
export function madeBy(challenge: Challenge): string {
  return INTERFACES[challenge.interface] ?? challenge.interface;
}
