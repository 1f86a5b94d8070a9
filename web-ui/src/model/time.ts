const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "2026-11-23 12:44:40 UTC": exact, the same for every viewer. */
export function utc(time: string | number | Date): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return String(time);
  return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const dayAndYear = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  year: "numeric",
});
const shortClock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** Date and time in the viewer's zone. */
export function local(time: string | number | Date): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return String(time);
  return `${dayAndYear.format(date)}, ${clock.format(date)}`;
}

/** The date alone in the viewer's zone. */
export function localDay(time: string | number | Date): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : dayAndYear.format(date);
}

/** Hours and minutes in the viewer's zone. */
export function localClock(time: string | number | Date): string {
  return shortClock.format(new Date(time));
}

/** "12 s ago", "in 3 min"; from a day on, the date and time in the viewer's zone. */
export function relative(time: string | number | Date, now: number): string {
  const date = new Date(time);
  const at = date.getTime();
  if (Number.isNaN(at)) return String(time);
  const apart = now - at;
  const size = Math.abs(apart);
  if (size >= DAY) {
    const sameYear = date.getFullYear() === new Date(now).getFullYear();
    return `${(sameYear ? day : dayAndYear).format(date)}, ${shortClock.format(date)}`;
  }
  const amount =
    size < MINUTE
      ? `${Math.floor(size / 1000)} s`
      : size < HOUR
        ? `${Math.floor(size / MINUTE)} min`
        : hours(size);
  if (size < 5_000) return "just now";
  return apart >= 0 ? `${amount} ago` : `in ${amount}`;
}

function hours(size: number): string {
  const minutes = Math.floor((size % HOUR) / MINUTE);
  return `${Math.floor(size / HOUR)} h${minutes > 0 ? ` ${minutes} min` : ""}`;
}

/** A length of time given in nanoseconds, as "60 min" or "90 s". */
export function duration(nanoseconds: number): string {
  const seconds = Math.round(nanoseconds / 1e9);
  if (seconds >= 7200 && seconds % 3600 === 0) return `${seconds / 3600} h`;
  if (seconds >= 120 && seconds % 60 === 0) return `${seconds / 60} min`;
  return `${seconds} s`;
}
