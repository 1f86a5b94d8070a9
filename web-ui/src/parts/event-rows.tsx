import { memo, useId, useState } from "react";
import type { AuditEvent, Outcome } from "../api/types";
import { deviceName, deviceNote } from "../model/audit";
import { reasonName, reasonTone } from "../model/counters";
import { plain } from "../model/text";
import type { Tone } from "../model/tone";
import { Badge } from "./badge";
import { EventDetail } from "./event-detail";
import { ProfileName } from "./links";
import { Opener } from "./opener";
import { Untrusted } from "./untrusted";
import { Ago } from "./when";

const OUTCOMES: Readonly<Record<Outcome, { tone: Tone; name: string }>> = {
  success: { tone: "good", name: "Issued" },
  failure: { tone: "bad", name: "Refused" },
  pending: { tone: "warn", name: "Waiting" },
};

/** The outcome of an event: for a refusal, the reason's name. */
export function OutcomeBadge({ event }: { event: AuditEvent }) {
  const { outcome, reason } = event.details;
  if (!outcome) return <Badge tone="quiet">Recorded</Badge>;
  if (outcome === "failure" && reason) {
    return <Badge tone={reasonTone(reason)}>{reasonName(reason)}</Badge>;
  }
  const { tone, name } = OUTCOMES[outcome];
  return <Badge tone={tone}>{name}</Badge>;
}

/** Who an event is about; below the name what the challenge adds to it. */
function DeviceCell({ event }: { event: AuditEvent }) {
  const { id, askedFor, unverified } = deviceNote(event);
  return (
    <>
      <span className="device-name">
        <Untrusted text={deviceName(event)} />
      </span>
      {(id || askedFor || unverified) && (
        <span className="device-note">
          {askedFor && (
            <span className="asked-for">
              asked for <Untrusted text={askedFor} />
            </span>
          )}
          {unverified && "unverified challenge "}
          {id && <Untrusted text={id} />}
        </span>
      )}
    </>
  );
}

export interface Column {
  name: string;
  className: string;
  cell: (event: AuditEvent) => React.ReactNode;
}

interface EventRowProps {
  event: AuditEvent;
  columns: readonly Column[];
}

/** One event; opening it shows everything it holds below. */
export const EventRow = memo(function EventRow({ event, columns }: EventRowProps) {
  const [open, setOpen] = useState(false);
  const id = useId();
  return (
    <>
      <tr className="event" data-open={open}>
        <td className="c-open">
          <Opener
            open={open}
            controls={id}
            label={`Details of ${plain(deviceName(event)).slice(0, 80)}`}
            onToggle={() => setOpen(!open)}
          />
        </td>
        <td className="c-time">
          <Ago time={event.timestamp} />
        </td>
        {columns.map((column) => (
          <td key={column.name} className={column.className}>
            {column.cell(event)}
          </td>
        ))}
      </tr>
      {open && (
        <tr className="event-detail" id={id}>
          <td className="whole" colSpan={columns.length + 2}>
            <EventDetail event={event} />
          </td>
        </tr>
      )}
    </>
  );
});

interface EventTableProps {
  caption: string;
  events: readonly AuditEvent[];
  columns: readonly Column[];
}

/** Events as a table whose columns keep their width whatever is in them. */
export function EventTable({ caption, events, columns }: EventTableProps) {
  return (
    <div className="table-frame">
      <table className="events stacks">
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col" className="c-open">
              <span className="visually-hidden">Details</span>
            </th>
            <th scope="col" className="c-time">
              Time
            </th>
            {columns.map((column) => (
              <th key={column.name} scope="col" className={column.className}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <EventRow key={event.id} event={event} columns={columns} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Columns that several tables have. */
export const COLUMN = {
  profile: {
    name: "Profile",
    className: "c-profile",
    cell: (event) => <ProfileName pathId={event.details.profile} />,
  },
  device: {
    name: "Device",
    className: "c-device clip whole",
    cell: (event) => <DeviceCell event={event} />,
  },
  outcome: {
    name: "Outcome",
    className: "c-outcome",
    cell: (event) => <OutcomeBadge event={event} />,
  },
} as const satisfies Record<string, Column>;
