import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterEach, vi } from "vitest";
import { forgetSession } from "../src/api/client";
import { history } from "../src/api/query-client";

// A loaded machine may take its time.
configure({ asyncUtilTimeout: 5_000 });

// jsdom lacks what Radix asks of a browser.
if (typeof Element !== "undefined") {
  Element.prototype.hasPointerCapture ??= () => false;
  Element.prototype.scrollIntoView ??= () => {};
}

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  forgetSession();
  history.clear();
  if (typeof document === "undefined") return;
  cleanup();
  localStorage.clear();
  delete document.documentElement.dataset.theme;
});
