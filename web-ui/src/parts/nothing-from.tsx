import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link, useSearchParams } from "react-router";
import { profilesQuery } from "../api/queries";
import { plain, profileName, profileUrl } from "../model/text";
import { filtersOf, searchFor, type Tab } from "../model/url";
import { copy } from "./copy";
import { Empty } from "./states";

interface ToAllProps {
  tab: Tab;
  onFollow?: () => void;
}

/** Leads from one profile to all of them. */
export function ToAll({ tab, onFollow }: ToAllProps) {
  const [params] = useSearchParams();
  return (
    <Link
      className="link"
      to={{ pathname: "/scep", search: searchFor(tab, undefined, filtersOf(params)) }}
      {...(onFollow ? { onClick: onFollow } : {})}
    >
      All profiles
    </Link>
  );
}

/** For a profile that the URL names and the server does not have. */
export function NoSuchProfile({ profile, tab }: { profile: string; tab: Tab }) {
  return (
    <Empty title={`There is no profile ${plain(profileName(profile))}`}>
      <p>It may have been renamed or taken out of the configuration.</p>
      <p>
        <ToAll tab={tab} />
      </p>
    </Empty>
  );
}

interface NothingFromProps {
  profile: string;
  tab: Tab;
  title?: string;
  children?: ReactNode;
}

/** Stands where a chosen profile has nothing to show: there may be no such profile. */
export function NothingFrom({ profile, tab, title, children }: NothingFromProps) {
  const profiles = useQuery({ ...profilesQuery, refetchInterval: false });
  const known = profiles.data?.profiles.some((found) => found.path_id === profile);
  if (known === false) return <NoSuchProfile profile={profile} tab={tab} />;
  return (
    <Empty title={title ?? `Nothing from ${plain(profileName(profile))} yet`}>
      {children}
      <p>
        <ToAll tab={tab} />
      </p>
    </Empty>
  );
}

/** Where the devices of a profile enroll, to be copied into an MDM. */
export function EnrollmentUrl({ profile }: { profile: string }) {
  const url = `${window.location.origin}${profileUrl(profile)}`;
  return (
    <span className="copied">
      <code className="path">{url}</code>
      <button
        type="button"
        className="button plain small"
        onClick={() => copy(url, "The URL was copied.")}
      >
        Copy<span className="visually-hidden"> the URL</span>
      </button>
    </span>
  );
}
