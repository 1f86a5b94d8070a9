import { type RefObject, useLayoutEffect, useRef } from "react";

/**
 * Where the focus goes when what had it is gone: browsers drop it to nothing, and the next Tab
 * would begin at the top of the page.
 */

/** The innermost open dialog or sheet. */
function openDialog(): HTMLElement | undefined {
  const open = document.querySelectorAll<HTMLElement>("[role=dialog][data-state=open]");
  return open[open.length - 1];
}

/** What stands in for an element: the dialog it is in, else the heading of its list. */
export function homeOf(element: Element | null): HTMLElement | undefined {
  const dialog = element?.closest<HTMLElement>("[role=dialog]");
  if (dialog) return dialog;
  const around = element?.closest(".section, .view");
  return around?.querySelector<HTMLElement>("[data-home]") ?? undefined;
}

function canTake(element: Element | null | undefined): element is HTMLElement {
  if (!(element instanceof HTMLElement) || element === document.body) return false;
  if (!element.isConnected) return false;
  const dialog = openDialog();
  return !dialog || dialog.contains(element);
}

/** Gives the focus to the first of these that is there and can be reached, else to what always is. */
export function focusFirst(wishes: readonly (Element | null | undefined)[]) {
  const always = [
    openDialog(),
    document.querySelector("[role=tab][data-state=active]"),
    document.querySelector("main h1"),
  ];
  for (const element of [...wishes, ...always]) {
    if (!canTake(element)) continue;
    element.focus();
    if (document.activeElement === element) return;
  }
}

/** Hands the focus on when the referenced element goes away while it has it. */
export function useFocusHeir<T extends HTMLElement>(): RefObject<T | null> {
  const ref = useRef<T>(null);
  useLayoutEffect(() => {
    const element = ref.current;
    return () => {
      if (!element?.contains(document.activeElement)) return;
      const home = homeOf(element);
      // What takes the element's place is there once this update of the page is complete.
      queueMicrotask(() => focusFirst([home]));
    };
  }, []);
  return ref;
}
