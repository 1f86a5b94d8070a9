import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { certificatesQuery } from "../api/queries";
import type { Certificate, CertificateStatus } from "../api/types";
import { Badge } from "../parts/badge";
import { Search, Select } from "../parts/fields";
import { Filters } from "../parts/filters";
import { Freshness } from "../parts/freshness";
import { ProfileName, SheetLink } from "../parts/links";
import { EnrollmentUrl, NothingFrom } from "../parts/nothing-from";
import { ProfileSelect } from "../parts/profile-select";
import { Empty, QueryStates } from "../parts/states";
import { Untrusted } from "../parts/untrusted";
import { Ago, Day } from "../parts/when";
import { useChoice, usePage, useText } from "../shell/filters";
import { usePlace } from "../shell/place";
import { BulkDialog } from "./bulk-dialog";
import { standing } from "./words";

const STATUSES: readonly { value: CertificateStatus | "all"; name: string }[] = [
  { value: "all", name: "Any status" },
  { value: "valid", name: "Valid" },
  { value: "expired", name: "Expired" },
  { value: "revoked", name: "Revoked" },
];

export function CertificatesTab() {
  const { profile } = usePlace();
  const [text, setText, rested] = useText();
  const [status, setStatus] = useChoice("status", STATUSES, "all");
  const [page, setPage] = usePage();
  const [many, setMany] = useState(false);
  const q = rested.trim();
  const query = useQuery(certificatesQuery({ q, status, profile, page }));
  const narrowed = q !== "" || status !== "all" || profile !== undefined;
  return (
    <>
      <div className="toolbar">
        <Search
          label="Search certificates"
          placeholder="Name, serial, device or transaction"
          value={text}
          onChange={setText}
        />
        <Filters active={[status !== "all", profile !== undefined]}>
          <Select label="Status" options={STATUSES} value={status} onChange={setStatus} />
          <ProfileSelect />
        </Filters>
        <button type="button" className="button" onClick={() => setMany(true)}>
          Change many
        </button>
        <Freshness query={query} />
      </div>
      {many && <BulkDialog q={q} profile={profile} onClose={() => setMany(false)} />}
      <QueryStates query={query} what="Certificates" rows={8}>
        {(list) =>
          list.total === 0 && profile !== undefined && q === "" && status === "all" ? (
            <NothingFrom profile={profile} tab="certificates">
              <p>
                Devices enroll at <EnrollmentUrl profile={profile} />
              </p>
            </NothingFrom>
          ) : list.total === 0 ? (
            <Empty title={narrowed ? "No certificate fits" : "No certificate was issued yet"}>
              <p>
                {narrowed
                  ? "Shorten the search text or choose any status and all profiles."
                  : "What devices enroll appears here, with its owner, validity and revocation."}
              </p>
            </Empty>
          ) : list.data.length === 0 ? (
            <Empty title="There is no such page">
              <p>The list has become shorter since this link was made.</p>
              <button type="button" className="button" onClick={() => setPage(1)}>
                First page
              </button>
            </Empty>
          ) : (
            <>
              <CertificateTable certificates={list.data} />
              <Pages page={list.page} perPage={list.per_page} total={list.total} onPage={setPage} />
            </>
          )
        }
      </QueryStates>
    </>
  );
}

/** Certificates as rows; a name opens its sheet. */
export function CertificateTable({ certificates }: { certificates: readonly Certificate[] }) {
  return (
    <div className="table-frame">
      <table className="certificates stacks">
        <caption className="visually-hidden">Issued certificates</caption>
        <thead>
          <tr>
            <th scope="col" className="c-name">
              Common name
            </th>
            <th scope="col" className="c-sans">
              Alternative names
            </th>
            <th scope="col" className="c-profile">
              Profile
            </th>
            <th scope="col" className="c-serial">
              Serial
            </th>
            <th scope="col" className="c-time">
              Issued
            </th>
            <th scope="col" className="c-until">
              Until
            </th>
            <th scope="col" className="c-status">
              Status
            </th>
          </tr>
        </thead>
        <tbody>
          {certificates.map((certificate) => {
            const { tone, name } = standing(certificate);
            const { issuer_id: issuerId, serial } = certificate;
            return (
              <tr key={`${issuerId}/${serial}`}>
                <td className="c-name clip whole">
                  <SheetLink sheet={{ kind: "certificate", issuerId, serial }}>
                    <Untrusted text={certificate.common_name} none="no common name" />
                  </SheetLink>
                </td>
                <td className="c-sans clip whole">
                  <Untrusted text={certificate.sans} none="" />
                </td>
                <td className="c-profile">
                  <ProfileName pathId={certificate.profile} />
                </td>
                <td className="c-serial clip whole">
                  <Untrusted text={serial} />
                </td>
                <td className="c-time" data-label="Issued">
                  <Ago time={certificate.issued_at} />
                </td>
                <td className="c-until" data-label="Until">
                  <Day time={certificate.not_after} />
                </td>
                <td className="c-status">
                  <Badge tone={tone}>{name}</Badge>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

interface PagesProps {
  page: number;
  perPage: number;
  total: number;
  onPage: (page: number) => void;
}

function Pages({ page, perPage, total, onPage }: PagesProps) {
  const first = (page - 1) * perPage + 1;
  const last = Math.min(page * perPage, total);
  return (
    <nav className="pages" aria-label="Pages">
      <button
        type="button"
        className="button small"
        disabled={page <= 1}
        onClick={() => onPage(page - 1)}
      >
        Newer
      </button>
      <span className="number">
        {first.toLocaleString()} to {last.toLocaleString()} of {total.toLocaleString()}
      </span>
      <button
        type="button"
        className="button small"
        disabled={last >= total}
        onClick={() => onPage(page + 1)}
      >
        Older
      </button>
    </nav>
  );
}
