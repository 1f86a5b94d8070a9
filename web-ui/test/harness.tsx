import { QueryClientProvider } from "@tanstack/react-query";
import { act, render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { MemoryRouter, useLocation, useNavigate } from "react-router";
import { vi } from "vitest";
import { makeQueryClient } from "../src/api/query-client";
import { Pages } from "../src/app";
import { Announcer } from "../src/parts/announcer";

/** One request that the page sent. */
export interface Seen {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Headers;
  body: unknown;
}

/** What answers a route: a value is a 200 with it as JSON. */
export type Answer = unknown | ((seen: Seen) => unknown);

export class Reply {
  constructor(
    readonly status: number,
    readonly body: unknown,
  ) {}
}

export function refusal(status: number, error: string): Reply {
  return new Reply(status, { error, request_id: "req-1" });
}

const NOTHING: Readonly<Record<string, Answer>> = {
  "GET /auth/check": { status: "authenticated", user: "ops", admin: true, actor_type: "APIKey" },
  "GET /session": {
    user: "ops",
    admin: true,
    actor_type: "APIKey",
    csrf_token: "csrf-1",
    expires_at: "2026-11-24T00:00:00Z",
  },
  "GET /admin/scep/profiles": () => envelope([]),
  "GET /admin/scep/intune/stats": () => envelope([]),
  "GET /admin/intune/tenants": () => ({ data: [], generated_at: "2026-11-23T12:44:40Z" }),
  "GET /admin/scep/requests": () => list([]),
  "GET /admin/certificates": () => list([]),
  "GET /admin/tokens": { tokens: [] },
  "GET /challenges": { challenges: [], profiles: [] },
  "GET /audit": () => list([]),
  "GET /about": {
    name: "scepd",
    version: "1.2.3",
    openssl: "OpenSSL 3.6.0",
    started_at: "2026-11-23T08:00:00Z",
    now: "2026-11-23T12:00:00Z",
  },
};

export function envelope<T>(profiles: T[], at = Date.now()) {
  return {
    profiles,
    profile_count: profiles.length,
    generated_at: new Date(at).toISOString(),
  };
}

export function list<T>(data: T[]) {
  return { data, total: data.length, page: 1, per_page: 50 };
}

/** A server that answers from a table; what it saw is in `seen`. */
export function serve(answers: Readonly<Record<string, Answer>> = {}) {
  const table: Record<string, Answer> = { ...NOTHING, ...answers };
  const seen: Seen[] = [];
  const fetch = vi.fn(async (input: string, init: RequestInit = {}) => {
    const url = new URL(input, "https://scep.test");
    const request: Seen = {
      method: init.method ?? "GET",
      path: url.pathname.replace("/api/v1", ""),
      query: url.searchParams,
      headers: new Headers(init.headers),
      body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
    };
    seen.push(request);
    const answer = table[`${request.method} ${request.path}`];
    const given = typeof answer === "function" ? await answer(request) : answer;
    if (given === undefined) return json(404, { error: "no such path", request_id: "req-404" });
    if (given instanceof Reply) return json(given.status, given.body);
    return json(200, given);
  });
  vi.stubGlobal("fetch", fetch);
  return {
    seen,
    table,
    /** Methods and paths, in order. */
    paths: () => seen.map(({ method, path }) => `${method} ${path}`),
    /** The requests of one route. */
    of: (route: string) => seen.filter(({ method, path }) => `${method} ${path}` === route),
  };
}

function json(status: number, body: unknown): Response {
  return new Response(status === 204 ? null : JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/json" },
  });
}

interface Browser {
  url: string;
  go: (by: number) => void;
}

/** Writes down where the page is, and goes back and forward. */
function Place({ into }: { into: Browser }) {
  const { pathname, search } = useLocation();
  const navigate = useNavigate();
  into.url = pathname + search;
  into.go = (by) => navigate(by);
  return null;
}

/** Shows the page at a URL. */
export function show(url = "/scep") {
  const place: Browser = { url: "", go: () => {} };
  const user = userEvent.setup({
    advanceTimers: (by) => vi.isFakeTimers() && vi.advanceTimersByTime(by),
  });
  const client = makeQueryClient();
  const view = render(
    <QueryClientProvider client={client}>
      <MemoryRouter initialEntries={[url]} useTransitions={false}>
        <Pages />
        <Place into={place} />
      </MemoryRouter>
      <Announcer />
    </QueryClientProvider>,
  );
  return { ...view, user, place, client, go: (by: number) => act(() => place.go(by)) };
}

/** Hides or shows the whole page, as switching the browser's tab does. */
export function setVisible(visible: boolean) {
  Object.defineProperty(document, "visibilityState", {
    configurable: true,
    get: () => (visible ? "visible" : "hidden"),
  });
  document.dispatchEvent(new Event("visibilitychange"));
  window.dispatchEvent(new Event("visibilitychange"));
}
