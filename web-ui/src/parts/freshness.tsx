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

/**
 * When the data last came, and a way to ask now. The words change each second and the button is
 * there throughout, so that neither they nor a poll moves what stands beside them.
 */
export function Freshness({ query, every }: FreshnessProps) {
  const hidden = useHidden();
  const rhythm = hidden ? "Paused while the page is hidden, " : `Every ${every} s, `;
  return (
    <p className="freshness">
      <span className="freshness-words">
        {every !== undefined && rhythm}
        {every === undefined ? "Updated " : "updated "}
        {query.dataUpdatedAt === 0 ? (
          <span className="when">not yet</span>
        ) : (
          <Ago time={query.dataUpdatedAt} />
        )}
      </span>
      <button
        type="button"
        className="button small plain"
        onClick={() => {
          if (!query.isFetching) query.refetch();
        }}
      >
        Refresh
      </button>
    </p>
  );
}
