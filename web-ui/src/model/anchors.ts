import type { TrustAnchor } from "../api/types";
import { expiryTone, type Tone } from "./tone";

/** The anchor that ends first. */
export function soonestAnchor(anchors: readonly TrustAnchor[]): TrustAnchor | undefined {
  return anchors.reduce<TrustAnchor | undefined>(
    (found, anchor) =>
      !found || Date.parse(anchor.not_after) < Date.parse(found.not_after) ? anchor : found,
    undefined,
  );
}

/** How a profile's anchors stand: as the soonest does, and bad when there is none. */
export function anchorsTone(anchors: readonly TrustAnchor[]): Tone {
  const soonest = soonestAnchor(anchors);
  return soonest ? expiryTone(soonest.days_to_expiry, soonest.expired) : "bad";
}
