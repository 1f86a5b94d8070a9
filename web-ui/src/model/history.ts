import { COUNTERS } from "./counters";

/** What the page polled of one profile's counters, oldest first. */
export interface Sample {
  at: number;
  counters: Readonly<Record<string, number>>;
}

/** How many polls are kept: two hours at one every 30 seconds. */
export const KEPT = 240;

const SET_BACK = 60_000;

/** One interval between two polls. */
export interface Step {
  from: number;
  to: number;
  issued: number;
  refused: number;
}

/**
 * The counters of every profile over time. The server counts since ever; the page keeps what it
 * polled, so that it can draw what happened while it was open.
 */
export class History {
  #samples = new Map<string, Sample[]>();
  #listeners = new Set<() => void>();

  /** Adds one poll; one that is not newer than the profile's last is ignored. */
  add(at: number, counters: Iterable<[path: string, Readonly<Record<string, number>>]>): void {
    for (const [path, values] of counters) {
      const known = this.#samples.get(path) ?? NONE;
      const last = known[known.length - 1]?.at ?? Number.NEGATIVE_INFINITY;
      // Two routes may answer out of turn; a server whose clock was set back begins anew.
      const setBack = at < last - SET_BACK;
      if (at <= last && !setBack) continue;
      const next = [...(setBack ? NONE : known), { at, counters: values }];
      this.#samples.set(path, next.length > KEPT ? next.slice(next.length - KEPT) : next);
    }
    for (const listener of this.#listeners) listener();
  }

  of(path: string): readonly Sample[] {
    return this.#samples.get(path) ?? NONE;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  clear(): void {
    this.#samples.clear();
    for (const listener of this.#listeners) listener();
  }
}

const NONE: readonly Sample[] = [];

/** What happened between the polls. A counter that went back (a profile made anew) starts from zero. */
export function steps(samples: readonly Sample[]): Step[] {
  const found: Step[] = [];
  for (let i = 1; i < samples.length; i++) {
    const before = samples[i - 1];
    const after = samples[i];
    if (!before || !after) continue;
    let issued = 0;
    let refused = 0;
    for (const { label } of COUNTERS) {
      const now = after.counters[label] ?? 0;
      const then = before.counters[label] ?? 0;
      const grown = now >= then ? now - then : now;
      if (label === "success") issued += grown;
      else refused += grown;
    }
    found.push({ from: before.at, to: after.at, issued, refused });
  }
  return found;
}
