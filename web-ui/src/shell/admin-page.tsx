import * as Tabs from "@radix-ui/react-tabs";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { ActivityTab } from "../activity/activity-tab";
import { requestsQuery } from "../api/queries";
import { CertificateSheet } from "../certificates/certificate-sheet";
import { CertificatesTab } from "../certificates/certificates-tab";
import { ChallengesTab } from "../challenges/challenges-tab";
import { IntuneTab } from "../intune/intune-tab";
import { filtersOf, searchFor, TAB_NAMES, TABS, type Tab } from "../model/url";
import { useFocusHeir } from "../parts/focus";
import { ProfilesTab } from "../profiles/profiles-tab";
import { RequestsTab } from "../requests/requests-tab";
import { ServerTab } from "../server/server-tab";
import { TimelineSheet } from "../timeline/timeline-sheet";
import { usePlace } from "./place";

const VIEWS: Readonly<Record<Tab, () => React.ReactNode>> = {
  profiles: ProfilesTab,
  intune: IntuneTab,
  activity: ActivityTab,
  certificates: CertificatesTab,
  requests: RequestsTab,
  challenges: ChallengesTab,
  server: ServerTab,
};

/** The page for an admin: tabs, and a side sheet over them when the URL asks for one. */
export function AdminPage() {
  const { tab, profile } = usePlace();
  const [params] = useSearchParams();
  const navigate = useNavigate();
  // How each tab was narrowed when it was last shown, for when one comes back to it.
  const left = useRef(new Map<Tab, URLSearchParams>());
  useEffect(() => {
    left.current.set(tab, filtersOf(params));
  }, [tab, params]);
  const tabs = useRef<HTMLDivElement>(null);
  // On a phone the tabs are wider than the screen: a deep link shows the one it opens.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the tab is what changes
  useEffect(() => {
    const active = tabs.current?.querySelector("[data-state=active]");
    active?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [tab]);
  const waiting = useQuery(requestsQuery(undefined)).data?.total ?? 0;
  return (
    <>
      <h1 tabIndex={-1}>SCEP Administration</h1>
      <Tabs.Root
        value={tab}
        activationMode="manual"
        onValueChange={(next) => {
          const chosen = TABS.find((name) => name === next);
          if (!chosen) return;
          const filters = left.current.get(chosen);
          navigate({ pathname: "/scep", search: searchFor(chosen, profile, filters) });
        }}
      >
        <Tabs.List ref={tabs} className="tabs" aria-label="Views">
          {TABS.map((name) => (
            <Tabs.Trigger key={name} value={name} className="tab">
              {TAB_NAMES[name]}
              {name === "requests" && waiting > 0 && (
                <span className="tab-count">
                  {waiting}
                  <span className="visually-hidden"> waiting</span>
                </span>
              )}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        {TABS.map((name) => {
          const View = VIEWS[name];
          return (
            <Tabs.Content key={name} value={name} className="view">
              {/* Not once more under the URL of the next tab: it would take that one's filters for its own. */}
              {name === tab && (
                <Panel>
                  <View />
                </Panel>
              )}
            </Tabs.Content>
          );
        })}
      </Tabs.Root>
      <TimelineSheet />
      <CertificateSheet />
    </>
  );
}

/** A tab's content. A link in it that leads to another tab hands the focus to that tab. */
function Panel({ children }: { children: ReactNode }) {
  const heir = useFocusHeir<HTMLDivElement>();
  return <div ref={heir}>{children}</div>;
}
