import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useId } from "react";
import { intuneQuery } from "../api/queries";
import type { AuditEvent } from "../api/types";
import { blamed, type ChallengePart, claimTime, hasTerms } from "../model/challenge";
import { Fact, Facts } from "./facts";
import { LongText } from "./untrusted";
import { At } from "./when";

/** What a challenge says beside its names: whom it is for, how long it lasts, its nonce. */
export function ChallengeTerms({ event }: { event: AuditEvent }) {
  const { claim, profile } = event.details;
  const part = blamed(event);
  const id = useId();
  // Asked for where it explains something; shown wherever it is at hand.
  const intune = useQuery({
    ...intuneQuery,
    refetchInterval: false,
    refetchOnWindowFocus: false,
    enabled: part === "audience",
  });
  if (!claim || !hasTerms(claim)) return null;
  const wanted = intune.data?.profiles.find((row) => row.path_id === profile)?.audience;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls
    <div className="challenge" role="group" aria-labelledby={id}>
      <p className="challenge-name" id={id}>
        Challenge
      </p>
      <Facts>
        {claim.aud !== undefined && (
          <Fact name="Audience">
            <Blame part="audience" blamed={part}>
              <LongText text={claim.aud} none="empty" />
            </Blame>
          </Fact>
        )}
        {claim.aud !== undefined && wanted && (
          <Fact name="Profile's audience">
            <LongText text={wanted} />
          </Fact>
        )}
        {claim.iat !== undefined && (
          <Fact name="Issued">
            <Blame part="issued" blamed={part}>
              <ClaimTime seconds={claim.iat} />
            </Blame>
          </Fact>
        )}
        {claim.exp !== undefined && (
          <Fact name="Ends">
            <Blame part="ends" blamed={part}>
              <ClaimTime seconds={claim.exp} />
            </Blame>
          </Fact>
        )}
        {claim.nonce !== undefined && (
          <Fact name="Nonce">
            <Blame part="nonce" blamed={part}>
              <code>
                <LongText text={claim.nonce} none="empty" />
              </code>
            </Blame>
          </Fact>
        )}
      </Facts>
    </div>
  );
}

const WORDS: Readonly<Record<ChallengePart, string>> = {
  audience: "another audience",
  issued: "later than the server's clock",
  ends: "in the past when it arrived",
  nonce: "used before",
};

interface BlameProps {
  part: ChallengePart;
  blamed: ChallengePart | undefined;
  children: ReactNode;
}

/** Marks a part when the refusal is about it. */
function Blame({ part, blamed, children }: BlameProps) {
  if (part !== blamed) return children;
  return (
    <mark>
      {children}
      <span className="differs"> {WORDS[part]}</span>
    </mark>
  );
}

function ClaimTime({ seconds }: { seconds: number }) {
  const time = claimTime(seconds);
  return time ? <At time={time} /> : <span className="number">{String(seconds)}</span>;
}
