import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../api/client";
import type { Certificate } from "../api/types";
import { announce } from "../parts/announcer";
import { ConfirmDialog } from "../parts/confirm-dialog";
import { Note } from "../parts/fields";
import { Untrusted } from "../parts/untrusted";

export function ReleaseDialog({
  certificate,
  onClose,
}: {
  certificate: Certificate;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const [note, setNote] = useState("");
  const release = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/api/v1/admin/certificates/{issuer_id}/{serial}/release", {
          params: { path: { issuer_id: certificate.issuer_id, serial: certificate.serial } },
          body: note.trim() ? { note: note.trim() } : {},
        }),
      ),
    onSuccess: () => {
      announce("The certificate is released.");
      for (const key of ["certificate", "certificates", "timeline"]) {
        void client.invalidateQueries({ queryKey: [key] });
      }
      onClose();
    },
  });
  return (
    <ConfirmDialog
      onClose={onClose}
      mutation={release}
      action={release.isPending ? "Releasing" : "Release certificate"}
      note={note}
      title="Release this certificate?"
      description={
        <p>
          <strong>
            <Untrusted text={certificate.common_name} none="No common name" />
          </strong>{" "}
          is good again at once, and the next CRL does not list it.
        </p>
      }
    >
      <Note label="Note" hint="Kept in the audit." value={note} onChange={setNote} />
    </ConfirmDialog>
  );
}
