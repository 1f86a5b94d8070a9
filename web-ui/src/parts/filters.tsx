import { type ReactNode, useId, useState } from "react";

interface FiltersProps {
  /** Which of them narrow the list now. */
  active: readonly boolean[];
  children: ReactNode;
}

/** Filters beside each other; on a phone they fold behind one button that counts the active ones. */
export function Filters({ active, children }: FiltersProps) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const count = active.filter(Boolean).length;
  return (
    <div className="filters" data-open={open}>
      <button
        type="button"
        className="button filters-toggle"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        Filters{count > 0 && <span className="count"> {count}</span>}
      </button>
      <div className="filters-fields" id={id}>
        {children}
      </div>
    </div>
  );
}
