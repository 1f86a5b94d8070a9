import { useId } from "react";

interface SearchProps {
  label: string;
  placeholder: string;
  value: string;
  onChange: (value: string) => void;
}

export function Search({ label, placeholder, value, onChange }: SearchProps) {
  const id = useId();
  return (
    <div className="field search">
      <label className="visually-hidden" htmlFor={id}>
        {label}
      </label>
      <input
        id={id}
        type="search"
        autoComplete="off"
        spellCheck={false}
        placeholder={placeholder}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </div>
  );
}

interface SelectProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; name: string }[];
  onChange: (value: T) => void;
  /** Whether the label is seen or only said. */
  labelled?: boolean;
  /** Called before the options are looked at. */
  onWant?: () => void;
}

export function Select<T extends string>(props: SelectProps<T>) {
  const { label, value, options, onChange, labelled, onWant } = props;
  const id = useId();
  return (
    <div className="field select">
      <label className={labelled ? undefined : "visually-hidden"} htmlFor={id}>
        {label}
      </label>
      <select
        id={id}
        value={value}
        onFocus={onWant}
        onPointerDown={onWant}
        onChange={(event) => {
          const chosen = options.find((option) => option.value === event.target.value);
          if (chosen) onChange(chosen.value);
        }}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.name}
          </option>
        ))}
      </select>
    </div>
  );
}

interface SwitchProps {
  label: string;
  on: boolean;
  onChange: (on: boolean) => void;
}

export function Switch({ label, on, onChange }: SwitchProps) {
  return (
    <label className="switch">
      <input
        type="checkbox"
        role="switch"
        checked={on}
        aria-checked={on}
        onChange={(event) => onChange(event.target.checked)}
      />
      <span className="switch-track" aria-hidden="true" />
      <span>{label}</span>
    </label>
  );
}

interface NoteProps {
  label: string;
  hint: string;
  value: string;
  onChange: (value: string) => void;
}

export function Note({ label, hint, value, onChange }: NoteProps) {
  const id = useId();
  return (
    <div className="field note">
      <label htmlFor={id}>{label}</label>
      <textarea
        id={id}
        rows={3}
        maxLength={1000}
        value={value}
        aria-describedby={`${id}-hint`}
        onChange={(event) => onChange(event.target.value)}
      />
      <p className="hint" id={`${id}-hint`}>
        {hint}
      </p>
    </div>
  );
}
