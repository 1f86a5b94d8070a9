import type { Session } from "./types";

/** A reply that is not a success. */
export class ApiError extends Error {
  readonly status: number;
  /** Finds this request in the server's log. */
  readonly requestId: string | undefined;

  constructor(status: number, message: string, requestId?: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.requestId = requestId;
  }
}

/** Whether the server said that the caller is not (or no longer) signed in. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

type Query = Readonly<Record<string, string | number | undefined>>;

/** A path with a query; what is undefined is left out. */
export function withQuery(path: string, query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) params.set(name, String(value));
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

async function send(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      credentials: "same-origin",
      cache: "no-store",
      ...init,
      headers: { Accept: "application/json", ...init.headers },
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The server cannot be reached. Check that it runs and try again.");
  }
  if (response.ok) return response;
  throw await refusal(response);
}

async function refusal(response: Response): Promise<ApiError> {
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null && "error" in body) {
      const id = "request_id" in body ? String(body.request_id) : undefined;
      return new ApiError(response.status, String(body.error), id);
    }
  } catch {
    // Not JSON: a proxy's page, perhaps. The status says what there is to say.
  }
  return new ApiError(response.status, `The server answered with status ${response.status}.`);
}

/** Reads. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await send(path, signal ? { signal } : {});
  return (await response.json()) as T;
}

let csrf: string | undefined;

/** The session's CSRF token: kept from the sign-in, or asked for again after a reload of the page. */
async function csrfToken(): Promise<string> {
  csrf ??= (await get<Session>("/api/v1/session")).csrf_token;
  return csrf;
}

/** Changes something. */
export async function change<T>(
  method: "POST" | "DELETE",
  path: string,
  body?: unknown,
): Promise<T> {
  const headers: Record<string, string> = { "X-CSRF-Token": await csrfToken() };
  const init: RequestInit = { method, headers };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  try {
    const response = await send(path, init);
    return (response.status === 204 ? undefined : await response.json()) as T;
  } catch (error) {
    // The session may have been renewed elsewhere: the next try asks for the token again.
    if (error instanceof ApiError && error.status === 403) csrf = undefined;
    throw error;
  }
}

/** Exchanges a token for a session. */
export async function signIn(token: string): Promise<Session> {
  const response = await send("/api/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
  const session = (await response.json()) as Session;
  csrf = session.csrf_token;
  return session;
}

/** Ends the session. */
export async function signOut(): Promise<void> {
  try {
    await change<void>("DELETE", "/api/v1/session");
  } finally {
    csrf = undefined;
  }
}

/** Forgets what was kept of a session that the server has ended. */
export function forgetSession(): void {
  csrf = undefined;
}
