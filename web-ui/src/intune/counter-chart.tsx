import { useCallback, useId, useMemo, useSyncExternalStore } from "react";
import { history } from "../api/query-client";
import { type Step, steps } from "../model/history";
import { localClock } from "../model/time";

const HEIGHT = 40;
const MIDDLE = 22;

/** Issued (up) and refused (down) between the polls of this page. */
export function CounterChart({ path }: { path: string }) {
  const read = useCallback(() => history.of(path), [path]);
  const samples = useSyncExternalStore(history.subscribe, read);
  const drawn = useMemo(() => steps(samples), [samples]);
  const id = useId();
  const first = drawn[0];
  const last = drawn[drawn.length - 1];
  if (!first || !last) {
    return <p className="chart-waiting">The chart begins with the next update.</p>;
  }
  const issued = drawn.reduce((sum, step) => sum + step.issued, 0);
  const refused = drawn.reduce((sum, step) => sum + step.refused, 0);
  return (
    <figure className="chart-frame">
      <svg
        viewBox={`0 0 100 ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-labelledby={id}
        className="spark"
      >
        <title id={id}>
          {`Since ${localClock(first.from)}: ${issued} issued, ${refused} refused`}
        </title>
        <line className="spark-axis" x1="0" x2="100" y1={MIDDLE} y2={MIDDLE} />
        <Bars steps={drawn} from={first.from} to={last.to} />
      </svg>
      <figcaption>
        <span>Since {localClock(first.from)}</span>
        <span className="chart-sums">
          <span data-tone="good">▲ {issued.toLocaleString()} issued</span>
          <span data-tone="bad">▼ {refused.toLocaleString()} refused</span>
        </span>
      </figcaption>
    </figure>
  );
}

function Bars({ steps, from, to }: { steps: readonly Step[]; from: number; to: number }) {
  const span = Math.max(to - from, 1);
  const most = Math.max(1, ...steps.map((step) => Math.max(step.issued, step.refused)));
  const up = (MIDDLE - 2) / most;
  const down = (HEIGHT - MIDDLE - 2) / most;
  return (
    <>
      {steps.map((step) => {
        const x = ((step.from - from) / span) * 100;
        const width = Math.max(((step.to - step.from) / span) * 100 * 0.72, 0.3);
        return (
          <g key={step.from}>
            {step.issued > 0 && (
              <rect
                className="spark-up"
                x={x}
                width={width}
                y={MIDDLE - step.issued * up}
                height={step.issued * up}
              />
            )}
            {step.refused > 0 && (
              <rect
                className="spark-down"
                x={x}
                width={width}
                y={MIDDLE}
                height={step.refused * down}
              />
            )}
          </g>
        );
      })}
    </>
  );
}
