//! `[publish]`: what relying parties fetch, and the URLs of it that go into certificates.

use pki::{Certificate, KeyUsage};

use super::problem::{Findings, Location};
use super::{range, urls};
use crate::config::{Issuer, Publish};
use crate::publish::places;

/// Checks the section.
pub(super) fn check(publish: &Publish, findings: &mut Findings) {
    let location = Location::section("publish");
    if let Some(base) = &publish.base_url {
        let location = location.at("base_url");
        let plain = !base.contains(['?', '#']);
        match urls::parse(base) {
            Ok(url) if plain && matches!(url.scheme, "http" | "https") => {
                if url.scheme == "https" {
                    findings.warn(
                        &location,
                        "it is https: clients that check certificates do not fetch CRLs and OCSP answers over https, or wait for each other",
                        "write http://host:port; what is published is signed",
                    );
                }
                if urls::is_loopback(url.host) {
                    findings.warn(
                        &location,
                        "it names this very machine: certificates are checked on others",
                        "write the name under which relying parties reach this server",
                    );
                }
            }
            _ => findings.fail(
                &location,
                "it is no address of http",
                "write http://host:port, without ? and #",
            ),
        }
        if publish.listen.is_none() {
            findings.fail(
                &location,
                "publish.listen is not set: certificates would name URLs at which nobody answers",
                "set publish.listen, or remove base_url",
            );
        }
    }
    let max_age = publish.max_age;
    range(max_age, "0s", "7d", &location.at("max_age"), findings);
    let lifetime = publish.ocsp_lifetime;
    range(
        lifetime,
        "10m",
        "7d",
        &location.at("ocsp_lifetime"),
        findings,
    );
    let responder = publish.responder_lifetime;
    range(
        responder,
        "1d",
        "366d",
        &location.at("responder_lifetime"),
        findings,
    );
    if lifetime.duration() * 2 > responder.duration() {
        findings.fail(
            &location.at("ocsp_lifetime"),
            "it is longer than half of responder_lifetime: answers would outlive their signer's certificate",
            "make it shorter, or responder_lifetime longer",
        );
    }
}

/// Places that go into a CA's certificates.
pub(super) struct Places {
    pub(super) crls: Vec<String>,
    pub(super) responders: Vec<String>,
    pub(super) cas: Vec<String>,
}

/// The issuer's own URLs, and for each kind of which it has none the one under `publish.base_url`.
pub(super) fn places_of(issuer: &Issuer, publish: &Publish, ca: &Certificate) -> Places {
    let below = |own: &[String], path: String| match publish.base() {
        Some(base) if own.is_empty() => vec![format!("{base}{path}")],
        _ => own.to_vec(),
    };
    let signs_crls = ca
        .key_usage()
        .is_none_or(|usage| usage.contains(KeyUsage::CRL_SIGN));
    Places {
        crls: match signs_crls {
            true => below(&issuer.cdp_urls, places::crl_of(&issuer.id, ca)),
            false => issuer.cdp_urls.clone(),
        },
        responders: match publish.ocsp {
            true => below(&issuer.ocsp_urls, places::ocsp(&issuer.id)),
            false => issuer.ocsp_urls.clone(),
        },
        cas: below(&issuer.ca_issuers_urls, places::ca_of(&issuer.id, ca)),
    }
}
