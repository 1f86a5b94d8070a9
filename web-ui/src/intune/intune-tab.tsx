import { useQuery } from "@tanstack/react-query";
import { useCallback, useDeferredValue, useMemo, useState } from "react";
import { intuneEventsQuery, intuneQuery, POLL, SHOWN, tenantsQuery } from "../api/queries";
import type { IntuneRow, IntuneStats } from "../api/types";
import { anchorsTone } from "../model/anchors";
import { plain, profileName } from "../model/text";
import { RANK } from "../model/tone";
import { Search } from "../parts/fields";
import { Freshness } from "../parts/freshness";
import { More } from "../parts/more";
import { NoSuchProfile, ToAll } from "../parts/nothing-from";
import { ProfileSelect } from "../parts/profile-select";
import { Empty, QueryStates } from "../parts/states";
import { useText } from "../shell/filters";
import { usePlace } from "../shell/place";
import { IntuneCard } from "./intune-card";
import { RecentFailures } from "./recent-failures";
import { ReloadDialog } from "./reload-dialog";
import { Tenants } from "./tenants";

export function IntuneTab() {
  const query = useQuery(intuneQuery);
  const { profile: chosen } = usePlace();
  // The section below polls; the link to it only counts what is there.
  const failures = useQuery({ ...intuneEventsQuery(false, chosen), refetchInterval: false });
  const tenants = useQuery(tenantsQuery);
  return (
    <>
      <QueryStates query={tenants} what="Tenants" rows={2}>
        {({ data }) => {
          const asked = data.filter(
            ({ profiles }) => chosen === undefined || profiles.includes(chosen),
          );
          return asked.length > 0 && <Tenants tenants={asked} query={tenants} />;
        }}
      </QueryStates>
      <QueryStates query={query} what="Intune state" rows={4}>
        {(data) => (
          <IntuneProfiles
            data={data}
            cloud={(tenants.data?.data ?? []).flatMap(({ profiles }) => profiles)}
            chosen={chosen}
            failures={failures.data?.length}
            freshness={<Freshness query={query} every={POLL.intune / 1000} />}
          />
        )}
      </QueryStates>
      <RecentFailures profile={chosen} />
    </>
  );
}

interface IntuneProfilesProps {
  data: IntuneStats;
  /** Path ids of the profiles whose challenges Intune's service validates. */
  cloud: readonly string[];
  chosen: string | undefined;
  /** How many recent failures there are, once that is known. */
  failures: number | undefined;
  freshness: React.ReactNode;
}

/** How many cards stand open; more profiles are a line each, so that the page stays surveyable. */
const OPEN = 6;

const STEP = 24;

/** Trouble first; profiles that stand alike keep the server's order. */
function byTrouble(rows: readonly IntuneRow[]): IntuneRow[] {
  const rank = (row: IntuneRow) => RANK[anchorsTone(row.trust_anchors ?? [])];
  return [...rows].sort((a, b) => rank(b) - rank(a));
}

function IntuneProfiles({ data, cloud, chosen, failures, freshness }: IntuneProfilesProps) {
  const [text, setText] = useText();
  const [reloading, setReloading] = useState<IntuneRow>();
  const sought = useDeferredValue(text.trim().toLowerCase());
  const on = useMemo(() => byTrouble(data.profiles.filter((row) => row.enabled)), [data]);
  const paths = useMemo(() => on.map((row) => row.path_id).sort(), [on]);
  const list = useMemo(
    () =>
      on.filter(
        (row) =>
          (chosen === undefined || row.path_id === chosen) &&
          (!sought || profileName(row.path_id).includes(sought)),
      ),
    [on, chosen, sought],
  );
  const close = useCallback(() => setReloading(undefined), []);

  // What there is to say of those stands on their tenants' cards.
  const isElsewhere = chosen === undefined ? on.length === 0 : cloud.includes(chosen);
  if (cloud.length > 0 && isElsewhere && list.length === 0) return null;
  if (on.length === 0) {
    return (
      <Empty title="No profile has Intune on">
        <p>Name your tenant and its app, have a profile ask it, then reload:</p>
        <pre>
          <code>{`[[tenant]]\nid = "contoso"\ntenant = "contoso.onmicrosoft.com"\nclient_id = "11111111-2222-3333-4444-555555555555"\nclient_secret_file = "/etc/scepd/intune/client-secret"\n\n[profile.intune_cloud]\ntenants = ["contoso"]`}</code>
        </pre>
        <p>
          Where a connector of your own mints signed challenges, put its certificate into a file and
          turn Intune on in the profile instead:
        </p>
        <pre>
          <code>{`[profile.intune]\nenabled = true\nconnector_cert_path = "/etc/scepd/connector.pem"\naudience = "https://scep.example.com/scep/corp"`}</code>
        </pre>
      </Empty>
    );
  }
  return (
    <>
      <div className="toolbar">
        <ProfileSelect paths={paths} />
        <Search label="Find a profile" placeholder="Path" value={text} onChange={setText} />
        <FailuresLink count={failures} />
        {freshness}
      </div>
      {list.length === 0 ? (
        <Nothing sought={sought !== ""} chosen={chosen} data={data} onAll={() => setText("")} />
      ) : (
        <More key={`${sought} ${chosen}`} items={list} step={STEP} byItself={false}>
          {(visible) => (
            <ul className="cards wide">
              {visible.map((row) => (
                <li key={row.path_id}>
                  <IntuneCard row={row} onReload={setReloading} dense={list.length > OPEN} />
                </li>
              ))}
            </ul>
          )}
        </More>
      )}
      {reloading && <ReloadDialog row={reloading} onClose={close} />}
    </>
  );
}

/** Leads past the cards to what is below them. */
function FailuresLink({ count }: { count: number | undefined }) {
  const words = count === undefined ? "" : count >= SHOWN.failures ? ` (${count}+)` : ` (${count})`;
  return (
    <a className="link" href="#recent-failures">
      Recent failures{words}
    </a>
  );
}

interface NothingProps {
  sought: boolean;
  chosen: string | undefined;
  data: IntuneStats;
  onAll: () => void;
}

function Nothing({ sought, chosen, data, onAll }: NothingProps) {
  const known = data.profiles.some((row) => row.path_id === chosen);
  if (chosen !== undefined && !known) return <NoSuchProfile profile={chosen} tab="intune" />;
  const off = `Intune is off on ${plain(profileName(chosen ?? ""))}`;
  return (
    <Empty title={sought ? "No profile fits" : off}>
      <p>
        <ToAll tab="intune" onFollow={onAll} />
      </p>
    </Empty>
  );
}
