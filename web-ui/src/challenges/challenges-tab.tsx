import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { challengesQuery, POLL } from "../api/queries";
import type { Challenge, ChallengeCounts, ChallengeState } from "../api/types";
import { Badge } from "../parts/badge";
import { Select } from "../parts/fields";
import { useFocusHeir } from "../parts/focus";
import { Freshness } from "../parts/freshness";
import { ProfileName } from "../parts/links";
import { More } from "../parts/more";
import { NothingFrom } from "../parts/nothing-from";
import { ProfileSelect } from "../parts/profile-select";
import { Empty, QueryStates } from "../parts/states";
import { LongText, Untrusted } from "../parts/untrusted";
import { Ago } from "../parts/when";
import { usePlace } from "../shell/place";
import { NewChallengeDialog } from "./new-challenge-dialog";
import { WithdrawDialog } from "./withdraw-dialog";
import { madeBy, STATES } from "./words";

const FILTERS = [
  { value: "all", name: "In any state" },
  { value: "open", name: "Open" },
  { value: "used", name: "Used" },
  { value: "expired", name: "Expired" },
  { value: "withdrawn", name: "Withdrawn" },
] as const;

/** Challenges that are made for one device: how many there are, which, and a new one. */
export function ChallengesTab() {
  const { profile } = usePlace();
  const [state, setState] = useState<ChallengeState | "all">("all");
  const query = useQuery(challengesQuery(state, profile));
  const [making, setMaking] = useState(false);
  const [withdrawing, setWithdrawing] = useState<Challenge>();
  const paths = query.data?.profiles.map((counts) => counts.profile) ?? [];
  return (
    <>
      <div className="toolbar">
        <h2 tabIndex={-1} data-home>
          Challenges for one device
        </h2>
        <ProfileSelect />
        <Select label="State" value={state} options={FILTERS} onChange={setState} />
        {paths.length > 0 && (
          <button type="button" className="button small" onClick={() => setMaking(true)}>
            Make a challenge
          </button>
        )}
        <Freshness query={query} every={POLL.challenges / 1000} />
      </div>
      <QueryStates query={query} what="Challenges">
        {({ challenges, profiles, next }) =>
          profiles.length === 0 && profile !== undefined ? (
            <NothingFrom
              profile={profile}
              tab="challenges"
              title="No challenges are made for this profile"
            >
              <HowTo />
            </NothingFrom>
          ) : profiles.length === 0 ? (
            <Empty title="No profile has challenges for one device">
              <HowTo />
            </Empty>
          ) : (
            <>
              <Counts profiles={profiles} />
              {challenges.length === 0 ? (
                <Empty title="No such challenge">
                  <p>Challenges are kept for a week after their end.</p>
                </Empty>
              ) : (
                <section className="section" aria-label="Challenges">
                  <More items={challenges} step={50}>
                    {(visible) => <List challenges={visible} onWithdraw={setWithdrawing} />}
                  </More>
                </section>
              )}
              {next !== undefined && challenges.length > 0 && (
                <p className="hint">
                  There are older ones: <code>scepd challenge list --limit 1000</code>
                </p>
              )}
            </>
          )
        }
      </QueryStates>
      {making && (
        <NewChallengeDialog paths={paths} chosen={profile} onClose={() => setMaking(false)} />
      )}
      {withdrawing && (
        <WithdrawDialog challenge={withdrawing} onClose={() => setWithdrawing(undefined)} />
      )}
    </>
  );
}

function HowTo() {
  return (
    <p>
      A profile with <code>one_time.enabled = true</code> takes challenges that are made here, by
      the API, by <code>scepd challenge create</code>, or by a device management.
    </p>
  );
}

function Counts({ profiles }: { profiles: readonly ChallengeCounts[] }) {
  return (
    <div className="table-frame">
      <table className="stacks">
        <caption className="visually-hidden">Challenges by profile</caption>
        <thead>
          <tr>
            <th scope="col">Profile</th>
            <th scope="col">Open</th>
            <th scope="col">Made</th>
            <th scope="col">Used</th>
            <th scope="col">Expired unused</th>
            <th scope="col">Withdrawn</th>
            <th scope="col">Wrong or refused</th>
          </tr>
        </thead>
        <tbody>
          {profiles.map((counts) => (
            <tr key={counts.profile}>
              <td className="clip">
                <ProfileName pathId={counts.profile} />
              </td>
              <td data-label="Open">
                {counts.open} of {counts.max_open}
              </td>
              <td data-label="Made">{counts.made}</td>
              <td data-label="Used">{counts.used}</td>
              <td data-label="Expired unused">{counts.expired}</td>
              <td data-label="Withdrawn">{counts.withdrawn}</td>
              <td data-label="Wrong or refused">{counts.refused}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface ListProps {
  challenges: readonly Challenge[];
  onWithdraw: (challenge: Challenge) => void;
}

function List({ challenges, onWithdraw }: ListProps) {
  return (
    <div className="table-frame">
      <table className="stacks">
        <caption className="visually-hidden">Challenges, newest first</caption>
        <thead>
          <tr>
            <th scope="col">Made</th>
            <th scope="col">Profile</th>
            <th scope="col">State</th>
            <th scope="col">Uses</th>
            <th scope="col">Made by</th>
            <th scope="col">Bound to</th>
            <th scope="col">Ends</th>
            <th scope="col">
              <span className="visually-hidden">Action</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {challenges.map((challenge) => (
            <tr key={challenge.id}>
              <td data-label="Made">
                <Ago time={challenge.created_at} />
              </td>
              <td className="clip">
                <ProfileName pathId={challenge.profile} />
              </td>
              <td>
                <Badge tone={STATES[challenge.state].tone}>{STATES[challenge.state].name}</Badge>
              </td>
              <td data-label="Uses">
                {challenge.used} of {challenge.uses}
              </td>
              <td className="clip whole" data-label="Made by">
                <Untrusted text={challenge.created_by} /> ({madeBy(challenge)})
              </td>
              <td className="clip whole" data-label="Bound to">
                {challenge.bound_to === undefined ? (
                  <span className="nothing">nothing</span>
                ) : (
                  <LongText text={challenge.bound_to} />
                )}
              </td>
              <td data-label="Ends">
                <Ago time={challenge.expires_at} />
              </td>
              <td>
                {challenge.state === "open" && (
                  <WithdrawButton challenge={challenge} onWithdraw={onWithdraw} />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface WithdrawButtonProps {
  challenge: Challenge;
  onWithdraw: (challenge: Challenge) => void;
}

function WithdrawButton({ challenge, onWithdraw }: WithdrawButtonProps) {
  const heir = useFocusHeir<HTMLButtonElement>();
  return (
    <button
      ref={heir}
      type="button"
      className="button small plain"
      onClick={() => onWithdraw(challenge)}
    >
      Withdraw<span className="visually-hidden"> {challenge.id.slice(0, 8)}</span>
    </button>
  );
}
