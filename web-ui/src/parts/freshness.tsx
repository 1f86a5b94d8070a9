import { useSyncExternalStore } from "react";
import { Ago } from "./when";

function subscribe(listener: () => void) {
  document.addEventListener("visibilitychange", listener);
  return () => document.removeEventListener("visibilitychange", listener);
}

/** Whether the page is hidden; polling rests while it is. */
export function useHidden(): boolean {
  return useSyncExternalStore(subscribe, () => document.visibilityState === "hidden");
}

interface FreshnessProps {
  query: { dataUpdatedAt: number; isFetching: boolean; refetch: () => unknown };
  /** Seconds between polls, where the view polls. */
  every?: number;
}

/** When the data last came, and a way to ask now. */
export function Freshness({ query, every }: FreshnessProps) {
  const hidden = useHidden();
  return (
    <p className="freshness">
      <span>
        {query.dataUpdatedAt === 0 ? "Not yet updated" : "Updated "}
        {query.dataUpdatedAt !== 0 && <Ago time={query.dataUpdatedAt} />}
        {every !== undefined &&
          (hidden ? ", paused while the page is hidden" : `, every ${every} s`)}
      </span>
      <button
        type="button"
        className="button small plain"
        onClick={() => void query.refetch()}
        aria-disabled={query.isFetching}
      >
        Refresh
      </button>
    </p>
  );
}
