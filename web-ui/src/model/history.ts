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

  /** All of it as text, at most `most` polls of all profiles together, the newest of each. */
  write(most: number): string {
    const each = Math.max(2, Math.floor(most / Math.max(1, this.#samples.size)));
    const kept = [...this.#samples].map(([path, samples]) => [
      path,
      samples
        .slice(-each)
        .map(({ at, counters }) => [at, ...COUNTERS.map(({ label }) => counters[label] ?? 0)]),
    ]);
    return JSON.stringify(kept);
  }

  /** Takes up what `write` wrote; a text of another shape is left alone. */
  read(text: string): void {
    for (const [path, samples] of parsed(text)) {
      if (!this.#samples.has(path)) this.#samples.set(path, samples.slice(-KEPT));
    }
    for (const listener of this.#listeners) listener();
  }

  clear(): void {
    this.#samples.clear();
    for (const listener of this.#listeners) listener();
  }
}

const NONE: readonly Sample[] = [];

function parsed(text: string): [path: string, samples: Sample[]][] {
  let all: unknown;
  try {
    all = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(all)) return [];
  return all.flatMap((entry: unknown): [string, Sample[]][] => {
    if (!Array.isArray(entry) || typeof entry[0] !== "string" || !Array.isArray(entry[1]))
      return [];
    return [[entry[0], entry[1].flatMap(sampleOf)]];
  });
}

function sampleOf(row: unknown): Sample[] {
  if (!Array.isArray(row) || row.length !== COUNTERS.length + 1) return [];
  if (!row.every((value) => Number.isSafeInteger(value))) return [];
  const [at, ...values] = row as number[];
  if (at === undefined) return [];
  const counters = Object.fromEntries(COUNTERS.map(({ label }, n) => [label, values[n] ?? 0]));
  return [{ at, counters }];
}

/** By how much a counter grew from one poll to the next; one that went back began anew. */
function growth(before: Sample, after: Sample, label: string): number {
  const now = after.counters[label] ?? 0;
  const then = before.counters[label] ?? 0;
  return now >= then ? now - then : now;
}

/** By how much each counter grew over all the polls. */
export function grown(samples: readonly Sample[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const { label } of COUNTERS) {
    let sum = 0;
    samples.forEach((after, n) => {
      const before = samples[n - 1];
      if (before) sum += growth(before, after, label);
    });
    sums[label] = sum;
  }
  return sums;
}

/** What happened between the polls. */
export function steps(samples: readonly Sample[]): Step[] {
  const found: Step[] = [];
  for (let i = 1; i < samples.length; i++) {
    const before = samples[i - 1];
    const after = samples[i];
    if (!before || !after) continue;
    let issued = 0;
    let refused = 0;
    for (const { label } of COUNTERS) {
      const by = growth(before, after, label);
      if (label === "success") issued += by;
      else refused += by;
    }
    found.push({ from: before.at, to: after.at, issued, refused });
  }
  return found;
}
