import type { Claim, CsrNames } from "../api/types";

/** A value of one side, marked when it is why the server said that the sides differ. */
export interface Marked {
  value: string;
  differs: boolean;
}

/** One dimension of the comparison of a challenge with a CSR. */
export interface Row {
  dimension: string;
  claim: Marked[];
  csr: Marked[];
  differs: boolean;
}

type Dimension = keyof CsrNames;

const DIMENSIONS: readonly [Dimension, string][] = [
  ["device_name", "Common name"],
  ["san_dns", "DNS names"],
  ["san_rfc822", "E-mail addresses"],
  ["san_upn", "User principal names"],
  ["san_ip", "IP addresses"],
  ["san_uri", "URIs"],
  ["san_other", "Other names"],
];

/** Alternative names as the server compares them: ASCII spaces and case do not count. */
function folded(value: string): string {
  return value
    .replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, "")
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** Common names are compared exactly. */
function exact(value: string): string {
  return value;
}

function plainly(side: readonly string[]): Marked[] {
  return side.map((value) => ({ value, differs: false }));
}

function mark(
  side: readonly string[],
  other: readonly string[],
  same: (value: string) => string,
): Marked[] {
  const known = new Set(other.map(same));
  return side.map((value) => ({ value, differs: !known.has(same(value)) }));
}

function claimed(claim: Claim, dimension: Dimension): readonly string[] {
  switch (dimension) {
    case "device_name":
      return claim.device_name === undefined ? [] : [claim.device_name];
    case "san_dns":
    case "san_rfc822":
    case "san_upn":
      return claim[dimension] ?? [];
    default:
      return [];
  }
}

/**
 * The claim and the CSR side by side, dimension by dimension; what both leave out is left out.
 *
 * Whether they fit is the server's to say, by its settings: `mismatch` is its list, such as
 * "device_name,san_ip". Only there are values marked, those that the other side does not have.
 */
export function compare(claim: Claim, csr: CsrNames, mismatch = ""): Row[] {
  const named = new Set(mismatch.split(",").map((dimension) => dimension.trim()));
  const rows: Row[] = [];
  for (const [dimension, name] of DIMENSIONS) {
    const left = claimed(claim, dimension);
    const right = csr[dimension] ?? [];
    if (left.length === 0 && right.length === 0) continue;
    const differs = named.has(dimension);
    const same = dimension === "device_name" ? exact : folded;
    rows.push({
      dimension: name,
      claim: differs ? mark(left, right, same) : plainly(left),
      csr: differs ? mark(right, left, same) : plainly(right),
      differs,
    });
  }
  return rows;
}
