//! Where things are published: paths below the listener, and the URLs of them that go into certificates.

use pki::Certificate;
use store::CaId;

/// How many hex digits of a CA's id its file names carry: enough to tell the CAs of one issuer apart.
const DIGITS: usize = 8;

/// The path of an issuer's OCSP responder. All CAs of the issuer are answered for there: a request names its CA.
#[must_use]
pub fn ocsp(issuer_id: &str) -> String {
    format!("/ocsp/{issuer_id}")
}

/// The path of the current CA's CRL, whichever CA that is.
#[must_use]
pub fn current_crl(issuer_id: &str) -> String {
    format!("/crl/{issuer_id}.crl")
}

/// The path of the current CA's certificate.
#[must_use]
pub fn current_ca(issuer_id: &str) -> String {
    format!("/ca/{issuer_id}.cer")
}

/// The path of one CA's CRL. Certificates name this one: after a rollover the CRL of another key is of no use to them.
#[must_use]
pub fn crl_of(issuer_id: &str, ca: &Certificate) -> String {
    format!("/crl/{issuer_id}.{}.crl", mark(ca))
}

/// The path of one CA's certificate.
#[must_use]
pub fn ca_of(issuer_id: &str, ca: &Certificate) -> String {
    format!("/ca/{issuer_id}.{}.cer", mark(ca))
}

/// What tells a CA of an issuer from the others.
pub(super) fn mark(ca: &Certificate) -> String {
    let id = CaId::of_ca(ca).to_string();
    id.chars().take(DIGITS).collect()
}

/// What relying parties see of a base URL before the paths here: a reverse proxy may take it away, or leave it.
#[must_use]
pub fn prefix(base: Option<&str>) -> String {
    let rest = base.and_then(|base| base.split_once("://"));
    rest.and_then(|(_, rest)| rest.find('/').and_then(|slash| rest.get(slash..)))
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_may_have_a_path() {
        assert_eq!(prefix(None), "");
        assert_eq!(prefix(Some("http://pki.example.com")), "");
        assert_eq!(prefix(Some("http://pki.example.com:8081/a/b")), "/a/b");
    }
}
