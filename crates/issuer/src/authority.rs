//! What a CA says of itself: its certificates, those of before and of after.

use pki::{Certificate, Name};

/// A snapshot of a certification authority. An issuer that is somewhere else may exchange it at any time.
#[derive(Debug, Clone)]
pub struct Authority {
    certificate: Certificate,
    /// The issuing CA first, its root last. A root CA's chain is itself alone.
    chain: Vec<Certificate>,
    next: Option<Vec<Certificate>>,
    previous: Vec<Certificate>,
}

impl Authority {
    /// The CA whose certificate is `certificate`, with those above it, its issuer first.
    #[must_use]
    pub fn new(certificate: Certificate, above: impl IntoIterator<Item = Certificate>) -> Self {
        Self {
            chain: std::iter::once(certificate.clone()).chain(above).collect(),
            certificate,
            next: None,
            previous: Vec::new(),
        }
    }

    /// The same with the chain of the CA that takes over, issuing CA first, while a rollover is announced.
    #[must_use]
    pub fn with_next(mut self, chain: Option<Vec<Certificate>>) -> Self {
        self.next = chain;
        self
    }

    /// The same with CAs of the past whose certificates are still in use.
    #[must_use]
    pub fn with_previous(mut self, previous: Vec<Certificate>) -> Self {
        self.previous = previous;
        self
    }

    /// The certificate whose key signs what is issued now.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The issuing CA first, its root last.
    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The next CA's chain, issuing CA first, while a rollover is announced.
    #[must_use]
    pub fn next(&self) -> Option<&[Certificate]> {
        self.next.as_deref()
    }

    /// The current certificate, the next one, those of before.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        let next = self.next.iter().filter_map(|chain| chain.first());
        std::iter::once(self.certificate())
            .chain(next)
            .chain(&self.previous)
    }

    /// Every name under which this CA signs, has signed, or will: the current one first.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.certificates().map(Certificate::subject)
    }

    /// Whether `certificate` is an end-entity certificate signed by the current, a previous or the next key of
    /// this CA. Validity and revocation are the caller's to check.
    #[must_use]
    pub fn issued(&self, certificate: &Certificate) -> bool {
        if certificate.is_ca() {
            return false;
        }
        self.certificates().any(|ca| {
            certificate.issuer().matches(ca.subject())
                && certificate.verify_signature_by(ca.public_key()).is_ok()
        })
    }
}
