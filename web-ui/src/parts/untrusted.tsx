import { memo, useState } from "react";
import { pieces } from "../model/text";

/** Longer texts are cut; no column and no dialog shows more. */
const SHOWN = 240;

interface UntrustedProps {
  text: string | undefined;
  /** What stands there when there is no text. */
  none?: string;
  /** How many characters are shown. */
  limit?: number;
}

/**
 * Text from outside, as text: hidden characters by number, its direction kept to itself, long
 * words broken, long texts cut.
 */
export const Untrusted = memo(function Untrusted(props: UntrustedProps) {
  const { text, none = "none", limit = SHOWN } = props;
  if (!text) return <span className="nothing">{none}</span>;
  const shown = text.length > limit ? `${text.slice(0, limit)}…` : text;
  const parts = pieces(shown);
  if (parts.length === 1 && !parts[0]?.hidden) return <bdi className="untrusted">{shown}</bdi>;
  return (
    <bdi className="untrusted">
      {parts.map((piece, place) =>
        piece.hidden ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of one text stay in place
          <span key={place} className="hidden-character">
            {piece.text}
          </span>
        ) : (
          piece.text
        ),
      )}
    </bdi>
  );
});

/** The same where there is room: the rest of a long text is shown on request. */
export function LongText({ text, none }: { text: string | undefined; none?: string }) {
  const [whole, setWhole] = useState(false);
  const rest = (text?.length ?? 0) - SHOWN;
  const word = none === undefined ? {} : { none };
  if (rest <= 0) return <Untrusted text={text} {...word} />;
  return (
    <>
      <Untrusted text={text} limit={whole ? Number.POSITIVE_INFINITY : SHOWN} />{" "}
      <button
        type="button"
        className="button plain small more-text"
        aria-expanded={whole}
        onClick={() => setWhole(!whole)}
      >
        {whole ? "Show less" : `Show ${rest.toLocaleString()} more characters`}
      </button>
    </>
  );
}
