import type { Claim, CsrNames } from "../api/types";
import { compare, type Marked } from "../model/binding";
import { LongText } from "./untrusted";

interface ComparisonProps {
  claim: Claim;
  csr: CsrNames;
  /** The dimensions in which the server found that they differ. */
  mismatch: string | undefined;
}

/** What a challenge vouches for beside what the CSR asks for; what the server minds is marked. */
export function Comparison({ claim, csr, mismatch }: ComparisonProps) {
  const rows = compare(claim, csr, mismatch);
  if (rows.length === 0) return null;
  return (
    <div className="table-frame">
      <table className="comparison">
        <caption className="visually-hidden">
          The challenge's claim and the CSR side by side
        </caption>
        <thead>
          <tr>
            <th scope="col">Names</th>
            <th scope="col">Claim (challenge)</th>
            <th scope="col">CSR (device)</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.dimension} data-differs={row.differs}>
              <th scope="row">{row.dimension}</th>
              <td data-label="Claim">
                <Values values={row.claim} />
              </td>
              <td data-label="CSR">
                <Values values={row.csr} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Values({ values }: { values: readonly Marked[] }) {
  if (values.length === 0) return <span className="nothing">none</span>;
  return (
    <ul className="values">
      {values.map(({ value, differs }) => (
        <li key={value}>
          {differs ? (
            <mark>
              <LongText text={value} none="empty" />
              <span className="differs"> differs</span>
            </mark>
          ) : (
            <LongText text={value} none="empty" />
          )}
        </li>
      ))}
    </ul>
  );
}
