import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { timelineQuery } from "../api/queries";
import type { Certificate, Stage, TimelineEntry } from "../api/types";
import { standing } from "../certificates/words";
import { reasonName } from "../model/counters";
import { standingNow } from "../model/story";
import { expiryTone, type Tone } from "../model/tone";
import type { Subject } from "../model/url";
import { Badge } from "../parts/badge";
import { Dialog } from "../parts/dialog";
import { EventDetail } from "../parts/event-detail";
import { ProfileName, SheetLink } from "../parts/links";
import { Empty, QueryStates } from "../parts/states";
import { ToneMark } from "../parts/tone-mark";
import { LongText, Untrusted } from "../parts/untrusted";
import { Ago, Day } from "../parts/when";
import { usePlace } from "../shell/place";

const KINDS: Readonly<Record<Subject["kind"], string>> = {
  device: "Intune device",
  transaction_id: "Transaction",
  serial: "Serial",
  common_name: "Common name",
};

const STAGES: Readonly<Record<Stage, { tone: Tone; name: string }>> = {
  refused: { tone: "bad", name: "Refused" },
  pending: { tone: "warn", name: "Waiting for approval" },
  asked: { tone: "warn", name: "Asked again" },
  approved: { tone: "good", name: "Approved" },
  denied: { tone: "bad", name: "Denied" },
  lapsed: { tone: "warn", name: "Lapsed" },
  issued: { tone: "good", name: "Issued" },
  renewed: { tone: "good", name: "Renewed" },
  revoked: { tone: "expired", name: "Revoked" },
  expires: { tone: "quiet", name: "Expires" },
  other: { tone: "quiet", name: "Recorded" },
};

/** Stages that are about one certificate. */
const HOLDS_SERIAL: ReadonlySet<Stage> = new Set(["issued", "renewed", "revoked"]);

/** The story of the device that the URL names, at the side. */
export function TimelineSheet() {
  const { sheet, closeSheet } = usePlace();
  if (sheet?.kind !== "timeline") return null;
  const { subject } = sheet;
  return <Story key={`${subject.kind}:${subject.value}`} subject={subject} onClose={closeSheet} />;
}

function Story({ subject, onClose }: { subject: Subject; onClose: () => void }) {
  const query = useQuery(timelineQuery(subject));
  return (
    <Dialog
      open
      shape="sheet"
      onClose={onClose}
      title="Timeline"
      description={
        <p className="sheet-sub">
          {KINDS[subject.kind]}{" "}
          <strong>
            <Untrusted text={subject.value} />
          </strong>
        </p>
      }
    >
      <QueryStates query={query} what="The timeline" rows={5}>
        {({ entries, certificates, truncated, generated_at }) =>
          entries.length === 0 && certificates.length === 0 ? (
            <Empty title="Nothing is known">
              <p>
                No audit event or certificate has exactly this {KINDS[subject.kind].toLowerCase()}.
                Search in Certificates by a part of the name.
              </p>
            </Empty>
          ) : (
            <>
              <Standing entries={entries} certificates={certificates} />
              <ol className="timeline" reversed>
                {[...entries].reverse().map((entry, place) => (
                  <Step
                    key={entry.event?.id ?? `${entry.stage} ${entry.timestamp} ${place}`}
                    entry={entry}
                    future={Date.parse(entry.timestamp) > Date.parse(generated_at)}
                  />
                ))}
              </ol>
              {truncated && (
                <p className="hint">Older steps are left out; the audit has them all.</p>
              )}
              <Certificates certificates={certificates} />
            </>
          )
        }
      </QueryStates>
    </Dialog>
  );
}

interface StandingProps {
  entries: readonly TimelineEntry[];
  certificates: readonly Certificate[];
}

/** The story in one line: what the device holds now, and when it was last refused. */
function Standing({ entries, certificates }: StandingProps) {
  const { valid, ended, refused } = standingNow(entries, certificates);
  return (
    <p className="standing">
      {valid ? (
        <Badge tone={expiryTone(valid.days_to_expiry, false)}>
          Valid until <Day time={valid.not_after} />
        </Badge>
      ) : (
        <Badge tone={ended ? standing(ended).tone : "quiet"}>
          {ended ? `${standing(ended).name}, no valid certificate` : "No certificate"}
        </Badge>
      )}
      {refused && (
        <span>
          Last refused <Ago time={refused.timestamp} />
          {refused.event?.details.reason &&
            `: ${reasonName(refused.event.details.reason).toLowerCase()}`}
        </span>
      )}
    </p>
  );
}

function Step({ entry, future }: { entry: TimelineEntry; future: boolean }) {
  const [open, setOpen] = useState(false);
  const { tone, name } = STAGES[entry.stage];
  const reason = entry.stage === "refused" ? entry.event?.details.reason : undefined;
  const words = entry.stage === "expires" && !future ? "Expired" : name;
  return (
    <li className="step" data-tone={tone} data-future={future}>
      <span className="step-mark">
        <ToneMark tone={tone} />
      </span>
      <div className="step-body">
        <p className="step-head">
          <strong>{reason ? `${words}: ${reasonName(reason).toLowerCase()}` : words}</strong>
          <Ago time={entry.timestamp} />
        </p>
        <p>
          <LongText text={entry.message} none="" />
        </p>
        <p className="step-foot">
          <ProfileName pathId={entry.profile} />
          {entry.serial && HOLDS_SERIAL.has(entry.stage) && (
            <span className="step-serial">
              serial{" "}
              <code>
                <Untrusted text={entry.serial} limit={40} />
              </code>
            </span>
          )}
          {entry.event && (
            <button
              type="button"
              className="button plain small"
              aria-expanded={open}
              onClick={() => setOpen(!open)}
            >
              {open ? "Less" : "Everything"}
            </button>
          )}
        </p>
        {open && entry.event && <EventDetail event={entry.event} />}
      </div>
    </li>
  );
}

function Certificates({ certificates }: { certificates: readonly Certificate[] }) {
  if (certificates.length === 0) return null;
  return (
    <section className="section">
      <h3>Certificates</h3>
      <ul className="certificate-list">
        {certificates.map((certificate) => {
          const { tone, name } = standing(certificate);
          const { issuer_id: issuerId, serial } = certificate;
          return (
            <li key={`${issuerId}/${serial}`}>
              <SheetLink sheet={{ kind: "certificate", issuerId, serial }}>
                <code>
                  <Untrusted text={serial} />
                </code>
              </SheetLink>
              <span>
                until <Day time={certificate.not_after} />
              </span>
              <Badge tone={tone}>{name}</Badge>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
