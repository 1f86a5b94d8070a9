import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../api/client";
import type { Certificate, RevocationReason } from "../api/types";
import { announce } from "../parts/announcer";
import { ConfirmDialog } from "../parts/confirm-dialog";
import { Note, Select } from "../parts/fields";
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
      answer(
        api.POST("/api/v1/admin/certificates/{issuer_id}/{serial}/revoke", {
          params: { path: { issuer_id: certificate.issuer_id, serial: certificate.serial } },
          body: { reason, ...(note.trim() ? { note: note.trim() } : {}) },
        }),
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
    <ConfirmDialog
      onClose={onClose}
      mutation={revoke}
      action={revoke.isPending ? "Revoking" : "Revoke certificate"}
      danger
      note={note}
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
    </ConfirmDialog>
  );
}
