//! Certificates by a number that an operator copied from somewhere: a serial number or a thumbprint, however it was printed.

use chrono::{DateTime, Utc};
use pki::Serial;
use store::{CaId, CertificateQuery, CertificateRecord, CertificateStatus, Page, Store};

/// The serial numbers that a text may mean, in hex as the store keeps them, the likeliest first.
pub(super) fn readings(text: &str) -> Vec<String> {
    Serial::readings(text).iter().map(Serial::to_hex).collect()
}

/// The certificate of an issuer, by its id or its CA, with this serial number or thumbprint.
pub(super) fn find(
    store: &dyn Store,
    (issuer_id, ca): (&str, Option<CaId>),
    text: &str,
) -> store::Result<Option<CertificateRecord>> {
    let is_of_issuer =
        |record: &CertificateRecord| record.issuer_id == issuer_id || Some(record.ca) == ca;
    for serial in Serial::readings(text) {
        let found = store.certificates_with_serial(serial.as_bytes())?;
        if let Some(record) = found.into_iter().find(is_of_issuer) {
            return Ok(Some(record));
        }
    }
    for thumbprint in thumbprints(text) {
        let record = store.certificate_by_thumbprint(&thumbprint)?;
        if let Some(record) = record.filter(is_of_issuer) {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// What a text may mean as a SHA-1 or SHA-256 thumbprint.
fn thumbprints(text: &str) -> Vec<Vec<u8>> {
    let text = text.trim();
    // OpenSSL writes `sha256 Fingerprint=AB:CD:...`.
    let digits = text.rsplit('=').next().unwrap_or(text);
    let read = Serial::readings(digits).into_iter();
    read.map(|number| number.as_bytes().to_vec())
        .filter(|octets| matches!(octets.len(), 20 | 32))
        .collect()
}

/// Whether a certificate that was found by its thumbprint is among those that a query wants.
fn fits(record: &CertificateRecord, query: &CertificateQuery, now: DateTime<Utc>) -> bool {
    let status = match (record.revoked.is_some(), record.not_after < now) {
        (true, _) => CertificateStatus::Revoked,
        (false, true) => CertificateStatus::Expired,
        (false, false) => CertificateStatus::Valid,
    };
    let profile = query.profile.as_ref();
    let device = query.device.as_ref();
    query.page <= 1
        && (query.issuer_id.is_none() && query.ca.is_none()
            || query.issuer_id.as_ref() == Some(&record.issuer_id)
            || query.ca == Some(record.ca))
        && profile.is_none_or(|profile| *profile == record.profile)
        && device.is_none_or(|device| record.device.as_ref() == Some(device))
        && query.status.is_none_or(|wanted| wanted == status)
}

/// The certificates that a query finds. Where the text in it finds none as it stands, it may be a number in another
/// notation.
pub(super) fn search(
    store: &dyn Store,
    query: CertificateQuery,
    now: DateTime<Utc>,
) -> store::Result<Page<CertificateRecord>> {
    let found = store.certificates(&query, now)?;
    if found.total > 0 {
        return Ok(found);
    }
    let Some(text) = query.serial.as_ref().or(query.q.as_ref()) else {
        return Ok(found);
    };
    for thumbprint in thumbprints(text) {
        let record = store.certificate_by_thumbprint(&thumbprint)?;
        if let Some(record) = record.filter(|record| fits(record, &query, now)) {
            let data = vec![record];
            return Ok(Page {
                data,
                total: 1,
                page: found.page,
                per_page: found.per_page,
            });
        }
    }
    for serial in readings(text) {
        let mut as_number = CertificateQuery {
            serial: Some(serial),
            ..query.clone()
        };
        if query.serial.is_none() {
            as_number.q = None;
        }
        let page = store.certificates(&as_number, now)?;
        if page.total > 0 {
            return Ok(page);
        }
    }
    Ok(found)
}
