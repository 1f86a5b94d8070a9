import type { TrustAnchor } from "../api/types";
import { soonestAnchor } from "../model/anchors";
import { Badge, Countdown } from "./badge";

/** The countdown of the trust anchor that ends first. */
export function AnchorCountdown({ anchors }: { anchors: readonly TrustAnchor[] }) {
  const soonest = soonestAnchor(anchors);
  if (!soonest) return <Badge tone="bad">No trust anchor</Badge>;
  return (
    <span className="anchor-countdown">
      <span className="label">Trust anchor</span>
      <Countdown
        days={soonest.days_to_expiry}
        expired={soonest.expired}
        notAfter={soonest.not_after}
      />
    </span>
  );
}
