import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useMemo } from "react";
import { POLL, profilesQuery } from "../api/queries";
import type { Profile, ProfileList } from "../api/types";
import { Chips } from "../parts/chips";
import { Search } from "../parts/fields";
import { Freshness } from "../parts/freshness";
import { More } from "../parts/more";
import { NoSuchProfile } from "../parts/nothing-from";
import { ProfileSelect } from "../parts/profile-select";
import { Empty, QueryStates } from "../parts/states";
import { useChoice, useText } from "../shell/filters";
import { usePlace } from "../shell/place";
import { matches, needy, summary } from "./attention";
import { HowToConfigure } from "./how-to-configure";
import { ProfileCard } from "./profile-card";

export function ProfilesTab() {
  const query = useQuery(profilesQuery);
  return (
    <QueryStates query={query} what="Profiles" rows={4}>
      {(data) =>
        data.profiles.length === 0 ? (
          <HowToConfigure />
        ) : (
          <Profiles
            data={data}
            freshness={<Freshness query={query} every={POLL.profiles / 1000} />}
          />
        )
      }
    </QueryStates>
  );
}

const SHOWN = [{ value: "all" }, { value: "attention" }] as const;
type Shown = (typeof SHOWN)[number]["value"];

function Profiles({ data, freshness }: { data: ProfileList; freshness: React.ReactNode }) {
  const { profile: chosen } = usePlace();
  const [text, setText] = useText();
  const [shown, setShown] = useChoice("show", SHOWN, "all");
  const sought = useDeferredValue(text);

  const here = useMemo(
    () => data.profiles.filter((profile) => chosen === undefined || profile.path_id === chosen),
    [data, chosen],
  );
  const troubled = useMemo(() => needy(here), [here]);
  const list = useMemo(
    () => (shown === "attention" ? troubled : here).filter((profile) => matches(profile, sought)),
    [shown, troubled, here, sought],
  );
  return (
    <>
      <div className="toolbar">
        <Chips
          label="Which profiles"
          value={shown}
          onChange={setShown}
          options={[
            { value: "all", name: "All", count: here.length },
            { value: "attention", name: "Needs attention", count: troubled.length },
          ]}
        />
        {chosen !== undefined && <ProfileSelect />}
        <Search
          label="Find a profile"
          placeholder="Path, issuer or RA certificate"
          value={text}
          onChange={setText}
        />
        {freshness}
      </div>
      <Summary profiles={data.profiles} />
      {list.length === 0 ? (
        <Nothing shown={shown} text={sought} chosen={chosen} known={here.length > 0} />
      ) : (
        <More key={`${shown} ${sought} ${chosen}`} items={list} step={12}>
          {(visible) => (
            <ul className="cards">
              {visible.map((profile) => (
                <li key={profile.path_id}>
                  <ProfileCard profile={profile} />
                </li>
              ))}
            </ul>
          )}
        </More>
      )}
    </>
  );
}

/** The whole in one sentence. */
function Summary({ profiles }: { profiles: readonly Profile[] }) {
  const words = useMemo(() => summary(profiles), [profiles]);
  return <p className="summary">{words}</p>;
}

interface NothingProps {
  shown: Shown;
  text: string;
  chosen: string | undefined;
  known: boolean;
}

function Nothing({ shown, text, chosen, known }: NothingProps) {
  if (!known && chosen !== undefined) {
    return <NoSuchProfile profile={chosen} tab="profiles" />;
  }
  if (shown === "attention" && !text) {
    return (
      <Empty title="Nothing needs attention">
        <p>
          No certificate ends within 30 days, every issuer answers, and every profile has a way to
          authenticate devices.
        </p>
      </Empty>
    );
  }
  return (
    <Empty title="No profile fits">
      <p>Shorten the search text or choose “All”.</p>
    </Empty>
  );
}
