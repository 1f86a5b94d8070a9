import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { change } from "../api/client";
import { certificatePath } from "../api/queries";
import type { Certificate, ReleaseReply } from "../api/types";
import { announce } from "../parts/announcer";
import { Cancel, closingOf, Dialog } from "../parts/dialog";
import { Note } from "../parts/fields";
import { ErrorWords } from "../parts/states";
import { ToneMark } from "../parts/tone-mark";
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
      change<ReleaseReply>(
        "POST",
        `${certificatePath(certificate.issuer_id, certificate.serial)}/release`,
        note.trim() ? { note: note.trim() } : {},
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
    <Dialog
      open
      onClose={onClose}
      closing={closingOf(release.isPending, note)}
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
      {release.isError && (
        <div className="notice" role="alert" data-tone="bad">
          <ToneMark tone="bad" />
          <p>
            <ErrorWords error={release.error} />
          </p>
        </div>
      )}
      <div className="dialog-actions">
        <Cancel onClose={onClose} busy={release.isPending} />
        <button
          type="button"
          className="button primary"
          aria-disabled={release.isPending}
          onClick={() => !release.isPending && release.mutate()}
        >
          {release.isPending ? "Releasing" : "Release certificate"}
        </button>
      </div>
    </Dialog>
  );
}
