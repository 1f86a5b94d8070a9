import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { answer, api } from "../api/client";
import type { BulkReply, BulkRequest, CertificateSelection, RevocationReason } from "../api/types";
import { profileName } from "../model/text";
import { announce } from "../parts/announcer";
import { Cancel, closingOf, Dialog } from "../parts/dialog";
import { Note, Select } from "../parts/fields";
import { ErrorWords } from "../parts/states";
import { ToneMark } from "../parts/tone-mark";
import { Untrusted } from "../parts/untrusted";
import { countOf, REASONS } from "./words";

const ACTIONS = [
  { value: "revoke", name: "Revoke" },
  { value: "release", name: "Release from hold" },
] as const;

type Action = (typeof ACTIONS)[number]["value"];

interface BulkDialogProps {
  /** What the list is narrowed to. */
  q: string;
  profile: string | undefined;
  onClose: () => void;
}

/** Revokes many certificates, or releases them, after a preview that counts them. */
export function BulkDialog({ q, profile, onClose }: BulkDialogProps) {
  const client = useQueryClient();
  const [action, setAction] = useState<Action>("revoke");
  const [reason, setReason] = useState<RevocationReason>("unspecified");
  const [note, setNote] = useState("");
  const [since, setSince] = useState("");
  const [before, setBefore] = useState("");
  const [serials, setSerials] = useState("");
  const selection: CertificateSelection = {
    ...(q ? { q } : {}),
    ...(profile === undefined ? {} : { profile }),
    ...(since ? { issued_since: startOf(since) } : {}),
    ...(before ? { issued_before: startOf(before) } : {}),
    ...(serials.trim() ? { serials: serials.split(/[\s,;]+/).filter(Boolean) } : {}),
  };
  const order: BulkRequest = {
    action,
    selection,
    ...(action === "revoke" ? { reason } : {}),
    ...(note.trim() ? { note: note.trim() } : {}),
  };
  const look = useMutation({ mutationFn: (order: BulkRequest) => send(order) });
  const act = useMutation({
    mutationFn: (order: BulkRequest) => send(order),
    onSuccess: (done) => {
      announce(`${countOf(done.count)} changed.`);
      for (const key of ["certificate", "certificates", "timeline"]) {
        void client.invalidateQueries({ queryKey: [key] });
      }
    },
  });
  const busy = look.isPending || act.isPending;
  const preview = look.data;
  if (act.data) {
    return <Changed order={order} done={act.data} onClose={onClose} />;
  }
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!busy) look.mutate(order);
  };
  /** What was counted is not what is asked for any more. */
  const other = <T,>(put: (value: T) => void) => {
    return (value: T) => {
      look.reset();
      act.reset();
      put(value);
    };
  };
  return (
    <Dialog
      open
      onClose={onClose}
      closing={closingOf(busy, note + serials)}
      title="Change many certificates"
      description={
        <p>{described(q, profile)} All that the preview counts are changed in one step, or none.</p>
      }
    >
      <form onSubmit={submit}>
        <Select
          label="What to do"
          labelled
          options={ACTIONS}
          value={action}
          onChange={other(setAction)}
        />
        {action === "revoke" && (
          <Select
            label="Reason"
            labelled
            options={REASONS}
            value={reason}
            onChange={other(setReason)}
          />
        )}
        <div className="field-pair">
          <Day label="Issued from (UTC)" value={since} onChange={other(setSince)} />
          <Day label="Issued before (UTC)" value={before} onChange={other(setBefore)} />
        </div>
        <Serials value={serials} onChange={other(setSerials)} />
        <Note
          label="Note"
          hint="Kept in the audit, not in the CRL."
          value={note}
          onChange={setNote}
        />
        {preview && <Preview preview={preview} />}
        {[look, act].map(
          (step, n) =>
            step.isError && (
              <div className="notice" role="alert" data-tone="bad" key={n === 0 ? "look" : "act"}>
                <ToneMark tone="bad" />
                <p>
                  <ErrorWords error={step.error} />
                </p>
              </div>
            ),
        )}
        <div className="dialog-actions">
          <Cancel onClose={onClose} busy={busy} />
          <button type="submit" className="button" aria-disabled={busy}>
            {look.isPending ? "Counting" : "Preview"}
          </button>
          {preview && preview.count > 0 && (
            <button
              // On a small screen it appears below what is seen.
              ref={(button) => button?.scrollIntoView?.({ block: "nearest" })}
              type="button"
              className={action === "revoke" ? "button danger-button" : "button primary"}
              aria-disabled={busy}
              onClick={() => !busy && act.mutate({ ...order, expected: preview.count })}
            >
              {action === "revoke" ? "Revoke" : "Release"} {countOf(preview.count)}
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}

function send(order: BulkRequest): Promise<BulkReply> {
  return answer(api.POST("/api/v1/admin/certificates/bulk", { body: order }));
}

function startOf(day: string): string {
  return `${day}T00:00:00Z`;
}

function described(q: string, profile: string | undefined): string {
  const parts = [
    ...(q ? [`the text “${q}”`] : []),
    ...(profile === undefined ? [] : [`profile ${profileName(profile)}`]),
  ];
  return parts.length > 0
    ? `Of certificates with ${parts.join(" and ")}, as the list is narrowed.`
    : "Say which below; the list's search and profile narrow it as well.";
}

function Day(props: { label: string; value: string; onChange: (value: string) => void }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{props.label}</label>
      <input
        id={id}
        type="date"
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
      />
    </div>
  );
}

function Serials({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const id = useId();
  return (
    <div className="field note">
      <label htmlFor={id}>Serial numbers</label>
      <textarea
        id={id}
        rows={2}
        spellCheck={false}
        value={value}
        aria-describedby={`${id}-hint`}
        onChange={(event) => onChange(event.target.value)}
      />
      <p className="hint" id={`${id}-hint`}>
        Hex, apart by blanks, commas or lines; at most 1,000. Empty: any.
      </p>
    </div>
  );
}

function Preview({ preview }: { preview: BulkReply }) {
  if (preview.count === 0) {
    return (
      <p className="preview" role="status">
        No certificate would be changed.
      </p>
    );
  }
  const more = preview.count - preview.newest.length;
  return (
    <section className="preview" aria-label="Preview">
      <p role="status">
        <strong>{countOf(preview.count)}</strong> would be changed:{" "}
        {preview.profiles
          .map(({ profile, count }) => `${count.toLocaleString()} of ${profileName(profile)}`)
          .join(", ")}
        .
      </p>
      <ul>
        {preview.newest.map((certificate) => (
          <li key={`${certificate.issuer_id}/${certificate.serial}`}>
            <Untrusted text={certificate.common_name} none="no common name" />
          </li>
        ))}
        {more > 0 && <li>and {more.toLocaleString()} more</li>}
      </ul>
      {preview.ordered > 0 && <p>{orderedWords(preview.ordered)}</p>}
    </section>
  );
}

function orderedWords(ordered: number): string {
  return `${countOf(ordered)} of issuers elsewhere: each is revoked as soon as its issuer has answered.`;
}

interface ChangedProps {
  order: BulkRequest;
  done: BulkReply;
  onClose: () => void;
}

/** What was done; a hold can be taken back here. */
function Changed({ order, done, onClose }: ChangedProps) {
  const client = useQueryClient();
  const held = order.action === "revoke" && order.reason === "certificate_hold";
  const undo = useMutation({
    mutationFn: () =>
      send({
        action: "release",
        selection: { ...(done.at ? { revoked_at: done.at } : {}) },
        note: "taken back",
        expected: done.count,
      }),
    onSuccess: (released) => {
      announce(`${countOf(released.count)} released.`);
      void client.invalidateQueries({ queryKey: ["certificates"] });
      onClose();
    },
  });
  return (
    <Dialog
      open
      onClose={onClose}
      closing={closingOf(undo.isPending)}
      title={order.action === "release" ? "Released" : held ? "Put on hold" : "Revoked"}
      description={
        <p>
          {countOf(done.count)} changed. OCSP says so now, and the next CRL within a second or two.
          {done.ordered > 0 && ` ${orderedWords(done.ordered)}`}
        </p>
      }
    >
      {undo.isError && (
        <div className="notice" role="alert" data-tone="bad">
          <ToneMark tone="bad" />
          <p>
            <ErrorWords error={undo.error} />
          </p>
        </div>
      )}
      <div className="dialog-actions">
        {held && (
          <button
            type="button"
            className="button"
            aria-disabled={undo.isPending}
            onClick={() => !undo.isPending && undo.mutate()}
          >
            Take back
          </button>
        )}
        <button type="button" className="button primary" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
