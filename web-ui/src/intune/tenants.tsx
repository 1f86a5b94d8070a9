import type { UseQueryResult } from "@tanstack/react-query";
import { useId, useState } from "react";
import { POLL } from "../api/queries";
import type { TenantStatus, TenantsReply } from "../api/types";
import { profileName } from "../model/text";
import type { Tone } from "../model/tone";
import { Badge, Countdown } from "../parts/badge";
import { Fact, Facts } from "../parts/facts";
import { Freshness } from "../parts/freshness";
import { Next } from "../parts/next";
import { ToneMark } from "../parts/tone-mark";
import { Untrusted } from "../parts/untrusted";
import { Ago } from "../parts/when";
import { type Decided, DecideRevocations } from "./decide-revocations";

interface TenantsProps {
  tenants: readonly TenantStatus[];
  query: UseQueryResult<TenantsReply>;
}

/** The tenants whose service is asked about challenges, those in trouble first. */
export function Tenants({ tenants, query }: TenantsProps) {
  const [deciding, setDeciding] = useState<Decided>();
  const ordered = [...tenants].sort((a, b) => Number(needs(b)) - Number(needs(a)));
  return (
    <section className="section" aria-labelledby="tenants">
      <div className="toolbar">
        <h2 id="tenants" tabIndex={-1} data-home>
          Tenants
        </h2>
        <Freshness query={query} every={POLL.intune / 1000} />
      </div>
      <ul className="cards wide">
        {ordered.map((tenant) => (
          <li key={tenant.id}>
            <TenantCard tenant={tenant} onDecide={setDeciding} />
          </li>
        ))}
      </ul>
      {deciding && <DecideRevocations {...deciding} onClose={() => setDeciding(undefined)} />}
    </section>
  );
}

function needs(tenant: TenantStatus): boolean {
  return tenant.trouble !== undefined || tenant.revocations?.held_since !== undefined;
}

/** How it stands in a word. */
function standing({ trouble, last_success }: TenantStatus): [Tone, string] {
  if (trouble) return trouble.lasting ? ["bad", "Needs mending"] : ["warn", "Not reachable"];
  return last_success ? ["good", "Reachable"] : ["quiet", "Not asked yet"];
}

/** How often each code came in the hours that are known, the most frequent first. */
function sums(tenant: TenantStatus): [string, number][] {
  const all = new Map<string, number>();
  for (const hour of tenant.codes) {
    for (const [code, count] of Object.entries(hour.codes)) {
      all.set(code, (all.get(code) ?? 0) + count);
    }
  }
  return [...all].sort((a, b) => b[1] - a[1]);
}

interface TenantCardProps {
  tenant: TenantStatus;
  onDecide: (what: Decided) => void;
}

function TenantCard({ tenant, onDecide }: TenantCardProps) {
  const heading = useId();
  const [tone, word] = standing(tenant);
  const { trouble, revocations } = tenant;
  return (
    <article className="card intune tenant" aria-labelledby={heading}>
      <header className="card-head">
        <h3 id={heading} className="profile-name">
          {tenant.id}
        </h3>
        <Badge tone={tone}>{word}</Badge>
      </header>
      {trouble && (
        <div className="notice" role="alert" data-tone={tone}>
          <ToneMark tone={tone} />
          <p>
            <Untrusted text={trouble.message} />
            <br />
            Since <Ago time={trouble.since} />.
          </p>
        </div>
      )}
      <TenantFacts tenant={tenant} />
      {tenant.resting_profiles.length > 0 && (
        <Next>
          {tenant.resting_profiles.map(profileName).join(", ")} did not get an answer to the last
          calls: Intune is asked again after half a minute. Devices wait meanwhile.
        </Next>
      )}
      {revocations?.held_since && <Held tenant={tenant} onDecide={onDecide} />}
    </article>
  );
}

