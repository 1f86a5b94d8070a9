import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { certificatePath, certificateQuery } from "../api/queries";
import type { CertificateDetail } from "../api/types";
import { Badge } from "../parts/badge";
import { copy } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { Fact, Facts } from "../parts/facts";
import { useFocusHeir } from "../parts/focus";
import { ProfileName, SheetLink } from "../parts/links";
import { Ruler } from "../parts/ruler";
import { QueryStates } from "../parts/states";
import { LongText, Untrusted } from "../parts/untrusted";
import { At } from "../parts/when";
import { usePlace } from "../shell/place";
import { ReleaseDialog } from "./release-dialog";
import { RevokeDialog } from "./revoke-dialog";
import { isOnHold, revocationName, standing } from "./words";

/** The certificate that the URL names, at the side. */
export function CertificateSheet() {
  const { sheet, closeSheet } = usePlace();
  if (sheet?.kind !== "certificate") return null;
  return <Sheet issuerId={sheet.issuerId} serial={sheet.serial} onClose={closeSheet} />;
}

interface SheetProps {
  issuerId: string;
  serial: string;
  onClose: () => void;
}

function Sheet({ issuerId, serial, onClose }: SheetProps) {
  const query = useQuery(certificateQuery(issuerId, serial));
  const [asking, setAsking] = useState<"revoke" | "release">();
  return (
    <Dialog
      open
      shape="sheet"
      onClose={onClose}
      title="Certificate"
      description={
        <p className="sheet-sub">
          Serial{" "}
          <code>
            <Untrusted text={serial} />
          </code>
        </p>
      }
    >
      <QueryStates query={query} what="The certificate" rows={6}>
        {(detail) => (
          <>
            <Detail detail={detail} onAsk={setAsking} />
            {asking === "revoke" && (
              <RevokeDialog certificate={detail.certificate} onClose={() => setAsking(undefined)} />
            )}
            {asking === "release" && (
              <ReleaseDialog
                certificate={detail.certificate}
                onClose={() => setAsking(undefined)}
              />
            )}
          </>
        )}
      </QueryStates>
    </Dialog>
  );
}

interface DetailProps {
  detail: CertificateDetail;
  onAsk: (what: "revoke" | "release") => void;
}

function Detail({ detail, onAsk }: DetailProps) {
  const { certificate } = detail;
  const { tone, name } = standing(certificate);
  const path = certificatePath(certificate.issuer_id, certificate.serial);
  const now = new Date(
    Date.parse(certificate.not_after) - (certificate.days_to_expiry + 0.5) * 86_400_000,
  ).toISOString();
  return (
    <div className="detail">
      <div className="sheet-lead">
        <p className="sheet-name">
          <Untrusted text={certificate.common_name} none="no common name" />
        </p>
        <Badge tone={tone}>{name}</Badge>
      </div>
      <Ruler
        notBefore={certificate.not_before}
        notAfter={certificate.not_after}
        days={certificate.days_to_expiry}
        expired={certificate.status === "expired"}
        now={now}
      />
      <Facts>
        <Fact name="Subject">
          <LongText text={detail.subject} />
        </Fact>
        <Fact name="Alternative names">
          <LongText text={certificate.sans} />
        </Fact>
        <Fact name="Issuer">
          <LongText text={detail.issuer} />
        </Fact>
        <Fact name="Profile">
          <ProfileName pathId={certificate.profile} />
        </Fact>
        {certificate.device && (
          <Fact name="Intune device">
            <LongText text={certificate.device} />
          </Fact>
        )}
        <Fact name="Issued">
          <At time={certificate.issued_at} />
        </Fact>
        <Fact name="Valid from">
          <At time={certificate.not_before} />
        </Fact>
        <Fact name="Valid until">
          <At time={certificate.not_after} />
        </Fact>
        {certificate.revoked_at && (
          <Fact name="Revoked">
            <At time={certificate.revoked_at} />, {revocationName(certificate.revocation_reason)}
          </Fact>
        )}
        <Fact name="Key">{detail.public_key}</Fact>
        <Fact name="Key usage">{detail.key_usage.join(", ") || "not restricted"}</Fact>
        <Fact name="Extended usage">{detail.ext_key_usage.join(", ") || "not restricted"}</Fact>
        {certificate.transaction_id && (
          <Fact name="Transaction">
            <code>
              <Untrusted text={certificate.transaction_id} />
            </code>
          </Fact>
        )}
        <Fact name="SHA-256">
          <code className="wrap">{detail.sha256_fingerprint}</code>
        </Fact>
      </Facts>
      <details className="fold">
        <summary>
          Extensions <span className="count">{detail.extensions.length}</span>
        </summary>
        <ul className="extensions">
          {detail.extensions.map((extension) => (
            <li key={extension.oid}>
              <code>{extension.oid}</code> {extension.name}
              {extension.critical && <span className="critical"> critical</span>}
            </li>
          ))}
        </ul>
      </details>
      <details className="fold">
        <summary>PEM</summary>
        <pre>
          <code>{detail.pem}</code>
        </pre>
        <button
          type="button"
          className="button small"
          onClick={() => copy(detail.pem, "The certificate was copied as PEM.")}
        >
          Copy
        </button>
      </details>
      <p className="detail-links">
        <SheetLink
          sheet={{
            kind: "timeline",
            subject: certificate.device
              ? { kind: "device", value: certificate.device }
              : certificate.common_name
                ? { kind: "common_name", value: certificate.common_name }
                : { kind: "serial", value: certificate.serial },
          }}
        >
          Timeline of this device
        </SheetLink>
        <a className="link" href={`${path}/download?format=pem`} download>
          Download PEM
        </a>
        <a className="link" href={`${path}/download?format=der`} download>
          Download DER
        </a>
        <a className="link" href={`${path}/download?format=chain`} download>
          Download with chain
        </a>
      </p>
      {(certificate.status === "valid" || isOnHold(certificate)) && (
        <StatusButtons onHold={isOnHold(certificate)} onAsk={onAsk} />
      )}
    </div>
  );
}

function StatusButtons({ onHold, onAsk }: { onHold: boolean; onAsk: DetailProps["onAsk"] }) {
  const heir = useFocusHeir<HTMLDivElement>();
  return (
    <div className="danger" ref={heir}>
      {onHold && (
        <button type="button" className="button" onClick={() => onAsk("release")}>
          Release
        </button>
      )}
      <button type="button" className="button danger-button" onClick={() => onAsk("revoke")}>
        {onHold ? "Revoke for good" : "Revoke"}
      </button>
    </div>
  );
}
