import { useCallback, useEffect, useState } from "react";
import { useLocation, useSearchParams } from "react-router";
import { pageOf, withFilter } from "../model/url";

/** How long typing rests before it is acted upon, in milliseconds. Browsers limit how often a URL may change. */
const REST = 250;

/** One filter of the shown tab, as the URL has it, and what changes it. */
function useFilter(name: string) {
  const [params, setParams] = useSearchParams();
  const { state } = useLocation();
  const put = useCallback(
    (value: string | undefined, replace = false) =>
      setParams(withFilter(params, name, value), replace ? { replace, state } : {}),
    [params, setParams, state, name],
  );
  return [params.get(name), put] as const;
}

/** A filter that is one of a few. It is not in the URL while it is `unset`; what is none of them counts as that. */
export function useChoice<T extends string>(
  name: string,
  options: readonly { value: T }[],
  unset: T,
): [T, (value: T) => void] {
  const [given, put] = useFilter(name);
  const chosen = options.find(({ value }) => value === given)?.value ?? unset;
  return [chosen, (value) => put(value === unset ? undefined : value)];
}

/**
 * The text of the tab's search field: as it is typed, what changes it, and as it was when typing last rested, which is
 * what the URL has. Typing makes no entry in the browser's history.
 */
export function useText(): [text: string, setText: (text: string) => void, rested: string] {
  const [given, put] = useFilter("q");
  const [typed, setTyped] = useState<string>();
  useEffect(() => {
    if (typed === undefined) return;
    const timer = setTimeout(() => {
      setTyped(undefined);
      put(typed || undefined, true);
    }, REST);
    return () => clearTimeout(timer);
  }, [typed, put]);
  const rested = given ?? "";
  return [typed ?? rested, setTyped, rested];
}

/** The page of a long list, from 1. */
export function usePage(): [number, (page: number) => void] {
  const [params, setParams] = useSearchParams();
  return [
    pageOf(params),
    (page) => {
      const next = new URLSearchParams(params);
      if (page > 1) next.set("page", String(page));
      else next.delete("page");
      setParams(next);
    },
  ];
}
