import { announce } from "./announcer";

/** Copies a text and says so. Browsers offer it on https pages only. */
export function copy(text: string, done: string) {
  const refused = () => announce("The browser did not allow copying.");
  if (!navigator.clipboard) return refused();
  navigator.clipboard.writeText(text).then(() => announce(done), refused);
}
