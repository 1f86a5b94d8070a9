import createClient from "openapi-fetch";
import type { paths } from "./schema";
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

/** What is asked, as `fetch` takes it: addresses relative to the page, which a `Request` outside a browser does not have. */
class Question {
  readonly path: string;
  readonly init: RequestInit;

  constructor(path: string, init: RequestInit) {
    this.path = path;
    this.init = init;
  }
}

/**
 * The admin API: paths, parameters, bodies and replies are those of `api/openapi.yaml`. What is no success is thrown, as
 * an {@link ApiError}.
 */
export const api = createClient<paths>({
  credentials: "same-origin",
  cache: "no-store",
  headers: { Accept: "application/json" },
  // It is made by the client and handed to the function below, as it is.
  Request: Question as unknown as typeof Request,
  fetch: (question) => send(question as unknown as Question),
});

/** The reply to a question, in its type. */
export async function answer<T>(asked: Promise<{ data?: T }>): Promise<T> {
  const { data } = await asked;
  // What is no success was thrown.
  return data as T;
}

async function send({ path, init }: Question): Promise<Response> {
  // Signing in is the one change that has no session yet.
  const changes = init.method !== "GET" && !(init.method === "POST" && path === SESSION);
  const headers = new Headers(init.headers);
  if (changes) headers.set("X-CSRF-Token", await csrfToken());
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The server cannot be reached. Check that it runs and try again.");
  }
  if (response.ok) return response;
  // The session may have been renewed elsewhere: the next try asks for the token again.
  if (changes && response.status === 403) csrf = undefined;
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

const SESSION = "/api/v1/session";

let csrf: string | undefined;

/** The session's CSRF token: kept from the sign-in, or asked for again after a reload of the page. */
async function csrfToken(): Promise<string> {
  csrf ??= (await answer(api.GET(SESSION))).csrf_token;
  return csrf;
}

/** Exchanges a token for a session. */
export async function signIn(token: string): Promise<Session> {
  const session = await answer(api.POST(SESSION, { body: { token } }));
  csrf = session.csrf_token;
  return session;
}

/** Ends the session. */
export async function signOut(): Promise<void> {
  try {
    await api.DELETE(SESSION);
  } finally {
    csrf = undefined;
  }
}

/** Forgets what was kept of a session that the server has ended. */
export function forgetSession(): void {
  csrf = undefined;
}
