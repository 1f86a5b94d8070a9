import { useMutation, useQueryClient } from "@tanstack/react-query";
import { change } from "../api/client";
import type { Challenge } from "../api/types";
import { announce } from "../parts/announcer";
import { Cancel, closingOf, Dialog } from "../parts/dialog";
import { ErrorWords } from "../parts/states";
import { ToneMark } from "../parts/tone-mark";

/** Asks before a challenge is withdrawn. */
export function WithdrawDialog({
  challenge,
  onClose,
}: {
  challenge: Challenge;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const withdraw = useMutation({
    mutationFn: () =>
      change<Challenge>("DELETE", `/api/v1/challenges/${encodeURIComponent(challenge.id)}`),
    onSuccess: () => {
      announce("The challenge is withdrawn.");
      void client.invalidateQueries({ queryKey: ["challenges"] });
      onClose();
    },
  });
  return (
    <Dialog
      open
      onClose={onClose}
      closing={closingOf(withdraw.isPending)}
      title="Withdraw this challenge?"
      description={
        <p>
          A device that comes with the challenge <code>{challenge.id}</code> is refused from now on.
        </p>
      }
    >
      {withdraw.isError && (
        <div className="notice" role="alert" data-tone="bad">
          <ToneMark tone="bad" />
          <p>
            <ErrorWords error={withdraw.error} />
          </p>
        </div>
      )}
      <div className="dialog-actions">
        <Cancel onClose={onClose} busy={withdraw.isPending} />
        <button
          type="button"
          className="button danger-button"
          aria-disabled={withdraw.isPending}
          onClick={() => !withdraw.isPending && withdraw.mutate()}
        >
          Withdraw challenge
        </button>
      </div>
    </Dialog>
  );
}
