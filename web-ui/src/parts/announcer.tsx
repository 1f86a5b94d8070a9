import { useEffect, useSyncExternalStore } from "react";

/** The last thing worth saying: seen in a corner for a while, and said by screen readers. */
let said: { text: string; at: number } | undefined;
const listeners = new Set<() => void>();

function set(next: typeof said) {
  said = next;
  for (const listener of listeners) listener();
}

export function announce(text: string) {
  set({ text, at: Date.now() });
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const SHOWN_FOR = 6_000;

export function Announcer() {
  const message = useSyncExternalStore(subscribe, () => said);
  useEffect(() => {
    if (!message) return;
    const timer = setTimeout(() => set(undefined), SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [message]);
  return (
    <div className="announcer" role="status" aria-live="polite">
      {message && <p key={message.at}>{message.text}</p>}
    </div>
  );
}
