import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useMemo } from "react";
import { activityQuery, POLL, SHOWN } from "../api/queries";
import type { AuditEvent, Outcome } from "../api/types";
import { filterActivity, KINDS, type Kind, kindWords } from "../model/audit";
import { profileUrl } from "../model/text";
import { Chips } from "../parts/chips";
import { COLUMN, type Column, EventTable } from "../parts/event-rows";
import { Search, Select } from "../parts/fields";
import { Filters } from "../parts/filters";
import { Freshness } from "../parts/freshness";
import { EnrollmentUrl, NothingFrom } from "../parts/nothing-from";
import { ProfileSelect } from "../parts/profile-select";
import { Empty, QueryStates } from "../parts/states";
import { Untrusted } from "../parts/untrusted";
import { useChoice, useText } from "../shell/filters";
import { usePlace } from "../shell/place";

const COLUMNS: readonly Column[] = [
  COLUMN.profile,
  COLUMN.device,
  { name: "Kind", className: "c-kind", cell: (event) => kindWords(event.action) },
  COLUMN.outcome,
  {
    name: "Serial",
    className: "c-serial clip whole",
    cell: (event) => <Untrusted text={event.details.serial} none="" />,
  },
];

const OUTCOMES: readonly { value: Outcome | "all"; name: string }[] = [
  { value: "all", name: "All outcomes" },
  { value: "success", name: "Issued" },
  { value: "failure", name: "Refused" },
  { value: "pending", name: "Waiting" },
];

const KIND_OPTIONS = KINDS.map((kind) => ({ value: kind, name: kind }));

export function ActivityTab() {
  const { profile } = usePlace();
  const query = useQuery(activityQuery(profile));
  const [kind, setKind] = useChoice("kind", KIND_OPTIONS, "All");
  const [outcome, setOutcome] = useChoice("outcome", OUTCOMES, "all");
  const [text, setText] = useText();
  const sought = useDeferredValue(text);
  return (
    <>
      <div className="toolbar">
        <Filters active={[kind !== "All", outcome !== "all", profile !== undefined]}>
          <Chips
            label="Kind of enrollment"
            options={KIND_OPTIONS}
            value={kind}
            onChange={setKind}
          />
          <Select label="Outcome" options={OUTCOMES} value={outcome} onChange={setOutcome} />
          <ProfileSelect />
        </Filters>
        <Search
          label="Search device, serial or common name"
          placeholder="Device, serial or common name"
          value={text}
          onChange={setText}
        />
        <Freshness query={query} every={POLL.audit / 1000} />
      </div>
      <QueryStates query={query} what="Recent activity" rows={8}>
        {(events) => (
          <Activity events={events} kind={kind} outcome={outcome} text={sought} profile={profile} />
        )}
      </QueryStates>
    </>
  );
}

interface ActivityProps {
  events: readonly AuditEvent[];
  kind: Kind;
  outcome: Outcome | "all";
  text: string;
  profile: string | undefined;
}

function Activity({ events, kind, outcome, text, profile }: ActivityProps) {
  const shown = useMemo(
    () => filterActivity(events, { kind, outcome, text, profile }),
    [events, kind, outcome, text, profile],
  );
  if (events.length === 0) {
    return profile === undefined ? (
      <Empty title="No enrollment yet">
        <FirstDevice profile="corp" />
      </Empty>
    ) : (
      <NothingFrom profile={profile} tab="activity">
        <p>
          Devices enroll at <EnrollmentUrl profile={profile} />
        </p>
        <FirstDevice profile={profile} />
      </NothingFrom>
    );
  }
  if (shown.length === 0) {
    return (
      <Empty title="No enrollment fits">
        <p>
          Of the last {Math.min(events.length, SHOWN.activity)} enrollments none fits. Choose “All”,
          another outcome, or shorten the search text; Certificates searches everything ever issued.
        </p>
      </Empty>
    );
  }
  return <EventTable caption="Recent enrollments" events={shown} columns={COLUMNS} />;
}

function FirstDevice({ profile }: { profile: string }) {
  const url = `${window.location.origin}${profileUrl(profile)}`;
  return (
    <p>
      Enroll a first device:{" "}
      <code>scepd enroll --url {url} --challenge ... --subject CN=test --out .</code>
    </p>
  );
}
