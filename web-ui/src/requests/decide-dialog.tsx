import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../api/client";
import type { PendingRequest } from "../api/types";
import { announce } from "../parts/announcer";
import { ConfirmDialog } from "../parts/confirm-dialog";
import { Note } from "../parts/fields";
import { Untrusted } from "../parts/untrusted";

export type Verdict = "approve" | "deny";

const WORDS = {
  approve: {
    title: "Approve this request?",
    effect:
      "Policy is applied again and the certificate is issued now. The device fetches it the next time it asks.",
    action: "Approve request",
    done: "The request is approved.",
  },
  deny: {
    title: "Deny this request?",
    effect: "The device is refused the next time it asks. It may ask again with a new request.",
    action: "Deny request",
    done: "The request is denied.",
  },
} as const;

interface DecideDialogProps {
  request: PendingRequest;
  verdict: Verdict;
  onClose: () => void;
}

export function DecideDialog({ request, verdict, onClose }: DecideDialogProps) {
  const client = useQueryClient();
  const [note, setNote] = useState("");
  const words = WORDS[verdict];
  const decide = useMutation({
    mutationFn: () =>
      answer(
        api.POST(`/api/v1/admin/scep/requests/{id}/${verdict}`, {
          params: { path: { id: request.id } },
          body: note.trim() ? { note: note.trim() } : {},
        }),
      ),
    onSuccess: () => {
      announce(words.done);
      for (const key of ["requests", "timeline"]) {
        void client.invalidateQueries({ queryKey: [key] });
      }
      onClose();
    },
  });
  return (
    <ConfirmDialog
      onClose={onClose}
      mutation={decide}
      action={words.action}
      danger={verdict === "deny"}
      note={note}
      title={words.title}
      description={
        <>
          <p>
            <strong>
              <Untrusted text={request.common_name || request.subject} none="No name" />
            </strong>
          </p>
          <p>{words.effect}</p>
        </>
      }
    >
      <Note
        label="Note"
        hint="Kept in the audit beside your name."
        value={note}
        onChange={setNote}
      />
    </ConfirmDialog>
  );
}
