import type { ReactNode } from "react";
import { Link, useLocation, useSearchParams } from "react-router";
import { profileName } from "../model/text";
import { type Sheet, sheetOf, withSheet } from "../model/url";
import { depthOf, type SheetState } from "../shell/place";

/** Opens a side sheet over what is shown now. */
export function SheetLink({ sheet, children }: { sheet: Sheet; children: ReactNode }) {
  const [params] = useSearchParams();
  const { pathname, state } = useLocation();
  const depth = depthOf(state);
  // Over a sheet that the URL itself opened there is no entry without one to go back to.
  const known = depth > 0 || sheetOf(params) === undefined;
  const next: SheetState = { sheetDepth: known ? depth + 1 : 0 };
  return (
    <Link
      className="link"
      to={{ pathname, search: withSheet(params, sheet).toString() }}
      state={next}
    >
      {children}
    </Link>
  );
}

/** A profile's name. */
export function ProfileName({ pathId }: { pathId: string | undefined }) {
  if (pathId === undefined) return <span className="nothing">unknown</span>;
  return <span className="profile-name">{profileName(pathId)}</span>;
}
