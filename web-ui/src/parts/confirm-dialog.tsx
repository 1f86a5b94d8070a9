import type { UseMutationResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Cancel, closingOf, Dialog } from "./dialog";
import { Refusal } from "./states";

interface ConfirmDialogProps<T> {
  title: ReactNode;
  /** What it is about and what will happen; said by screen readers when the dialog opens. */
  description: ReactNode;
  /** What is to be done. */
  mutation: UseMutationResult<T, Error, void>;
  /** The word on the button, as things stand. */
  action: string;
  /** Whether it cannot be undone. */
  danger?: boolean;
  /** What was typed: it is not lost by a slip. */
  note?: string;
  /** What a refusal means, before the server's own words. */
  refused?: string;
  onClose: () => void;
  /** Fields, between the question and the buttons. */
  children?: ReactNode;
}

/** Asks before something is done, does it, and stays open with the error when it is refused. */
export function ConfirmDialog<T>({
  title,
  description,
  mutation,
  action,
  danger = false,
  note = "",
  refused,
  onClose,
  children,
}: ConfirmDialogProps<T>) {
  const { isPending, isError, error, mutate } = mutation;
  return (
    <Dialog
      open
      onClose={onClose}
      closing={closingOf(isPending, note)}
      title={title}
      description={description}
    >
      {children}
      {isError && <Refusal error={error} {...(refused ? { before: refused } : {})} />}
      <div className="dialog-actions">
        <Cancel onClose={onClose} busy={isPending} />
        <button
          type="button"
          className={danger ? "button danger-button" : "button primary"}
          aria-disabled={isPending}
          onClick={() => !isPending && mutate()}
        >
          {action}
        </button>
      </div>
    </Dialog>
  );
}
