import type {
  AuditDetails,
  AuditEvent,
  Certificate,
  CertificateDetail,
  IntuneRow,
  PendingRequest,
  Profile,
  TrustAnchor,
} from "../src/api/types";

export const NOW = Date.parse("2026-11-23T12:00:00Z");
const DAY = 86_400_000;

export function iso(time: number): string {
  return new Date(time).toISOString();
}

export function profile(path_id: string, more: Partial<Profile> = {}): Profile {
  return {
    path_id,
    issuer_id: "local",
    challenge_password_set: true,
    ra_cert_subject: `RA ${path_id}`,
    ra_cert_not_before: iso(NOW - 100 * DAY),
    ra_cert_not_after: iso(NOW + 265.5 * DAY),
    ra_cert_days_to_expiry: 265,
    ra_cert_expired: false,
    mtls_enabled: false,
    generated_at: iso(NOW),
    ...more,
  };
}

export function anchor(days: number, more: Partial<TrustAnchor> = {}): TrustAnchor {
  return {
    subject: `Connector ${days}`,
    not_before: iso(NOW - 300 * DAY),
    not_after: iso(NOW + days * DAY + DAY / 2),
    days_to_expiry: days,
    expired: days < 0,
    ...more,
  };
}

export function intuneSection(more: Partial<NonNullable<Profile["intune"]>> = {}) {
  return {
    trust_anchor_path: "/etc/scepd/connector.pem",
    trust_anchors: [anchor(200)],
    audience: "https://scep.example/scep/corp",
    challenge_validity_ns: 3_600_000_000_000,
    clock_skew_tolerance_ns: 60_000_000_000,
    rate_limit_disabled: false,
    replay_cache_size: 118,
    counters: {
      claim_mismatch: 2,
      compliance_failed: 0,
      expired: 4,
      malformed: 0,
      not_yet_valid: 0,
      rate_limited: 1,
      replay: 0,
      signature_invalid: 0,
      success: 112,
      unknown_version: 0,
      wrong_audience: 0,
    },
    ...more,
  };
}

export function intuneRow(path_id: string, more: Partial<IntuneRow> = {}): IntuneRow {
  return {
    path_id,
    issuer_id: "local",
    enabled: true,
    ...intuneSection(),
    generated_at: iso(NOW),
    ...more,
  };
}

export function event(
  id: number,
  action: string,
  details: Partial<AuditDetails> = {},
  at = NOW - id * 60_000,
): AuditEvent {
  return {
    id,
    timestamp: iso(at),
    actor: "device",
    actor_type: "Device",
    action,
    resource_type: "scep_profile",
    resource_id: "corp",
    details: {
      outcome: "success",
      profile: "corp",
      issuer_id: "local",
      common_name: `device-${id}`,
      transaction_id: `T${id}`,
      ...details,
    },
  };
}

export function certificate(serial: string, more: Partial<Certificate> = {}): Certificate {
  return {
    issuer_id: "local",
    serial,
    profile: "corp",
    common_name: `laptop-${serial}`,
    sans: `dns:laptop-${serial}.example.com`,
    not_before: iso(NOW - DAY),
    not_after: iso(NOW + 364.5 * DAY),
    days_to_expiry: 364,
    issued_at: iso(NOW - DAY),
    status: "valid",
    ...more,
  };
}

export function detail(found: Certificate): CertificateDetail {
  return {
    certificate: found,
    subject: `O=Example, CN=${found.common_name}`,
    issuer: "CN=Example Device CA",
    public_key: "RSA 2048",
    key_usage: ["digitalSignature"],
    ext_key_usage: ["clientAuth"],
    extensions: [{ oid: "2.5.29.15", name: "keyUsage", critical: true }],
    sha256_fingerprint: "ab".repeat(32),
    pem: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
  };
}

export function pending(id: string, more: Partial<PendingRequest> = {}): PendingRequest {
  return {
    id,
    profile: "corp",
    issuer_id: "local",
    transaction_id: `T-${id}`,
    subject: `O=Example, CN=printer-${id}`,
    common_name: `printer-${id}`,
    public_key: "RSA 2048",
    renewal: false,
    requested_at: iso(NOW - 3_600_000),
    ...more,
  };
}
