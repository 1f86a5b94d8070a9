import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useMemo, useState } from "react";
import { POLL, profilesQuery } from "../api/queries";
import type { ProfileList } from "../api/types";
import { expiryTone } from "../model/tone";
import { Chips } from "../parts/chips";
import { Search } from "../parts/fields";
import { Freshness } from "../parts/freshness";
import { More } from "../parts/more";
import { ProfileSelect } from "../parts/profile-select";
import { Empty, QueryStates } from "../parts/states";
import { usePlace } from "../shell/place";
import { attention, matches } from "./attention";
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

type Shown = "all" | "attention";

function Profiles({ data, freshness }: { data: ProfileList; freshness: React.ReactNode }) {
  const { profile: chosen } = usePlace();
  const [text, setText] = useState("");
  const [shown, setShown] = useState<Shown>("all");
  const sought = useDeferredValue(text);

  const here = useMemo(
    () => data.profiles.filter((profile) => chosen === undefined || profile.path_id === chosen),
    [data, chosen],
  );
  const needy = useMemo(() => here.filter((profile) => attention(profile) !== undefined), [here]);
  const list = useMemo(
    () => (shown === "attention" ? needy : here).filter((profile) => matches(profile, sought)),
    [shown, needy, here, sought],
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
            { value: "attention", name: "Needs attention", count: needy.length },
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
      <Summary data={data} />
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
function Summary({ data }: { data: ProfileList }) {
  const words = useMemo(() => {
    let soon = 0;
    let expired = 0;
    let intune = 0;
    for (const profile of data.profiles) {
      const tone = expiryTone(profile.ra_cert_days_to_expiry, profile.ra_cert_expired);
      if (tone === "expired") expired++;
      else if (tone !== "good") soon++;
      if (profile.intune) intune++;
    }
    const count = data.profile_count;
    return [
      `${count} ${count === 1 ? "profile" : "profiles"}, ${intune} with Intune.`,
      expired > 0
        ? `${expired} RA ${expired === 1 ? "certificate has" : "certificates have"} expired.`
        : "",
      soon > 0
        ? `${soon} RA ${soon === 1 ? "certificate expires" : "certificates expire"} within 30 days.`
        : "",
      expired + soon === 0 ? "Every RA certificate has 30 days or more." : "",
    ]
      .filter(Boolean)
      .join(" ");
  }, [data]);
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
    return (
      <Empty title="There is no such profile">
        <p>
          The profile in the address is not configured here. Choose “All profiles” to see the
          others.
        </p>
      </Empty>
    );
  }
  if (shown === "attention" && !text) {
    return (
      <Empty title="Nothing needs attention">
        <p>
          No certificate ends within 30 days and every profile has a way to authenticate devices.
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
