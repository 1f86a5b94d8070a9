import { useId } from "react";
import { expiryTone } from "../model/tone";

const DAY = 86_400_000;

interface RulerProps {
  notBefore: string;
  notAfter: string;
  days: number;
  expired: boolean;
  /** When the state was read; the server's clock decides, not the viewer's. */
  now: string;
}

/** A certificate's validity as a line: what is used up, where now is, and the last 30 and 7 days. */
export function Ruler({ notBefore, notAfter, days, expired, now }: RulerProps) {
  const id = useId();
  const from = Date.parse(notBefore);
  const to = Date.parse(notAfter);
  const span = Math.max(to - from, 1);
  const place = (time: number) => Math.min(100, Math.max(0, ((time - from) / span) * 100));
  const here = place(Date.parse(now));
  const marks = [30, 7].map((left) => place(to - left * DAY)).filter((x) => x > 1 && x < 99);
  return (
    <svg
      className="ruler"
      data-tone={expiryTone(days, expired)}
      viewBox="0 0 100 8"
      preserveAspectRatio="none"
      role="img"
      aria-labelledby={id}
    >
      <title id={id}>{`${Math.round(here)}% of the validity is used up`}</title>
      <rect className="ruler-line" x="0" y="3" width="100" height="2" />
      <rect className="ruler-used" x="0" y="3" width={here} height="2" />
      {marks.map((x) => (
        <rect key={x} className="ruler-mark" x={x} y="1.5" width="0.35" height="5" />
      ))}
      <rect className="ruler-now" x={Math.min(here, 99.2)} y="0" width="0.8" height="8" />
    </svg>
  );
}
