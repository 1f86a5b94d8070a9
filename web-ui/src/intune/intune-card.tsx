import { memo } from "react";
import type { IntuneRow, TrustAnchor } from "../api/types";
import { COUNTERS, counterTone } from "../model/counters";
import { profileName } from "../model/text";
import { duration } from "../model/time";
import { expiryTone } from "../model/tone";
import { Badge, Countdown } from "../parts/badge";
import { Fact, Facts } from "../parts/facts";
import { Ruler } from "../parts/ruler";
import { ToneMark } from "../parts/tone-mark";
import { Untrusted } from "../parts/untrusted";
import { Day } from "../parts/when";
import { CounterChart } from "./counter-chart";

interface IntuneCardProps {
  row: IntuneRow;
  onReload: (row: IntuneRow) => void;
}

/** The Intune state of one profile. */
export const IntuneCard = memo(function IntuneCard({ row, onReload }: IntuneCardProps) {
  const name = profileName(row.path_id);
  const heading = `intune-${row.path_id || "root"}`;
  const anchors = row.trust_anchors ?? [];
  return (
    <article className="card intune" aria-labelledby={heading}>
      <header className="card-head">
        <h2 id={heading} className="profile-name">
          {name}
        </h2>
        <SoonestAnchor anchors={anchors} />
        <button type="button" className="button small" onClick={() => onReload(row)}>
          Reload trust anchor<span className="visually-hidden"> of {name}</span>
        </button>
      </header>

      <ul className="counters" aria-label={`Counters of ${name}`}>
        {COUNTERS.map((counter) => {
          const value = row.counters[counter.label] ?? 0;
          const tone = counterTone(counter, value);
          return (
            <li
              key={counter.label}
              className="counter"
              data-tone={tone}
              title={`${counter.label}: ${counter.meaning}`}
            >
              <span className="counter-name">
                <ToneMark tone={tone} />
                {counter.name}
              </span>
              <span className="counter-value" data-counter={counter.label}>
                {value.toLocaleString()}
              </span>
              {counter.label === "success" && <CounterChart path={row.path_id} />}
            </li>
          );
        })}
      </ul>

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
    </article>
  );
});

function SoonestAnchor({ anchors }: { anchors: readonly TrustAnchor[] }) {
  const soonest = anchors.reduce<TrustAnchor | undefined>(
    (found, anchor) =>
      !found || Date.parse(anchor.not_after) < Date.parse(found.not_after) ? anchor : found,
    undefined,
  );
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
