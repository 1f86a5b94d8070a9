import { local, localDay, utc } from "../model/time";
import { useRelative } from "./ticker";

/** A time in relative words; exact in UTC on hover. */
export function Ago({ time }: { time: string | number }) {
  const words = useRelative(time);
  return (
    <time className="when" dateTime={new Date(time).toISOString()} title={utc(time)}>
      {words}
    </time>
  );
}

/** A time in the viewer's zone; exact in UTC on hover. */
export function At({ time }: { time: string }) {
  return (
    <time className="when" dateTime={time} title={utc(time)}>
      {local(time)}
    </time>
  );
}

/** A date in the viewer's zone; exact in UTC on hover. */
export function Day({ time }: { time: string }) {
  return (
    <time className="when" dateTime={time} title={utc(time)}>
      {localDay(time)}
    </time>
  );
}
