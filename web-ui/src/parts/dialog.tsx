import * as Radix from "@radix-ui/react-dialog";
import { type ReactNode, useState } from "react";

interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  /** Said by screen readers when the dialog opens. */
  description: ReactNode;
  children?: ReactNode;
  /** A dialog asks in the middle; a sheet shows at the side. */
  shape?: "dialog" | "sheet";
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
}: DialogProps) {
  // There is no Radix trigger to give the focus back to: dialogs open from rows and links.
  const [opener] = useState(() => document.activeElement);
  return (
    <Radix.Root open={open} onOpenChange={(now) => !now && onClose()}>
      <Radix.Portal>
        <div className="scrim" aria-hidden="true" />
        <Radix.Content
          className={shape}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            if (opener instanceof HTMLElement) opener.focus();
          }}
        >
          <header className="dialog-head">
            <Radix.Title className="dialog-title">{title}</Radix.Title>
            <Radix.Close className="button plain close" aria-label="Close">
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
