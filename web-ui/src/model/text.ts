/**
 * Text from outside (names in certificates, transaction ids, user agents) may hold control and
 * direction marks that hide or reorder what an operator reads, fillers that look like nothing, and
 * a blank that is not a space. They are shown by number instead.
 */
const HIDDEN = /[\p{Cc}\p{Default_Ignorable_Code_Point}\u2028\u2029\u2800\ufff9-\ufffb]/gu;

/** A text of blanks alone is as invisible: every one of them is shown. */
const BLANK = /^[\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}\u2800]+$/u;
const ANY = /./gsu;

/** A piece of a text: as it is, or a hidden character's number. */
export type Piece = { text: string; hidden: boolean };

/** Cuts a text at its hidden characters. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(BLANK.test(text) ? ANY : HIDDEN)) {
    if (match.index > end) found.push({ text: text.slice(end, match.index), hidden: false });
    const code = match[0].codePointAt(0) ?? 0;
    found.push({ text: `U+${code.toString(16).toUpperCase().padStart(4, "0")}`, hidden: true });
    end = match.index + match[0].length;
  }
  if (end < text.length) found.push({ text: text.slice(end), hidden: false });
  return found;
}

/** The text with hidden characters written out, for titles and labels. */
export function plain(text: string): string {
  return pieces(text)
    .map((piece) => (piece.hidden ? `[${piece.text}]` : piece.text))
    .join("");
}

/** A profile's name: its path id, "(root)" for the profile at /scep itself. */
export function profileName(pathId: string): string {
  return pathId === "" ? "(root)" : pathId;
}

/** Where a profile's devices enroll. */
export function profileUrl(pathId: string): string {
  return pathId === "" ? "/scep" : `/scep/${pathId}`;
}