function TenantFacts({ tenant }: { tenant: TenantStatus }) {
  const { revocations, sweep, credential_expires: ends, credential_days_to_expiry: days } = tenant;
  const codes = sums(tenant);
  return (
    <Facts>
      <Fact name="Tenant">
        <code className="path">{tenant.tenant}</code>
      </Fact>
      <Fact name="App">
        <code className="path">{tenant.client_id || "given by Azure"}</code>
      </Fact>
      <Fact name="Profiles">{tenant.profiles.map(profileName).join(", ") || "none"}</Fact>
      <Fact name="Last answer">
        {tenant.last_success ? <Ago time={tenant.last_success} /> : "none yet"}
      </Fact>
      <Fact name="Credential">
        <span className="badges">
          {tenant.credential.replaceAll("_", " ")}
          {ends !== undefined && days !== undefined && (
            <Countdown days={days} expired={days < 0} notAfter={ends} />
          )}
        </span>
      </Fact>
      <Fact name="Last token">
        {tenant.token_issued ? <Ago time={tenant.token_issued} /> : "none yet"}
      </Fact>
      <Fact name="Circuit">
        {tenant.resting_profiles.length > 0 ? (
          <Badge tone="bad">Open</Badge>
        ) : (
          <Badge tone="good">Closed</Badge>
        )}
      </Fact>
      <Fact name="Wait for notification">
        <span className="number">{tenant.notifications_waiting.toLocaleString()}</span>{" "}
        {tenant.notifications_waiting === 1 ? "certificate" : "certificates"}
      </Fact>
      {revocations && (
        <Fact name="Revocations">
          {revocations.waiting === 0 ? "none waiting" : `${revocations.waiting} waiting`}
          {", "}
          {revocations.last_asked ? (
            <>
              asked <Ago time={revocations.last_asked} />
            </>
          ) : (
            "not asked yet"
          )}
        </Fact>
      )}
      {sweep && (
        <Fact name="Device sweep">
          {sweep.certificates.toLocaleString()} certificates looked at <Ago time={sweep.at} />:{" "}
          {sweep.gone.toLocaleString()} gone, {sweep.on_hold.toLocaleString()} on hold
        </Fact>
      )}
      <Fact name="Codes of 48 hours">
        {codes.map(([code, count]) => `${code} ${count.toLocaleString()}`).join(", ") || "none"}
      </Fact>
    </Facts>
  );
}

/** How many of the certificates of a held batch are named. */
const NAMED = 10;

/** What Intune wants revoked, and an admin has to decide on. */
function Held({ tenant, onDecide }: TenantCardProps) {
  const { waiting = 0, held = [], held_since } = tenant.revocations ?? {};
  const named = held.slice(0, NAMED);
  return (
    <section className="notice held" data-tone="bad" aria-label="Revocations that are held">
      <ToneMark tone="bad" />
      <div>
        <p>
          Intune wants <strong>{waiting.toLocaleString()}</strong>{" "}
          {waiting === 1 ? "certificate" : "certificates"} revoked, more than this tenant's limit
          for a day. They are held
          {held_since && (
            <>
              , since <Ago time={held_since} />
            </>
          )}
          . An edit of a SCEP profile in Intune queues every certificate of it.
        </p>
        <ul className="held-names">
          {named.map((one) => (
            <li key={one.serial}>
              <Untrusted text={one.common_name || one.serial} />
            </li>
          ))}
          {waiting > named.length && <li>and {(waiting - named.length).toLocaleString()} more</li>}
        </ul>
        <div className="held-actions">
          <button
            type="button"
            className="button small danger-button"
            onClick={() => onDecide({ tenant, word: "release" })}
          >
            Revoke them<span className="visually-hidden"> for {tenant.id}</span>
          </button>
          <button
            type="button"
            className="button small"
            onClick={() => onDecide({ tenant, word: "refuse" })}
          >
            Keep them<span className="visually-hidden"> for {tenant.id}</span>
          </button>
        </div>
      </div>
    </section>
  );
}
