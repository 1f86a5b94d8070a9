import { useMemo } from "react";
import { useLocation, useNavigate, useSearchParams } from "react-router";
import { profileOf, type Sheet, sheetOf, type Tab, tabOf, withSheet } from "../model/url";

export interface Place {
  tab: Tab;
  /** The chosen profile; undefined for all. */
  profile: string | undefined;
  sheet: Sheet | undefined;
  /** Closes the side sheet. */
  closeSheet: () => void;
}

/** What an entry of the browser's history remembers of its side sheet. */
export interface SheetState {
  /** How many entries back the page has no sheet; 0 when the sheet came with the URL. */
  sheetDepth: number;
}

/** The depth that an entry remembers; what else stands there counts as none. */
export function depthOf(state: unknown): number {
  if (typeof state !== "object" || state === null || !("sheetDepth" in state)) return 0;
  const { sheetDepth } = state;
  return typeof sheetDepth === "number" && sheetDepth > 0 ? Math.floor(sheetDepth) : 0;
}

/** Where in the page the URL is. */
export function usePlace(): Place {
  const { pathname, state } = useLocation();
  const [params] = useSearchParams();
  const navigate = useNavigate();
  const depth = depthOf(state);
  return useMemo(
    () => ({
      tab: tabOf(pathname, params),
      profile: profileOf(params),
      sheet: sheetOf(params),
      // A sheet opened from within is left the way one came, so that Back does not reopen it.
      closeSheet: () =>
        depth > 0
          ? navigate(-depth)
          : navigate({ pathname, search: withSheet(params).toString() }, { replace: true }),
    }),
    [pathname, params, depth, navigate],
  );
}
