import { useCallback, useSyncExternalStore } from "react";
import { history } from "../api/query-client";
import type { Sample } from "../model/history";

/** What was polled of a profile's counters, oldest first. */
export function useSamples(path: string): readonly Sample[] {
  const read = useCallback(() => history.of(path), [path]);
  return useSyncExternalStore(history.subscribe, read);
}
