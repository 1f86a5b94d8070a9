import type { ReactNode } from "react";

/** What to do first about something that is not good. */
export function Next({ children }: { children: ReactNode }) {
  return (
    <p className="next">
      <strong>Next:</strong> {children}
    </p>
  );
}
