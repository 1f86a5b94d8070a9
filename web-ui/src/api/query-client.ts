import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { History } from "../model/history";
import { ApiError, forgetSession, isSignedOut } from "./client";
import { forgetHistory } from "./history-store";
import { authQuery } from "./queries";
import type { IntuneStats, ProfileList } from "./types";

/** What the counters did while this browser tab was open. */
export const history = new History();

const ENDED = ["session-ended"] as const;

/** Whether the last session ended by itself rather than by signing out. */
export function sessionEnded(client: QueryClient): boolean {
  return client.getQueryData(ENDED) === true;
}

/** Forgets everything but who is signed in. */
export function forgetData(client: QueryClient): void {
  client.removeQueries({ predicate: (query) => query.queryKey[0] !== authQuery.queryKey[0] });
  history.clear();
  forgetHistory();
}

function keepCounters(key: unknown, data: unknown) {
  if (key === "profiles") {
    const { generated_at, profiles } = data as ProfileList;
    history.add(
      Date.parse(generated_at),
      profiles.flatMap(({ path_id, intune }) => (intune ? [[path_id, intune.counters]] : [])),
    );
  } else if (key === "intune") {
    const { generated_at, profiles } = data as IntuneStats;
    history.add(
      Date.parse(generated_at),
      profiles.flatMap((row) => (row.enabled ? [[row.path_id, row.counters]] : [])),
    );
  }
}

export function makeQueryClient(): QueryClient {
  const onError = (error: unknown) => {
    if (!isSignedOut(error)) return;
    forgetSession();
    if (client.getQueryData(authQuery.queryKey) === null) return;
    forgetData(client);
    client.setQueryData(ENDED, true);
    client.setQueryData(authQuery.queryKey, null);
  };
  const client = new QueryClient({
    queryCache: new QueryCache({
      onError,
      onSuccess: (data, query) => keepCounters(query.queryKey[0], data),
    }),
    mutationCache: new MutationCache({
      onError: (error, _variables, _context, mutation) => {
        // A wrong token at the sign-in is also a 401, but ends no session.
        if (mutation.options.mutationKey?.[0] !== "sign-in") onError(error);
      },
    }),
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        refetchOnWindowFocus: true,
        refetchIntervalInBackground: false,
        // Only what may pass by itself is tried again by itself.
        retry: (failures, error) =>
          failures < 1 && error instanceof ApiError && (error.status === 0 || error.status === 503),
        retryDelay: 1_000,
      },
      mutations: { retry: false },
    },
  });
  return client;
}
