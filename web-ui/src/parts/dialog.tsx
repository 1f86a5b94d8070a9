import * as Radix from "@radix-ui/react-dialog";
import { type ReactNode, useRef, useState } from "react";
import { focusFirst, homeOf } from "./focus";

/**
 * How a dialog may be closed: `freely` also by a press beside it; `on purpose` by Escape and its
 * buttons, so that what was typed is not lost by a slip; `by button` where what it shows cannot be
 * shown again; `not now` while the server works, whose answer belongs here.
 */
export type Closing = "freely" | "on purpose" | "by button" | "not now";

interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  /** Said by screen readers when the dialog opens. */
  description: ReactNode;
  children?: ReactNode;
  /** A dialog asks in the middle; a sheet shows at the side. */
  shape?: "dialog" | "sheet";
  closing?: Closing;
}

/** To whom an open dialog gives the focus back, the nearest first. */
const heirs = new WeakMap<Element, readonly Element[]>();

/** What has the focus as a dialog opens, and what stands in for it should it be gone by then. */
function openers(): readonly Element[] {
  const opener = document.activeElement;
  if (!opener || opener === document.body) return [];
  // One dialog may open another in its place: then the first one's opener is meant.
  const host = opener.closest("[role=dialog]");
  const behind = host ? (heirs.get(host) ?? []) : [];
  const home = host ? undefined : homeOf(opener);
  return [opener, ...(home ? [home] : []), ...behind];
}

/**
 * A dialog that keeps the focus, closes on Escape and on a press beside it, and gives the focus
 * back. Radix's own overlay is not used: it writes a style element, which the page's
 * Content-Security-Policy forbids.
 */
export function Dialog({
  open,
  onClose,
  title,
  description,
  children,
  shape = "dialog",
  closing = "freely",
}: DialogProps) {
  // There is no Radix trigger to give the focus back to: dialogs open from rows and links.
  const [wishes] = useState(openers);
  const left = useRef(false);
  const close = () => {
    if (closing === "not now" || left.current) return;
    // A sheet closes by going back, which takes a moment: one Escape is one step.
    if (shape === "sheet") left.current = true;
    onClose();
  };
  return (
    <Radix.Root open={open} onOpenChange={(now) => !now && close()}>
      <Radix.Portal>
        <div className="scrim" aria-hidden="true" />
        <Radix.Content
          ref={(element) => {
            if (element) heirs.set(element, wishes);
          }}
          className={shape}
          onEscapeKeyDown={(event) => {
            if (closing === "by button") event.preventDefault();
          }}
          onInteractOutside={(event) => {
            if (closing !== "freely") event.preventDefault();
          }}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            focusFirst(wishes);
          }}
        >
          <header className="dialog-head">
            <Radix.Title className="dialog-title">{title}</Radix.Title>
            <Radix.Close
              className="button plain close"
              aria-label="Close"
              aria-disabled={closing === "not now"}
            >
              <svg viewBox="0 0 12 12" aria-hidden="true" focusable="false">
                <path d="M2 2 10 10M10 2 2 10" />
              </svg>
            </Radix.Close>
          </header>
          <Radix.Description asChild>
            <div className="dialog-description">{description}</div>
          </Radix.Description>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

interface CancelProps {
  onClose: () => void;
  /** While the server works there is nothing to call off. */
  busy?: boolean;
}

/** Leaves a dialog without doing what it asks. */
export function Cancel({ onClose, busy = false }: CancelProps) {
  return (
    <button
      type="button"
      className="button"
      aria-disabled={busy}
      onClick={() => {
        if (!busy) onClose();
      }}
    >
      Cancel
    </button>
  );
}

/** How a question may be closed: not while it is being done, and not by a slip once it has a note. */
export function closingOf(busy: boolean, note = ""): Closing {
  if (busy) return "not now";
  return note.trim() ? "on purpose" : "freely";
}
