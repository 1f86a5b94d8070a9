import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { ENROLLMENTS, INTUNE_ENROLLMENTS, merge } from "../model/audit";
import type { Subject } from "../model/url";
import { answer, api, isSignedOut } from "./client";
import type { AuditEvent, AuthCheck, CertificateStatus, ChallengeState, Outcome } from "./types";

/** How often a view asks again, in milliseconds, while the page is visible. */
export const POLL = {
  profiles: 30_000,
  intune: 30_000,
  audit: 60_000,
  requests: 30_000,
  challenges: 30_000,
} as const;

/** Rows shown in Recent Activity and in Recent failures. */
export const SHOWN = { activity: 100, failures: 50, challenges: 200 } as const;

/** Who is signed in; null when nobody is. */
export const authQuery = queryOptions({
  queryKey: ["auth"],
  queryFn: async ({ signal }): Promise<AuthCheck | null> => {
    try {
      return await answer(api.GET("/api/v1/auth/check", { signal }));
    } catch (error) {
      if (isSignedOut(error)) return null;
      throw error;
    }
  },
  staleTime: Number.POSITIVE_INFINITY,
  refetchOnWindowFocus: false,
});

export const profilesQuery = queryOptions({
  queryKey: ["profiles"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/admin/scep/profiles", { signal })),
  refetchInterval: POLL.profiles,
});

export const intuneQuery = queryOptions({
  queryKey: ["intune"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/admin/scep/intune/stats", { signal })),
  refetchInterval: POLL.intune,
});

export const tenantsQuery = queryOptions({
  queryKey: ["tenants"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/admin/intune/tenants", { signal })),
  refetchInterval: POLL.intune,
});

/** What of a query is there. */
function present<T extends object>(query: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

async function audit(
  actions: readonly string[],
  limit: number,
  query: { outcome?: Outcome; profile?: string | undefined },
  signal: AbortSignal,
): Promise<AuditEvent[]> {
  const lists = await Promise.all(
    actions.map((action) =>
      answer(
        api.GET("/api/v1/audit", {
          params: { query: present({ action, ...query, per_page: limit }) },
          signal,
        }),
      ),
    ),
  );
  return merge(
    lists.map((list) => list.data),
    limit,
  );
}

/** The newest enrollments of all four actions, merged. */
export function activityQuery(profile: string | undefined) {
  return queryOptions({
    queryKey: ["activity", profile ?? null],
    queryFn: ({ signal }) => audit(ENROLLMENTS, SHOWN.activity, { profile }, signal),
    refetchInterval: POLL.audit,
    placeholderData: keepPreviousData,
  });
}

/** The newest Intune enrollments: the refused ones, or all. */
export function intuneEventsQuery(all: boolean, profile: string | undefined) {
  return queryOptions({
    queryKey: ["intune-events", all, profile ?? null],
    queryFn: ({ signal }) =>
      audit(
        INTUNE_ENROLLMENTS,
        SHOWN.failures,
        all ? { profile } : { outcome: "failure", profile },
        signal,
      ),
    refetchInterval: POLL.audit,
    placeholderData: keepPreviousData,
  });
}

export interface CertificateSearch {
  q: string;
  status: CertificateStatus | "all";
  profile: string | undefined;
  page: number;
}

export function certificatesQuery(search: CertificateSearch) {
  return queryOptions({
    queryKey: ["certificates", search],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/admin/certificates", {
          params: {
            query: present({
              q: search.q || undefined,
              profile: search.profile,
              status: search.status === "all" ? undefined : search.status,
              page: search.page,
              per_page: 50,
            }),
          },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
  });
}

/** The API path of one certificate, for links. */
export function certificatePath(issuerId: string, serial: string): string {
  return `/api/v1/admin/certificates/${encodeURIComponent(issuerId)}/${encodeURIComponent(serial)}`;
}

export function certificateQuery(issuerId: string, serial: string) {
  return queryOptions({
    queryKey: ["certificate", issuerId, serial],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/admin/certificates/{issuer_id}/{serial}", {
          params: { path: { issuer_id: issuerId, serial } },
          signal,
        }),
      ),
  });
}

export function timelineQuery(subject: Subject) {
  return queryOptions({
    queryKey: ["timeline", subject],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/admin/timeline", {
          params: { query: { [subject.kind]: subject.value } },
          signal,
        }),
      ),
    refetchInterval: POLL.audit,
  });
}

export function requestsQuery(profile: string | undefined) {
  return queryOptions({
    queryKey: ["requests", profile ?? null],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/admin/scep/requests", {
          params: { query: present({ profile, per_page: 200 }) },
          signal,
        }),
      ),
    refetchInterval: POLL.requests,
    placeholderData: keepPreviousData,
  });
}

/** Challenges for one device: those in a state, or all. */
export function challengesQuery(state: ChallengeState | "all", profile: string | undefined) {
  return queryOptions({
    queryKey: ["challenges", state, profile ?? null],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/challenges", {
          params: {
            query: present({
              profile,
              state: state === "all" ? undefined : state,
              limit: SHOWN.challenges,
            }),
          },
          signal,
        }),
      ),
    refetchInterval: POLL.challenges,
    placeholderData: keepPreviousData,
  });
}

export const tokensQuery = queryOptions({
  queryKey: ["tokens"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/admin/tokens", { signal })),
});

export const aboutQuery = queryOptions({
  queryKey: ["about"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/about", { signal })),
});
