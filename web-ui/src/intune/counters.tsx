import { useMemo } from "react";
import type { IntuneRow } from "../api/types";
import { COUNTERS, counterTone } from "../model/counters";
import { grown } from "../model/history";
import { ToneMark } from "../parts/tone-mark";
import { CounterChart } from "./counter-chart";
import { useSamples } from "./samples";

/**
 * The eleven counters in their order. The server counts since ever, so a number alone says little:
 * the cell of one that grew while the page looked is coloured, and says by how much.
 */
export function Counters({ row, name }: { row: IntuneRow; name: string }) {
  const samples = useSamples(row.path_id);
  const by = useMemo(() => grown(samples), [samples]);
  return (
    <ul className="counters" aria-label={`Counters of ${name}`}>
      {COUNTERS.map((counter) => {
        const value = row.counters[counter.label] ?? 0;
        const tone = counterTone(counter, value);
        const more = by[counter.label] ?? 0;
        return (
          <li
            key={counter.label}
            className="counter"
            data-tone={tone}
            data-grown={more > 0}
            title={`${counter.label}: ${counter.meaning}`}
          >
            <span className="counter-name">
              <ToneMark tone={tone} />
              {counter.name}
            </span>
            <span className="counter-numbers">
              <span className="counter-value" data-counter={counter.label}>
                {value.toLocaleString()}
              </span>
              {more > 0 && (
                <span className="counter-grown">
                  +{more.toLocaleString()}
                  <span className="visually-hidden"> since the page was opened</span>
                </span>
              )}
            </span>
            {counter.label === "success" && (
              <CounterChart samples={samples} counters={row.counters} />
            )}
          </li>
        );
      })}
    </ul>
  );
}

/** What each counter means and what to do about it, for reading rather than for pointing at. */
export function CounterMeanings() {
  return (
    <details className="fold">
      <summary>What these count</summary>
      <dl className="meanings">
        {COUNTERS.map(({ label, name, meaning, next }) => (
          <div key={label} className="meaning">
            <dt>
              {name} <code>{label}</code>
            </dt>
            <dd>
              {meaning}
              {next && (
                <>
                  {" "}
                  <strong>Next:</strong> {next}
                </>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
