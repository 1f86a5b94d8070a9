import { useEffect, useRef, useState } from "react";

interface MoreProps<T> {
  items: readonly T[];
  /** How many are added at a time. */
  step: number;
  /** Whether the next portion comes by itself; not where something else follows the list. */
  byItself?: boolean;
  children: (visible: readonly T[]) => React.ReactNode;
}

/** A long list in portions: the next one is drawn as the end comes into view, or on request. */
export function More<T>({ items, step, byItself = true, children }: MoreProps<T>) {
  const [count, setCount] = useState(step);
  const end = useRef<HTMLDivElement>(null);
  const list = useRef<Element | null>(null);
  const left = items.length - count;
  const rest = left > 0;

  useEffect(() => {
    const target = end.current;
    if (!byItself || !rest || !target || typeof IntersectionObserver === "undefined") return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) setCount((now) => now + step);
      },
      { rootMargin: "600px" },
    );
    observer.observe(target);
    return () => observer.disconnect();
  }, [byItself, rest, step]);

  // What was asked for is read on from its first item; the button may be gone by then.
  const asked = useRef<number>(undefined);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the new portion is what is waited for
  useEffect(() => {
    const first = asked.current === undefined ? undefined : list.current?.children[asked.current];
    asked.current = undefined;
    if (!(first instanceof HTMLElement)) return;
    first.tabIndex = -1;
    first.focus({ preventScroll: true });
  }, [count]);

  return (
    <>
      {children(rest ? items.slice(0, count) : items)}
      {rest && (
        <div className="more" ref={end}>
          <button
            type="button"
            className="button"
            onClick={() => {
              list.current = end.current?.previousElementSibling ?? null;
              asked.current = count;
              setCount(count + step);
            }}
          >
            Show {Math.min(step, left)} more of {left}
          </button>
        </div>
      )}
    </>
  );
}
