import type { ReactNode } from "react";
import { Link, useLocation, useSearchParams } from "react-router";
import { profileName } from "../model/text";
import { type Sheet, withSheet } from "../model/url";

/** Opens a side sheet over what is shown now. */
export function SheetLink({ sheet, children }: { sheet: Sheet; children: ReactNode }) {
  const [params] = useSearchParams();
  const { pathname } = useLocation();
  return (
    <Link className="link" to={{ pathname, search: withSheet(params, sheet).toString() }}>
      {children}
    </Link>
  );
}

/** A profile's name. */
export function ProfileName({ pathId }: { pathId: string | undefined }) {
  if (pathId === undefined) return <span className="nothing">unknown</span>;
  return <span className="profile-name">{profileName(pathId)}</span>;
}
