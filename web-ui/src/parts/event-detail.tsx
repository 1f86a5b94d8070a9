import type { AuditDetails, AuditEvent } from "../api/types";
import { isUnverified, subjectOf } from "../model/audit";
import { reasonMeaning, reasonNext } from "../model/counters";
import { ChallengeTerms } from "./challenge";
import { Comparison } from "./comparison";
import { Fact, Facts } from "./facts";
import { ProfileName, SheetLink } from "./links";
import { Next } from "./next";
import { LongText } from "./untrusted";
import { At } from "./when";

/** The members that have a place of their own. */
const PLACED: ReadonlySet<string> = new Set([
  "outcome",
  "reason",
  "message",
  "profile",
  "issuer_id",
  "serial",
  "common_name",
  "sans",
  "transaction_id",
  "source_ip",
  "user_agent",
  "device",
  "claim_issuer",
  "claim",
  "csr",
  "mismatch",
  "unverified",
  "note",
  "request_id",
]);

/** What an action has to say beyond them. */
function others(details: AuditDetails): [string, string][] {
  return Object.entries(details).filter(
    (entry): entry is [string, string] => !PLACED.has(entry[0]) && typeof entry[1] === "string",
  );
}

function named(member: string): string {
  const words = member.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Everything that one audit event holds. */
export function EventDetail({ event }: { event: AuditEvent }) {
  const { details } = event;
  const subject = subjectOf(event);
  const refused = details.outcome === "failure";
  const meaning = refused ? reasonMeaning(details.reason) : undefined;
  const next = refused ? reasonNext(details.reason) : undefined;
  const mismatch = typeof details.mismatch === "string" ? details.mismatch : undefined;
  return (
    <div className="detail">
      {(details.message || meaning) && (
        <p className="detail-message">
          {details.message ? <LongText text={details.message} /> : meaning}
        </p>
      )}
      {next && <Next>{next}</Next>}
      {details.claim && isUnverified(event) && (
        <p className="hint">
          No trusted connector signed this challenge: what it says below is nobody's word.
        </p>
      )}
      {details.claim && (
        <Comparison claim={details.claim} csr={details.csr ?? {}} mismatch={mismatch} />
      )}
      <ChallengeTerms event={event} />
      <Facts>
        <Fact name="Time">
          <At time={event.timestamp} />
        </Fact>
        <Fact name="Profile">
          <ProfileName pathId={details.profile} />
        </Fact>
        {details.reason && (
          <Fact name="Reason">
            <code>
              <LongText text={details.reason} />
            </code>
          </Fact>
        )}
        {details.issuer_id && (
          <Fact name="Issuer">
            <LongText text={details.issuer_id} />
          </Fact>
        )}
        {details.common_name && (
          <Fact name="Common name">
            <LongText text={details.common_name} />
          </Fact>
        )}
        {details.sans && (
          <Fact name="Alternative names">
            <LongText text={details.sans} />
          </Fact>
        )}
        {details.device && (
          <Fact name="Intune device">
            <LongText text={details.device} />
          </Fact>
        )}
        {details.claim_issuer && (
          <Fact name="Challenge from">
            <LongText text={details.claim_issuer} />
          </Fact>
        )}
        {details.serial && (
          <Fact name="Serial">
            <code>
              <LongText text={details.serial} />
            </code>
          </Fact>
        )}
        {details.transaction_id && (
          <Fact name="Transaction">
            <code>
              <LongText text={details.transaction_id} />
            </code>
          </Fact>
        )}
        {details.source_ip && (
          <Fact name="Source address">
            <code>{details.source_ip}</code>
          </Fact>
        )}
        {details.user_agent && (
          <Fact name="Client">
            <LongText text={details.user_agent} />
          </Fact>
        )}
        {details.note && (
          <Fact name="Note">
            <LongText text={details.note} />
          </Fact>
        )}
        {others(details).map(([name, value]) => (
          <Fact key={name} name={named(name)}>
            <LongText text={value} />
          </Fact>
        ))}
        <Fact name="Audit event">
          <span className="number">{event.id}</span>
          {details.request_id && (
            <>
              , request <code>{details.request_id}</code>
            </>
          )}
        </Fact>
      </Facts>
      <p className="detail-links">
        {subject && (
          <SheetLink sheet={{ kind: "timeline", subject }}>Timeline of this device</SheetLink>
        )}
        {details.transaction_id && subject?.kind !== "transaction_id" && (
          <SheetLink
            sheet={{
              kind: "timeline",
              subject: { kind: "transaction_id", value: details.transaction_id },
            }}
          >
            Timeline of this transaction
          </SheetLink>
        )}
        {details.serial && details.issuer_id && (
          <SheetLink
            sheet={{ kind: "certificate", issuerId: details.issuer_id, serial: details.serial }}
          >
            Certificate
          </SheetLink>
        )}
      </p>
    </div>
  );
}
