//! Certificates that another server issued, on their way into the store.

use chrono::{DateTime, Utc};
use pki::{Certificate, RevocationReason};
use serde::{Deserialize, Serialize};
use store::{AuditDetails, AuditEvent, CaId, CertificateRecord, Change, Op, Outcome, Store};

use crate::auth::tokens::By;

/// As many certificates go into one order, and into one durable step.
pub const AT_ONCE: usize = 200;

/// Certificates of one issuer and profile.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The issuer's id.
    pub issuer_id: String,
    /// The issuer's CA (`store::CaId`), for certificates that do not say which key signed them.
    pub ca: [u8; 16],
    /// The profile through which they are renewed.
    pub profile: String,
    /// Whether they are renewed with a signed challenge only.
    pub through_gates: bool,
    /// At most [`AT_ONCE`].
    pub certificates: Vec<Imported>,
}

/// One certificate. Who sends it has seen to it that the issuer signed it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// DER, hex.
    pub der: String,
    /// Where the former server's CRL lists it: when it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// And why, by the number of RFC 5280 section 5.3.1.
    pub reason: u8,
}

/// What an import came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportCounts {
    /// Not known before.
    pub new: u64,
    /// Known already, octet for octet.
    pub known: u64,
    /// The store has another certificate with this serial number; nothing was changed.
    pub conflicting: u64,
    /// Revoked now, as the CRL says.
    pub revoked: u64,
}

/// What an import writes, and what other parts must learn of once it is durable.
pub struct Prepared {
    /// To be made durable.
    pub change: Change,
    /// What it comes to.
    pub counts: ImportCounts,
    /// The certificates that it revokes.
    pub revoked: Vec<(CertificateRecord, RevocationReason)>,
}

/// Works an import out against what the store holds. Blocks on the store.
///
/// # Errors
/// A certificate cannot be read, or the store; nothing is changed then.
pub fn prepare(
    store: &dyn Store,
    import: &Import,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Prepared, String> {
    if import.certificates.len() > AT_ONCE {
        return Err(format!("more than {AT_ONCE} certificates in one order"));
    }
    let mut prepared = Prepared {
        change: Change::new(),
        counts: ImportCounts::default(),
        revoked: Vec::new(),
    };
    let mut seen = std::collections::HashSet::new();
    for one in &import.certificates {
        let der = hex::decode(&one.der).map_err(|error| error.to_string())?;
        let certificate = Certificate::from_der(&der).map_err(|error| error.to_string())?;
        if !seen.insert(certificate.serial().minimal().to_vec()) {
            continue;
        }
        add(store, import, &certificate, one, now, &mut prepared)?;
    }
    let counts = prepared.counts;
    if counts.new > 0 || counts.revoked > 0 {
        prepared.change.push(event(import, counts, by, now));
    }
    Ok(prepared)
}

fn add(
    store: &dyn Store,
    import: &Import,
    certificate: &Certificate,
    one: &Imported,
    now: DateTime<Utc>,
    prepared: &mut Prepared,
) -> Result<(), String> {
    let serial = certificate.serial().as_bytes();
    let ca = CaId::of_issuer(certificate).unwrap_or_else(|| CaId::from_bytes(import.ca));
    let stored = store.certificate(&ca, serial);
    let record = match stored.map_err(|error| error.to_string())? {
        Some(record) if record.der == certificate.der() => {
            prepared.counts.known += 1;
            record
        }
        Some(_) => {
            prepared.counts.conflicting += 1;
            return Ok(());
        }
        None => {
            prepared.counts.new += 1;
            let record = record(import, ca, certificate);
            prepared.change.push(record.clone());
            record
        }
    };
    if let Some(at) = one.revoked_at
        && record.revoked.is_none()
    {
        let reason =
            RevocationReason::from_number(one.reason).unwrap_or(RevocationReason::Unspecified);
        prepared.counts.revoked += 1;
        prepared.change.push(Op::Revoke {
            ca,
            serial: serial.to_vec(),
            // A clock that was ahead is no reason for a revocation to come.
            at: at.min(now),
            reason: reason.number(),
        });
        prepared.revoked.push((record, reason));
    }
    Ok(())
}

fn record(import: &Import, ca: CaId, certificate: &Certificate) -> CertificateRecord {
    CertificateRecord {
        issuer_id: import.issuer_id.clone(),
        ca,
        serial: certificate.serial().as_bytes().to_vec(),
        profile: import.profile.clone(),
        der: certificate.der().to_vec(),
        common_name: certificate
            .subject()
            .common_name()
            .unwrap_or_default()
            .to_owned(),
        sans: certificate.sans().to_string(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
        issued_at: certificate.not_before(),
        transaction_id: String::new(),
        device: None,
        renews: None,
        through_gates: Some(import.through_gates),
        revoked: None,
    }
}

fn event(import: &Import, counts: ImportCounts, by: &By, now: DateTime<Utc>) -> AuditEvent {
    AuditEvent {
        timestamp: now,
        actor: by.name.clone(),
        actor_type: by.kind.to_owned(),
        action: "certs_import".to_owned(),
        resource_type: "issuer".to_owned(),
        resource_id: import.issuer_id.clone(),
        details: AuditDetails {
            outcome: Some(Outcome::Success),
            message: Some(format!(
                "certificates of another server imported: {} new, {} revoked as its CRL says",
                counts.new, counts.revoked
            )),
            profile: Some(import.profile.clone()),
            issuer_id: Some(import.issuer_id.clone()),
            request_id: by.request_id.clone(),
            ..AuditDetails::default()
        },
    }
}
