import { useEffect, useRef, useState } from "react";

interface MoreProps<T> {
  items: readonly T[];
  /** How many are added at a time. */
  step: number;
  children: (visible: readonly T[]) => React.ReactNode;
}

/** A long list in portions: the next one is drawn as the end comes into view, or on request. */
export function More<T>({ items, step, children }: MoreProps<T>) {
  const [count, setCount] = useState(step);
  const end = useRef<HTMLDivElement>(null);
  const left = items.length - count;
  const rest = left > 0;

  useEffect(() => {
    const target = end.current;
    if (!rest || !target || typeof IntersectionObserver === "undefined") return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) setCount((now) => now + step);
      },
      { rootMargin: "600px" },
    );
    observer.observe(target);
    return () => observer.disconnect();
  }, [rest, step]);

  return (
    <>
      {children(rest ? items.slice(0, count) : items)}
      {rest && (
        <div className="more" ref={end}>
          <button type="button" className="button" onClick={() => setCount((now) => now + step)}>
            Show {Math.min(step, left)} more of {left}
          </button>
        </div>
      )}
    </>
  );
}
