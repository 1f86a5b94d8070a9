import { useId } from "react";

interface ChipsProps<T extends string> {
  label: string;
  options: readonly { value: T; name: string; count?: number }[];
  value: T;
  onChange: (value: T) => void;
}

/** One of a few: radio buttons in the shape of chips. */
export function Chips<T extends string>({ label, options, value, onChange }: ChipsProps<T>) {
  const name = useId();
  return (
    <fieldset className="chips">
      <legend className="visually-hidden">{label}</legend>
      {options.map((option) => (
        <label key={option.value} className="chip">
          <input
            type="radio"
            name={name}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          <span>
            {option.name}
            {option.count !== undefined && <span className="count"> {option.count}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}
