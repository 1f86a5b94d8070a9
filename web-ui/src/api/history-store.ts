import type { History } from "../model/history";

const KEY = "scepd-counters";

/** Polls kept over a reload, of all profiles together: about a megabyte. */
const MOST = 20_000;

/** Keeps what the page polled over a reload of it, for as long as this browser tab lives. */
export function keepHistory(history: History): void {
  try {
    history.read(sessionStorage.getItem(KEY) ?? "");
  } catch {
    // Storage is off: the charts begin with this page.
  }
  window.addEventListener("pagehide", () => {
    try {
      sessionStorage.setItem(KEY, history.write(MOST));
    } catch {
      // Off or full: as above.
    }
  });
}

/** Forgets what a reload would bring back. */
export function forgetHistory(): void {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Off: nothing is kept.
  }
}
