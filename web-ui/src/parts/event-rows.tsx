import { memo, useId, useState } from "react";
import type { AuditEvent, Outcome } from "../api/types";
import { deviceName } from "../model/audit";
import { reasonName } from "../model/counters";
import { plain } from "../model/text";
import type { Tone } from "../model/tone";
import { Badge } from "./badge";
import { EventDetail } from "./event-detail";
import { ProfileName } from "./links";
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
  const { tone, name } = OUTCOMES[outcome];
  return <Badge tone={tone}>{outcome === "failure" && reason ? reasonName(reason) : name}</Badge>;
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
          <button
            type="button"
            className="opener"
            aria-expanded={open}
            aria-controls={id}
            aria-label={`Details of ${plain(deviceName(event)).slice(0, 80)}`}
            onClick={() => setOpen(!open)}
          >
            <svg viewBox="0 0 12 12" aria-hidden="true" focusable="false">
              <path d="M4 2l4 4-4 4" />
            </svg>
          </button>
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
    cell: (event) => <Untrusted text={deviceName(event)} />,
  },
  outcome: {
    name: "Outcome",
    className: "c-outcome",
    cell: (event) => <OutcomeBadge event={event} />,
  },
} as const satisfies Record<string, Column>;
