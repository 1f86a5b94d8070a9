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
    // OpenSSL writes `sha256 Fingerprint=AB:CD:...`; this page's links and many tools `sha256:abcd...`.
    let digits = text.rsplit('=').next().unwrap_or(text);
    let digits = match digits.split_once(':') {
        Some((name, rest)) if is_digest(name) => rest,
        _ => digits,
    };
    let read = Serial::readings(digits).into_iter();
    read.map(|number| number.as_bytes().to_vec())
        .filter(|octets| matches!(octets.len(), 20 | 32))
        .collect()
}

/// Whether it names the digest of a thumbprint.
fn is_digest(name: &str) -> bool {
    ["sha1", "sha-1", "sha256", "sha-256"]
        .iter()
        .any(|digest| name.trim().eq_ignore_ascii_case(digest))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_are_read_however_they_are_written() {
        let (sha1, sha256) = ("ab".repeat(20), "0f".repeat(32));
        let colons = |hex: &str| {
            let pairs: Vec<_> = hex
                .as_bytes()
                .chunks(2)
                .map(String::from_utf8_lossy)
                .collect();
            pairs.join(":").to_uppercase()
        };
        for (text, octets) in [
            (sha1.clone(), 20),
            (format!("sha1:{sha1}"), 20),
            (format!("SHA-1: {sha1}"), 20),
            (colons(&sha1), 20),
            (sha256.clone(), 32),
            (format!("sha256:{sha256}"), 32),
            (format!("SHA256:{}", colons(&sha256)), 32),
            (format!("sha256 Fingerprint={}", colons(&sha256)), 32),
        ] {
            let read = thumbprints(&text);
            assert!(
                read.iter().any(|one| one.len() == octets),
                "{text}: {read:?}"
            );
        }
        assert!(thumbprints(&format!("md5:{sha256}")).is_empty());
        assert!(thumbprints("sha256:abcd").is_empty());
    }
}
