import { useMutation, useQueryClient } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import type { Challenge } from "../api/types";
import { announce } from "../parts/announcer";
import { ConfirmDialog } from "../parts/confirm-dialog";

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
      answer(api.DELETE("/api/v1/challenges/{id}", { params: { path: { id: challenge.id } } })),
    onSuccess: () => {
      announce("The challenge is withdrawn.");
      void client.invalidateQueries({ queryKey: ["challenges"] });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      onClose={onClose}
      mutation={withdraw}
      action="Withdraw challenge"
      danger
      title="Withdraw this challenge?"
      description={
        <p>
          A device that comes with the challenge <code>{challenge.id}</code> is refused from now on.
        </p>
      }
    />
  );
}
