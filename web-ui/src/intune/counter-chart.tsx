import { useId, useMemo } from "react";
import { refusals } from "../model/counters";
import { type Sample, type Step, steps } from "../model/history";
import { localClock } from "../model/time";

const HEIGHT = 40;
const MIDDLE = 22;

/** The height of the smallest bar, in the chart's units, which are pixels: one refusal is seen. */
const LEAST = 3;

interface CounterChartProps {
  samples: readonly Sample[];
  /** The counters as they stand, for what is said before there is anything to draw. */
  counters: Readonly<Record<string, number>>;
}

/** Issued (up) and refused (down) between the polls of this page. */
export function CounterChart({ samples, counters }: CounterChartProps) {
  const drawn = useMemo(() => steps(samples), [samples]);
  const id = useId();
  const first = drawn[0];
  const last = drawn[drawn.length - 1];
  if (!first || !last) return <Share counters={counters} />;
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
          <span data-tone="good">{`▲ ${issued.toLocaleString()} issued`}</span>
          <span data-tone="bad">{`▼ ${refused.toLocaleString()} refused`}</span>
        </span>
      </figcaption>
    </figure>
  );
}

/** The whole so far, while there is one poll only. */
function Share({ counters }: { counters: Readonly<Record<string, number>> }) {
  const refused = refusals(counters);
  const all = refused + (counters.success ?? 0);
  const percent = all === 0 ? 0 : (refused / all) * 100;
  const share = percent.toLocaleString(undefined, { maximumFractionDigits: percent < 1 ? 2 : 0 });
  return (
    <p className="chart-waiting">
      {all > 0 && (
        <span className="chart-share">
          {refused.toLocaleString()} of {all.toLocaleString()} refused so far ({share}%).{" "}
        </span>
      )}
      The chart begins with the next update.
    </p>
  );
}

function Bars({ steps, from, to }: { steps: readonly Step[]; from: number; to: number }) {
  const span = Math.max(to - from, 1);
  const most = Math.max(1, ...steps.map((step) => Math.max(step.issued, step.refused)));
  const tall = (count: number, room: number) => Math.max((count / most) * room, LEAST);
  return (
    <>
      {steps.map((step) => {
        const x = ((step.from - from) / span) * 100;
        const width = Math.max(((step.to - step.from) / span) * 100 * 0.72, 0.3);
        const up = tall(step.issued, MIDDLE - 2);
        const down = tall(step.refused, HEIGHT - MIDDLE - 2);
        return (
          <g key={step.from}>
            {step.issued > 0 && (
              <rect className="spark-up" x={x} width={width} y={MIDDLE - up} height={up} />
            )}
            {step.refused > 0 && (
              <rect className="spark-down" x={x} width={width} y={MIDDLE} height={down} />
            )}
          </g>
        );
      })}
    </>
  );
}
