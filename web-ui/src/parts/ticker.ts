import { useCallback, useSyncExternalStore } from "react";
import { relative } from "../model/time";

/** One clock for all relative times: they change together, once a second, while anyone looks. */
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function current(): number {
  if (timer === undefined && Date.now() - now >= 1000) now = Date.now();
  return now;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** A time as "12 s ago", kept current; renders again only when the words change. */
export function useRelative(time: string | number): string {
  const read = useCallback(() => relative(time, current()), [time]);
  return useSyncExternalStore(subscribe, read);
}
