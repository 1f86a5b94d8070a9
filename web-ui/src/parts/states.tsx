import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ApiError } from "../api/client";
import { useFocusHeir } from "./focus";
import { ToneMark } from "./tone-mark";
import { Ago } from "./when";

/** Words for an error, with the request id that finds it in the log. */
export function ErrorWords({ error }: { error: unknown }) {
  const message = error instanceof Error ? error.message : "Something went wrong.";
  const id = error instanceof ApiError ? error.requestId : undefined;
  return (
    <>
      <span className="error-words">{message}</span>
      {id && (
        <span className="request-id">
          Request <code>{id}</code>
        </span>
      )}
    </>
  );
}

/** Why what was asked for was not done. */
export function Refusal({ error, before }: { error: unknown; before?: string }) {
  return (
    <div className="notice" role="alert" data-tone="bad">
      <ToneMark tone="bad" />
      <p>
        {before && (
          <>
            {before}
            <br />
          </>
        )}
        <ErrorWords error={error} />
      </p>
    </div>
  );
}

/** Stands where data will be, in about its size. */
export function Loading({ what, rows = 3 }: { what: string; rows?: number }) {
  return (
    <div className="loading" role="status">
      <span className="visually-hidden">Loading {what}</span>
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike
        <div className="loading-row" key={row} aria-hidden="true" />
      ))}
    </div>
  );
}

interface FailureProps {
  what: string;
  error: unknown;
  onRetry: () => void;
}

/** Stands where data would be, had it come. */
export function Failure({ what, error, onRetry }: FailureProps) {
  const heir = useFocusHeir<HTMLDivElement>();
  return (
    <div className="state" role="alert" data-tone="bad" ref={heir}>
      <h2>
        <ToneMark tone="bad" /> {what} could not be loaded
      </h2>
      <p>
        <ErrorWords error={error} />
      </p>
      <button type="button" className="button" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
}

/** Stands where nothing is, and says what to do next. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

interface QueryStatesProps<T> {
  query: UseQueryResult<T>;
  /** What is being loaded, with a capital: "Profiles". */
  what: string;
  rows?: number;
  children: (data: T) => ReactNode;
}

/** The states of a query around its data; an update that fails leaves the data in place. */
export function QueryStates<T>({ query, what, rows, children }: QueryStatesProps<T>) {
  const retry = () => void query.refetch();
  if (query.data === undefined) {
    if (query.isError) return <Failure what={what} error={query.error} onRetry={retry} />;
    return <Loading what={what.toLowerCase()} {...(rows ? { rows } : {})} />;
  }
  return (
    <>
      {query.isError && (
        <StaleNotice error={query.error} since={query.dataUpdatedAt} onRetry={retry} />
      )}
      {children(query.data)}
    </>
  );
}

interface StaleNoticeProps {
  error: unknown;
  /** When what is still shown came, in milliseconds since 1970. */
  since: number;
  onRetry: () => void;
}

/** Only the words are an alert: the time beside them changes, and would be said each second. */
function StaleNotice({ error, since, onRetry }: StaleNoticeProps) {
  const heir = useFocusHeir<HTMLDivElement>();
  return (
    <div className="notice" data-tone="warn" ref={heir}>
      <ToneMark tone="warn" />
      <p>
        <span role="alert">
          The last update failed: <ErrorWords error={error} />
        </span>{" "}
        What stands here is from <Ago time={since} />.
      </p>
      <button type="button" className="button small" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
}
