import type { Certificate, TimelineEntry } from "../api/types";

/** Where a device's story stands. */
export interface StoryStanding {
  /** The certificate that lasts longest of those that count. */
  valid: Certificate | undefined;
  /** The newest of the others. */
  ended: Certificate | undefined;
  /** The last refusal. */
  refused: TimelineEntry | undefined;
}

function last<T>(items: readonly T[], time: (item: T) => string): T | undefined {
  return items.reduce<T | undefined>(
    (found, item) => (!found || Date.parse(time(item)) >= Date.parse(time(found)) ? item : found),
    undefined,
  );
}

/** Sums a story up. */
export function standingNow(
  entries: readonly TimelineEntry[],
  certificates: readonly Certificate[],
): StoryStanding {
  const isValid = ({ status }: Certificate) => status === "valid";
  return {
    valid: last(certificates.filter(isValid), ({ not_after }) => not_after),
    ended: last(
      certificates.filter((certificate) => !isValid(certificate)),
      ({ issued_at }) => issued_at,
    ),
    refused: last(
      entries.filter(({ stage }) => stage === "refused"),
      ({ timestamp }) => timestamp,
    ),
  };
}
