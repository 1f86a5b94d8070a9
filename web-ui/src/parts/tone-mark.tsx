import type { Tone } from "../model/tone";

const SHAPES: Readonly<Record<Tone, string>> = {
  good: "M2.5 6.4 5 8.8 9.6 3.4",
  warn: "M6 1.6 11 10.4H1L6 1.6Zm0 3.4v2.4m0 1.4v.1",
  bad: "M6 .9 11.1 6 6 11.1.9 6 6 .9Zm0 2.7v2.8m0 1.6v.1",
  expired: "M2.6 2.6 9.4 9.4M9.4 2.6 2.6 9.4",
  quiet: "M3 6h6",
};

/** The shape of a tone, so that it is told apart without its colour. */
export function ToneMark({ tone }: { tone: Tone }) {
  return (
    <svg className="tone-mark" viewBox="0 0 12 12" aria-hidden="true" focusable="false">
      <path d={SHAPES[tone]} />
    </svg>
  );
}
