import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { change } from "../api/client";
import { certificatePath } from "../api/queries";
import type { Certificate, RevocationReason, RevokeReply } from "../api/types";
import { announce } from "../parts/announcer";
import { Cancel, closingOf, Dialog } from "../parts/dialog";
import { Note, Select } from "../parts/fields";
import { ErrorWords } from "../parts/states";
import { ToneMark } from "../parts/tone-mark";
import { Untrusted } from "../parts/untrusted";
import { isOnHold, REASONS } from "./words";

const FOR_GOOD = REASONS.filter(({ value }) => value !== "certificate_hold");

export function RevokeDialog({
  certificate,
  onClose,
}: {
  certificate: Certificate;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const [reason, setReason] = useState<RevocationReason>("unspecified");
  const [note, setNote] = useState("");
  const revoke = useMutation({
    mutationFn: () =>
      change<RevokeReply>(
        "POST",
        `${certificatePath(certificate.issuer_id, certificate.serial)}/revoke`,
        { reason, ...(note.trim() ? { note: note.trim() } : {}) },
      ),
    onSuccess: ({ revoked }) => {
      announce(
        revoked
          ? "The certificate is revoked."
          : "The issuer does not answer. The certificate is revoked as soon as it does.",
      );
      for (const key of ["certificate", "certificates", "timeline"]) {
        void client.invalidateQueries({ queryKey: [key] });
      }
      onClose();
    },
  });
  return (
    <Dialog
      open
      onClose={onClose}
      closing={closingOf(revoke.isPending, note)}
      title="Revoke this certificate?"
      description={
        <>
          <p>
            <strong>
              <Untrusted text={certificate.common_name} none="No common name" />
            </strong>
            , serial{" "}
            <code>
              <Untrusted text={certificate.serial} />
            </code>
          </p>
          <p>
            The device can no longer renew with it, OCSP says that it is revoked, and the next CRL
            lists it.{" "}
            {reason === "certificate_hold"
              ? "It can be released later."
              : "This cannot be undone; the device can enroll anew."}
          </p>
        </>
      }
    >
      <Select
        label="Reason"
        labelled
        options={isOnHold(certificate) ? FOR_GOOD : REASONS}
        value={reason}
        onChange={setReason}
      />
      <Note
        label="Note"
        hint="Kept in the audit, not in the CRL."
        value={note}
        onChange={setNote}
      />
      {revoke.isError && (
        <div className="notice" role="alert" data-tone="bad">
          <ToneMark tone="bad" />
          <p>
            <ErrorWords error={revoke.error} />
          </p>
        </div>
      )}
      <div className="dialog-actions">
        <Cancel onClose={onClose} busy={revoke.isPending} />
        <button
          type="button"
          className="button danger-button"
          aria-disabled={revoke.isPending}
          onClick={() => !revoke.isPending && revoke.mutate()}
        >
          {revoke.isPending ? "Revoking" : "Revoke certificate"}
        </button>
      </div>
    </Dialog>
  );
}
