import { useQuery } from "@tanstack/react-query";
import { useCallback, useDeferredValue, useMemo, useState } from "react";
import { Link } from "react-router";
import { intuneQuery, POLL } from "../api/queries";
import type { IntuneRow, IntuneStats } from "../api/types";
import { profileName } from "../model/text";
import { Search } from "../parts/fields";
import { Freshness } from "../parts/freshness";
import { More } from "../parts/more";
import { ProfileSelect } from "../parts/profile-select";
import { Empty, QueryStates } from "../parts/states";
import { usePlace } from "../shell/place";
import { IntuneCard } from "./intune-card";
import { RecentFailures } from "./recent-failures";
import { ReloadDialog } from "./reload-dialog";

export function IntuneTab() {
  const query = useQuery(intuneQuery);
  const { profile: chosen } = usePlace();
  return (
    <>
      <QueryStates query={query} what="Intune state" rows={4}>
        {(data) => (
          <IntuneProfiles
            data={data}
            chosen={chosen}
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
  chosen: string | undefined;
  freshness: React.ReactNode;
}

function IntuneProfiles({ data, chosen, freshness }: IntuneProfilesProps) {
  const [text, setText] = useState("");
  const [reloading, setReloading] = useState<IntuneRow>();
  const sought = useDeferredValue(text.trim().toLowerCase());
  const on = useMemo(() => data.profiles.filter((row) => row.enabled), [data]);
  const paths = useMemo(() => new Set(on.map((row) => row.path_id)), [on]);
  const only = useCallback((path: string) => paths.has(path), [paths]);
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

  if (on.length === 0) {
    return (
      <Empty title="No profile has Intune on">
        <p>
          Put the Intune Certificate Connector's certificate into a file and turn Intune on in the
          profile, then reload:
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
        <ProfileSelect only={only} />
        <Search label="Find a profile" placeholder="Path" value={text} onChange={setText} />
        {freshness}
      </div>
      {list.length === 0 ? (
        <Empty title={sought ? "No profile fits" : `Intune is off on ${profileName(chosen ?? "")}`}>
          <p>
            <Link className="link" to="/scep?tab=intune" onClick={() => setText("")}>
              Show all profiles with Intune
            </Link>
          </p>
        </Empty>
      ) : (
        <More key={`${sought} ${chosen}`} items={list} step={6}>
          {(visible) => (
            <ul className="cards wide">
              {visible.map((row) => (
                <li key={row.path_id}>
                  <IntuneCard row={row} onReload={setReloading} />
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
