import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { POLL, requestsQuery } from "../api/queries";
import type { PendingRequest } from "../api/types";
import { plain, profileName } from "../model/text";
import { Fact, Facts } from "../parts/facts";
import { useFocusHeir } from "../parts/focus";
import { Freshness } from "../parts/freshness";
import { ProfileName, SheetLink } from "../parts/links";
import { More } from "../parts/more";
import { NothingFrom } from "../parts/nothing-from";
import { ProfileSelect } from "../parts/profile-select";
import { Empty, QueryStates } from "../parts/states";
import { LongText, Untrusted } from "../parts/untrusted";
import { Ago } from "../parts/when";
import { usePlace } from "../shell/place";
import { DecideDialog, type Verdict } from "./decide-dialog";

interface Deciding {
  request: PendingRequest;
  verdict: Verdict;
}

export function RequestsTab() {
  const { profile } = usePlace();
  const query = useQuery(requestsQuery(profile));
  const [deciding, setDeciding] = useState<Deciding>();
  return (
    <>
      <div className="toolbar">
        <h2 tabIndex={-1} data-home>
          Waiting for approval
        </h2>
        <ProfileSelect />
        <Freshness query={query} every={POLL.requests / 1000} />
      </div>
      <QueryStates query={query} what="Requests">
        {(list) =>
          list.data.length === 0 && profile !== undefined ? (
            <NothingFrom
              profile={profile}
              tab="requests"
              title={`No request of ${plain(profileName(profile))} waits`}
            />
          ) : list.data.length === 0 ? (
            <Empty title="No request waits">
              <p>
                Requests of profiles with <code>approval = true</code> wait here until someone
                approves or denies them. The device asks again by itself.
              </p>
            </Empty>
          ) : (
            <>
              <More items={list.data} step={40}>
                {(visible) => (
                  <ul className="requests">
                    {visible.map((request) => (
                      <li key={request.id}>
                        <RequestCard
                          request={request}
                          onDecide={(verdict) => setDeciding({ request, verdict })}
                        />
                      </li>
                    ))}
                  </ul>
                )}
              </More>
              {list.total > list.data.length && (
                <p className="hint">
                  {list.total - list.data.length} more wait; they appear as these are decided.
                </p>
              )}
            </>
          )
        }
      </QueryStates>
      {deciding && (
        <DecideDialog
          request={deciding.request}
          verdict={deciding.verdict}
          onClose={() => setDeciding(undefined)}
        />
      )}
    </>
  );
}

interface RequestCardProps {
  request: PendingRequest;
  onDecide: (verdict: Verdict) => void;
}

function RequestCard({ request, onDecide }: RequestCardProps) {
  const heading = `request-${request.id}`;
  const heir = useFocusHeir<HTMLElement>();
  const about = plain(request.common_name || request.subject).slice(0, 80);
  return (
    <article className="request" aria-labelledby={heading} ref={heir}>
      <header className="request-head">
        <h3 id={heading} className="clip">
          <Untrusted text={request.common_name || request.subject} none="no name" />
        </h3>
        <p className="card-sub">
          {request.renewal ? "Renewal" : "First certificate"}, asked{" "}
          <Ago time={request.requested_at} />
          {request.expires_at && (
            <>
              , lapses <Ago time={request.expires_at} />
            </>
          )}
        </p>
      </header>
      <Facts>
        <Fact name="Profile">
          <ProfileName pathId={request.profile} />
        </Fact>
        <Fact name="Subject">
          <LongText text={request.subject} />
        </Fact>
        <Fact name="Alternative names">
          <LongText text={request.sans} />
        </Fact>
        <Fact name="Key">{request.public_key}</Fact>
        {request.device && (
          <Fact name="Intune device">
            <LongText text={request.device} />
          </Fact>
        )}
        {request.source_ip && (
          <Fact name="Source address">
            <code>{request.source_ip}</code>
          </Fact>
        )}
        <Fact name="Transaction">
          <code>
            <LongText text={request.transaction_id} />
          </code>
        </Fact>
      </Facts>
      <footer className="request-actions">
        <SheetLink
          sheet={{
            kind: "timeline",
            subject: request.device
              ? { kind: "device", value: request.device }
              : { kind: "transaction_id", value: request.transaction_id },
          }}
        >
          Timeline<span className="visually-hidden"> of {about}</span>
        </SheetLink>
        <button type="button" className="button" onClick={() => onDecide("deny")}>
          Deny<span className="visually-hidden"> {about}</span>
        </button>
        <button type="button" className="button primary" onClick={() => onDecide("approve")}>
          Approve<span className="visually-hidden"> {about}</span>
        </button>
      </footer>
    </article>
  );
}
