import { useQuery } from "@tanstack/react-query";
import { intuneEventsQuery, POLL } from "../api/queries";
import { reasonMeaning } from "../model/counters";
import { COLUMN, type Column, EventTable } from "../parts/event-rows";
import { Switch } from "../parts/fields";
import { Freshness } from "../parts/freshness";
import { Empty, QueryStates } from "../parts/states";
import { Untrusted } from "../parts/untrusted";
import { useChoice } from "../shell/filters";

const COLUMNS: readonly Column[] = [
  COLUMN.profile,
  COLUMN.device,
  COLUMN.outcome,
  {
    name: "Reason",
    className: "c-reason clip whole",
    cell: ({ details }) => (
      <Untrusted text={details.message ?? reasonMeaning(details.reason)} none="" />
    ),
  },
];

const OUTCOMES = [{ value: "failure" }, { value: "all" }] as const;

/** The last refused Intune enrollments, or all of them. */
export function RecentFailures({ profile }: { profile: string | undefined }) {
  const [outcome, setOutcome] = useChoice("outcome", OUTCOMES, "failure");
  const all = outcome === "all";
  const query = useQuery(intuneEventsQuery(all, profile));
  return (
    <section className="section" aria-labelledby="recent-failures">
      <div className="toolbar">
        <h2 id="recent-failures" tabIndex={-1} data-home>
          Recent failures
        </h2>
        <Switch
          label="Show all outcomes"
          on={all}
          onChange={(on) => setOutcome(on ? "all" : "failure")}
        />
        <Freshness query={query} every={POLL.audit / 1000} />
      </div>
      <QueryStates query={query} what="Recent failures">
        {(events) =>
          events.length === 0 ? (
            all ? (
              <Empty title="No Intune enrollment yet">
                <p>Assign a SCEP certificate profile in Intune; what devices send appears here.</p>
              </Empty>
            ) : (
              <Empty title="No Intune enrollment was refused">
                <p>Turn on “Show all outcomes” to see those that passed.</p>
              </Empty>
            )
          ) : (
            <EventTable
              caption={all ? "Recent Intune enrollments" : "Recently refused Intune enrollments"}
              events={events}
              columns={COLUMNS}
            />
          )
        }
      </QueryStates>
    </section>
  );
}
