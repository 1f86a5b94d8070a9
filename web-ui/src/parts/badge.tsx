import type { ReactNode } from "react";
import { utc } from "../model/time";
import { expiryTone, expiryWords, type Tone } from "../model/tone";
import { ToneMark } from "./tone-mark";

/** A short word in a tone. */
export function Badge({
  tone,
  children,
  title,
}: {
  tone: Tone;
  children: ReactNode;
  title?: string;
}) {
  return (
    <span className="badge" data-tone={tone} title={title}>
      <ToneMark tone={tone} />
      <span>{children}</span>
    </span>
  );
}

interface CountdownProps {
  days: number;
  expired: boolean;
  notAfter: string;
}

/** How long a certificate still lasts. */
export function Countdown({ days, expired, notAfter }: CountdownProps) {
  return (
    <Badge tone={expiryTone(days, expired)} title={`Valid until ${utc(notAfter)}`}>
      {expiryWords(days, expired)}
    </Badge>
  );
}
