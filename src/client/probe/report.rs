//! What a probe reports.

use chrono::{DateTime, Utc};
use pki::Certificate;
use scep::caps::Capabilities;
use serde::Serialize;

/// The report.
#[derive(Debug, Clone, Serialize)]
pub struct Probe {
    /// The server.
    pub url: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The keywords of GetCACaps, those that are known.
    pub capabilities: Vec<&'static str>,
    /// The certificates of GetCACert, in the order sent.
    pub certificates: Vec<CertificateReport>,
    /// The next CA's certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_ca: Option<Vec<CertificateReport>>,
    /// PKIOperation by GET.
    pub get: Trial,
    /// PKIOperation by POST.
    pub post: Trial,
    /// Ciphers, digests and key transports, each tried.
    pub algorithms: Vec<AlgorithmReport>,
    /// Whether the server says that it renews.
    pub renewal_advertised: bool,
    /// An enrollment of a throwaway device, when a challenge was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment: Option<Trial>,
    /// A renewal of its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Trial>,
    /// What is not as it should be.
    pub findings: Vec<String>,
}

impl Probe {
    /// What was to be tried with a challenge and did not work, if anything.
    #[must_use]
    pub fn failed(&self) -> Option<&'static str> {
        let failed = |trial: &Option<Trial>| trial.as_ref().is_some_and(|trial| !trial.works);
        match (failed(&self.enrollment), failed(&self.renewal)) {
            (true, _) => Some("enrollment"),
            (false, true) => Some("renewal"),
            (false, false) => None,
        }
    }
}

/// One thing that was tried.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    /// Whether it works. Of a method: whether the message got there whole and was answered, be it with a refusal.
    pub works: bool,
    /// What came, in words.
    pub answer: String,
    /// How long it took, in milliseconds.
    pub milliseconds: f64,
}

/// One algorithm.
#[derive(Debug, Clone, Serialize)]
pub struct AlgorithmReport {
    /// Its name.
    pub name: &'static str,
    /// Whether the server takes it; `None` when it answered, and its answer does not tell.
    pub accepted: Option<bool>,
    /// What came, in words.
    pub answer: String,
}

/// One certificate of GetCACert.
#[derive(Debug, Clone, Serialize)]
pub struct CertificateReport {
    /// `issuing CA`, `CA` or `RA`.
    pub role: &'static str,
    /// Whose it is.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// As sent, in hex.
    pub serial: String,
    /// The kind of key.
    pub key: String,
    /// keyUsage.
    pub key_usage: Option<String>,
    /// From.
    pub not_before: DateTime<Utc>,
    /// To.
    pub not_after: DateTime<Utc>,
    /// Whole days until it expires, below zero afterwards.
    pub days_left: i64,
    /// Of the DER, in hex.
    pub sha256: String,
    /// The same by the digest that device managements and Apple's payload ask for.
    pub sha1: String,
}

/// What a certificate of GetCACert is for.
pub(super) fn role(
    certificate: &Certificate,
    issuing: &Certificate,
    ras: &[Certificate],
) -> &'static str {
    if certificate == issuing {
        "issuing CA"
    } else if ras.contains(certificate) {
        "RA"
    } else {
        "CA"
    }
}

/// Describes it, with the days until it expires counted from `now`.
pub(super) fn describe(
    certificate: &Certificate,
    role: &'static str,
    now: DateTime<Utc>,
) -> CertificateReport {
    let seconds = certificate
        .not_after()
        .signed_duration_since(now)
        .num_seconds();
    CertificateReport {
        role,
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: certificate.serial().to_hex(),
        key: certificate.public_key().kind().to_string(),
        key_usage: certificate.key_usage().map(|usage| usage.to_string()),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
        days_left: seconds.div_euclid(86_400),
        sha256: hex::encode(certificate.fingerprint()),
        sha1: hex::encode(pki::Digest::Sha1.hash(certificate.der())),
    }
}

/// Says what about certificates and capabilities is not as it should be.
pub(super) fn judge(
    certificates: &[CertificateReport],
    caps: &Capabilities,
    findings: &mut Vec<String>,
) {
    for certificate in certificates {
        let who = format!("{} \"{}\"", certificate.role, certificate.subject);
        match certificate.days_left {
            ..0 => findings.push(format!("{who} has expired")),
            0..7 => findings.push(format!(
                "{who} expires within {} days",
                certificate.days_left + 1
            )),
            7..30 => findings.push(format!(
                "{who} expires in {} days: rotate soon",
                certificate.days_left
            )),
            _ => {}
        }
    }
    if !(caps.sha1 || caps.sha256 || caps.sha512) {
        findings.push("GetCACaps has no SHA line: Apple devices refuse that".to_owned());
    }
    if !caps.renewal {
        findings.push(
            "GetCACaps has no Renewal: Apple devices report renewal as unsupported".to_owned(),
        );
    }
}
