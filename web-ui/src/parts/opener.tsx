interface OpenerProps {
  open: boolean;
  /** The id of what it opens. */
  controls: string;
  label: string;
  onToggle: () => void;
}

/** Opens a row of a list and folds it again. */
export function Opener({ open, controls, label, onToggle }: OpenerProps) {
  return (
    <button
      type="button"
      className="opener"
      aria-expanded={open}
      aria-controls={controls}
      aria-label={label}
      onClick={onToggle}
    >
      <svg viewBox="0 0 12 12" aria-hidden="true" focusable="false">
        <path d="M4 2l4 4-4 4" />
      </svg>
    </button>
  );
}
