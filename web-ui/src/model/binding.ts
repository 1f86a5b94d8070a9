import type { Claim, CsrNames } from "../api/types";

/** A value of one side, marked when the other side does not have it. */
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

const DIMENSIONS: readonly [keyof CsrNames, string][] = [
  ["device_name", "Common name"],
  ["san_dns", "DNS names"],
  ["san_rfc822", "E-mail addresses"],
  ["san_upn", "User principal names"],
  ["san_ip", "IP addresses"],
  ["san_uri", "URIs"],
  ["san_other", "Other names"],
];

/** Names are compared as the server does: trimmed, without regard to case, as sets. */
function folded(value: string): string {
  return value.trim().toLowerCase();
}

function mark(side: readonly string[], other: readonly string[]): Marked[] {
  const known = new Set(other.map(folded));
  return side.map((value) => ({ value, differs: !known.has(folded(value)) }));
}

function claimed(claim: Claim, dimension: keyof CsrNames): readonly string[] {
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

/** The claim and the CSR side by side, dimension by dimension; what both leave out is left out. */
export function compare(claim: Claim, csr: CsrNames): Row[] {
  const rows: Row[] = [];
  for (const [dimension, name] of DIMENSIONS) {
    const left = claimed(claim, dimension);
    const right = csr[dimension] ?? [];
    if (left.length === 0 && right.length === 0) continue;
    const row = { dimension: name, claim: mark(left, right), csr: mark(right, left) };
    const differs = [...row.claim, ...row.csr].some((value) => value.differs);
    rows.push({ ...row, differs });
  }
  return rows;
}
