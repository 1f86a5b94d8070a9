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

/** Where in the page the URL is. */
export function usePlace(): Place {
  const { pathname } = useLocation();
  const [params] = useSearchParams();
  const navigate = useNavigate();
  return useMemo(
    () => ({
      tab: tabOf(pathname, params),
      profile: profileOf(params),
      sheet: sheetOf(params),
      closeSheet: () => navigate({ pathname, search: withSheet(params).toString() }),
    }),
    [pathname, params, navigate],
  );
}
