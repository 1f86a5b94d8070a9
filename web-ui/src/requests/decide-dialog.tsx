import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { change } from "../api/client";
import type { DecisionReply, PendingRequest } from "../api/types";
import { announce } from "../parts/announcer";
import { Cancel, closingOf, Dialog } from "../parts/dialog";
import { Note } from "../parts/fields";
import { ErrorWords } from "../parts/states";
import { ToneMark } from "../parts/tone-mark";
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
      change<DecisionReply>(
        "POST",
        `/api/v1/admin/scep/requests/${encodeURIComponent(request.id)}/${verdict}`,
        note.trim() ? { note: note.trim() } : {},
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
    <Dialog
      open
      onClose={onClose}
      closing={closingOf(decide.isPending, note)}
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
      {decide.isError && (
        <div className="notice" role="alert" data-tone="bad">
          <ToneMark tone="bad" />
          <p>
            <ErrorWords error={decide.error} />
          </p>
        </div>
      )}
      <div className="dialog-actions">
        <Cancel onClose={onClose} busy={decide.isPending} />
        <button
          type="button"
          className={verdict === "deny" ? "button danger-button" : "button primary"}
          aria-disabled={decide.isPending}
          onClick={() => !decide.isPending && decide.mutate()}
        >
          {words.action}
        </button>
      </div>
    </Dialog>
  );
}
