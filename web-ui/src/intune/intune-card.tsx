import { memo, useId, useState } from "react";
import type { IntuneRow, TrustAnchor } from "../api/types";
import { anchorsTone } from "../model/anchors";
import { refusals } from "../model/counters";
import { profileName } from "../model/text";
import { duration } from "../model/time";
import { expiryTone } from "../model/tone";
import { AnchorCountdown } from "../parts/anchor-countdown";
import { Badge, Countdown } from "../parts/badge";
import { Fact, Facts } from "../parts/facts";
import { Next } from "../parts/next";
import { Opener } from "../parts/opener";
import { Ruler } from "../parts/ruler";
import { Untrusted } from "../parts/untrusted";
import { Day } from "../parts/when";
import { CounterMeanings, Counters } from "./counters";

interface IntuneCardProps {
  row: IntuneRow;
  onReload: (row: IntuneRow) => void;
  /** One of many: a single line that opens to the card. */
  dense?: boolean;
}

/** The Intune state of one profile. */
export const IntuneCard = memo(function IntuneCard(props: IntuneCardProps) {
  const { row, onReload, dense = false } = props;
  const [opened, setOpened] = useState(false);
  const open = opened || !dense;
  const body = useId();
  const name = profileName(row.path_id);
  const heading = `intune-${row.path_id || "root"}`;
  const anchors = row.trust_anchors ?? [];
  return (
    <article className="card intune" aria-labelledby={heading} data-dense={dense} data-open={open}>
      <header className="card-head">
        {dense && (
          <Opener
            open={opened}
            controls={body}
            label={`Card of ${name}`}
            onToggle={() => setOpened(!opened)}
          />
        )}
        <h2 id={heading} className="profile-name">
          {name}
        </h2>
        <AnchorCountdown anchors={anchors} />
        {!open && <Tally counters={row.counters} />}
        <button type="button" className="button small" onClick={() => onReload(row)}>
          Reload trust anchor<span className="visually-hidden"> of {name}</span>
        </button>
      </header>
      {open && (
        <div className="card-body" id={body}>
          <Body row={row} name={name} />
        </div>
      )}
    </article>
  );
});

/** The counters in two numbers. */
function Tally({ counters }: { counters: IntuneRow["counters"] }) {
  return (
    <span className="tally">
      <span>{(counters.success ?? 0).toLocaleString()} issued</span>
      <span>{refusals(counters).toLocaleString()} refused</span>
    </span>
  );
}

function Body({ row, name }: { row: IntuneRow; name: string }) {
  const anchors = row.trust_anchors ?? [];
  const tone = anchorsTone(anchors);
  return (
    <>
      {tone !== "good" && (
        <Next>
          Put the connector's new certificate into{" "}
          <code className="path">{row.trust_anchor_path}</code>
          {tone === "expired" && ", take the expired one out"}
          {(tone === "warn" || tone === "bad") && anchors.length > 0 && " beside the old one"}, then
          reload the trust anchor.
        </Next>
      )}
      <Counters row={row} name={name} />
      <CounterMeanings />

      <Facts>
        <Fact name="Audience">
          <Untrusted text={row.audience} none="not checked" />
        </Fact>
        <Fact name="Rate limit">
          <Badge tone={row.rate_limit_disabled ? "warn" : "good"}>
            {row.rate_limit_disabled ? "Disabled" : "Active"}
          </Badge>
        </Fact>
        <Fact name="Replay cache">
          <span className="number">{row.replay_cache_size.toLocaleString()}</span>{" "}
          {row.replay_cache_size === 1 ? "challenge" : "challenges"}
        </Fact>
        <Fact name="Challenge validity">
          {row.challenge_validity_ns
            ? duration(row.challenge_validity_ns)
            : "as each challenge says"}
        </Fact>
        <Fact name="Clock tolerance">
          {row.clock_skew_tolerance_ns ? duration(row.clock_skew_tolerance_ns) : "none"}
        </Fact>
        <Fact name="Issuer">
          <Untrusted text={row.issuer_id} />
        </Fact>
      </Facts>

      <details className="fold">
        <summary>
          Trust anchors <span className="count">{anchors.length}</span>
          <code className="path">{row.trust_anchor_path}</code>
        </summary>
        {anchors.length === 0 ? (
          <p className="hint">No trust anchor is loaded: every challenge is refused.</p>
        ) : (
          <AnchorTable anchors={anchors} now={row.generated_at} name={name} />
        )}
      </details>
    </>
  );
}

interface AnchorTableProps {
  anchors: readonly TrustAnchor[];
  now: string;
  name: string;
}

function AnchorTable({ anchors, now, name }: AnchorTableProps) {
  return (
    <div className="table-frame">
      <table className="anchors stacks">
        <caption className="visually-hidden">Trust anchors of {name}</caption>
        <thead>
          <tr>
            <th scope="col">Subject</th>
            <th scope="col">From</th>
            <th scope="col">Until</th>
            <th scope="col">Left</th>
            <th scope="col">Validity</th>
          </tr>
        </thead>
        <tbody>
          {anchors.map((anchor) => (
            <tr
              key={`${anchor.subject} ${anchor.not_before} ${anchor.not_after}`}
              data-tone={expiryTone(anchor.days_to_expiry, anchor.expired)}
            >
              <td className="clip whole">
                <Untrusted text={anchor.subject} none="no common name" />
              </td>
              <td data-label="From">
                <Day time={anchor.not_before} />
              </td>
              <td data-label="Until">
                <Day time={anchor.not_after} />
              </td>
              <td>
                <Countdown
                  days={anchor.days_to_expiry}
                  expired={anchor.expired}
                  notAfter={anchor.not_after}
                />
              </td>
              <td className="whole">
                <Ruler
                  notBefore={anchor.not_before}
                  notAfter={anchor.not_after}
                  days={anchor.days_to_expiry}
                  expired={anchor.expired}
                  now={now}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
