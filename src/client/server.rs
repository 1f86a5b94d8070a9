//! A server that has been met: what it can do, its CA certificates, and who vouches for them.

use chrono::{DateTime, Utc};
use pki::{Certificate, ContentCipher, Digest, KeyTransport};
use scep::caps::Capabilities;
use scep::client::{CaCertificates, unfit_as_ra};

use super::{Error, Method, Session};

/// Who vouches for the CA that GetCACert gives.
#[derive(Debug, Clone)]
pub enum CaTrust {
    /// Nobody, and whoever asked wants it so. An RA is believed whatever it is.
    Anybody,
    /// The TLS connection; over plain http nobody.
    AsGiven,
    /// A SHA-256 fingerprint: the issuing CA, or a CA above it in the reply, has it.
    Fingerprint([u8; 32]),
    /// Certificates: the issuing CA is one of them or was issued by one of them.
    Anchors(Vec<Certificate>),
}

impl CaTrust {
    fn check(&self, ca: &CaCertificates, now: DateTime<Utc>) -> Result<(), Error> {
        if matches!(self, CaTrust::Anybody | CaTrust::AsGiven) {
            return Ok(());
        }
        // The server may leave out what is above the issuing CA; then that one itself has to be vouched for.
        let above = ca
            .above(ca.issuing(), now)
            .map_err(|error| Error::reply("GetCACert", error))?;
        let mut path = vec![ca.issuing().clone()];
        path.extend(above);
        match self {
            CaTrust::Anybody | CaTrust::AsGiven => Ok(()),
            CaTrust::Fingerprint(wanted) => {
                if path
                    .iter()
                    .any(|certificate| certificate.fingerprint() == *wanted)
                {
                    return Ok(());
                }
                Err(Error::Untrusted(format!(
                    "the SHA-256 fingerprint asked for is {}, that of \"{}\" is {}",
                    hex::encode(wanted),
                    ca.issuing().subject(),
                    hex::encode(ca.issuing().fingerprint())
                )))
            }
            CaTrust::Anchors(anchors) => {
                let vouched = |certificate: &Certificate| {
                    anchors.iter().any(|anchor| {
                        anchor == certificate
                            // What comes alone counts as the issuing CA; it may be a device of an anchor.
                            || (certificate.is_ca()
                                && certificate.issuer().matches(anchor.subject())
                                && certificate.verify_signature_by(anchor.public_key()).is_ok())
                    })
                };
                if path.iter().any(vouched) {
                    return Ok(());
                }
                Err(Error::Untrusted(format!(
                    "\"{}\" was not issued by a certificate of the file",
                    ca.issuing().subject()
                )))
            }
        }
    }
}

/// How a client speaks to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Of envelopes.
    pub cipher: ContentCipher,
    /// Of signatures.
    pub digest: Digest,
    /// Of content keys.
    pub key_transport: KeyTransport,
    /// Of messages.
    pub method: Method,
}

impl Dialect {
    /// The best that both sides have: POST where it is offered, AES-128 and SHA-256 as RFC 8894 advises, SHA-512 where
    /// that is all. Triple DES and SHA-1 only when `legacy` allows them.
    ///
    /// # Errors
    /// [`Error::Usage`] when the server offers nothing that is allowed.
    pub fn choose(capabilities: &Capabilities, legacy: bool) -> Result<Dialect, Error> {
        let none = |what: &str, weak: &str| {
            Error::Usage(format!(
                "the server's GetCACaps offers no {what}; add --legacy to use {weak} with it all the same"
            ))
        };
        let cipher = match (capabilities.aes, legacy) {
            (true, _) => ContentCipher::Aes128Cbc,
            (false, true) => ContentCipher::DesEde3Cbc,
            (false, false) => return Err(none("AES", "triple DES")),
        };
        let digest = if capabilities.sha256 {
            Digest::Sha256
        } else if capabilities.sha512 {
            Digest::Sha512
        } else if legacy {
            Digest::Sha1
        } else {
            return Err(none("SHA-256 or SHA-512", "SHA-1"));
        };
        let method = if capabilities.post {
            Method::Post
        } else {
            Method::Get
        };
        Ok(Dialect {
            cipher,
            digest,
            key_transport: KeyTransport::Pkcs1v15,
            method,
        })
    }
}

/// A server whose capabilities and CA are known.
pub struct Server {
    /// The connection to it.
    pub session: Session,
    /// GetCACaps.
    pub capabilities: Capabilities,
    /// GetCACert.
    pub ca: CaCertificates,
    /// What speaks against certificates that the server shows as those of an RA.
    pub unfit_ras: Vec<String>,
}

impl Server {
    /// Asks for capabilities and CA certificates, and checks who vouches for them, and that the RA is one.
    ///
    /// # Errors
    /// [`Error::Untrusted`], or whatever goes wrong on the way.
    pub async fn meet(
        mut session: Session,
        trust: &CaTrust,
        now: DateTime<Utc>,
    ) -> Result<Server, Error> {
        let capabilities = session.capabilities().await?;
        let mut ca = session.ca_certificates().await?;
        trust.check(&ca, now)?;
        let unfit_ras = if let CaTrust::Anybody = trust {
            let ras = ca.ras().iter();
            ras.filter_map(|ra| unfit_as_ra(ra, now)).collect()
        } else {
            ca.keep_fit_ras(now)
                .map_err(|error| Error::UnfitRa(error.to_string()))?
        };
        Ok(Server {
            session,
            capabilities,
            ca,
            unfit_ras,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use chrono::TimeDelta;
    use issuer::{create_root, create_sub};
    use pki::{CertificateBuilder, Extension, KeyKind, Name, PrivateKey, Serial};

    use super::*;

    #[test]
    fn an_anchor_vouches_for_its_sub_cas_and_not_for_its_devices() {
        let now = Utc::now();
        let name = |text: &str| Name::parse(text).unwrap();
        let kind = KeyKind::Rsa { bits: 2048 };
        let root = create_root(&name("CN=Root"), kind.clone(), now, 5).unwrap();
        let sub = create_sub((&root.0, &root.1), &name("CN=Sub"), kind.clone(), now, 5).unwrap();
        let device = PrivateKey::generate(kind).unwrap();
        let device = CertificateBuilder {
            subject: name("CN=device"),
            issuer: root.0.subject().clone(),
            serial: Serial::random().unwrap(),
            not_before: now - TimeDelta::hours(1),
            not_after: now + TimeDelta::days(1),
            public_key: device.public_key().clone(),
            extensions: vec![Extension::basic_constraints(false, None)],
        }
        .sign(&root.1, &root.1.scheme(Digest::Sha256).unwrap())
        .unwrap();
        let stranger = create_root(&name("CN=Root"), KeyKind::Rsa { bits: 2048 }, now, 5).unwrap();

        let alone = |certificate: &Certificate| {
            CaCertificates::from_certificates(vec![certificate.clone()]).unwrap()
        };
        let anchors = |anchor: &Certificate| CaTrust::Anchors(vec![anchor.clone()]);
        for (trust, shown, believed) in [
            (anchors(&root.0), &sub.0, true),
            (anchors(&sub.0), &sub.0, true),
            (CaTrust::Fingerprint(sub.0.fingerprint()), &sub.0, true),
            (CaTrust::Fingerprint(root.0.fingerprint()), &sub.0, false),
            (anchors(&stranger.0), &sub.0, false),
            (anchors(&root.0), &device, false),
        ] {
            let checked = trust.check(&alone(shown), now);
            assert_eq!(checked.is_ok(), believed, "{trust:?}: {checked:?}");
        }
        let late = anchors(&root.0).check(&alone(&sub.0), now + TimeDelta::days(4000));
        assert!(late.unwrap_err().to_string().contains("not now"));
    }

    #[test]
    fn weak_algorithms_only_when_asked_for() {
        let old = Capabilities::parse("SHA-1\nDES3\n");
        let refusal = Dialect::choose(&old, false).unwrap_err().to_string();
        assert!(
            refusal.contains("AES") && refusal.contains("--legacy"),
            "{refusal}"
        );
        let weak = Dialect::choose(&old, true).unwrap();
        assert_eq!(
            (weak.cipher, weak.digest),
            (ContentCipher::DesEde3Cbc, Digest::Sha1)
        );

        for legacy in [false, true] {
            let best =
                Dialect::choose(&Capabilities::parse("SCEPStandard\nDES3\nSHA-1"), legacy).unwrap();
            assert_eq!(
                (best.cipher, best.digest),
                (ContentCipher::Aes128Cbc, Digest::Sha256)
            );
        }
        let odd = Dialect::choose(&Capabilities::parse("AES\nSHA-512"), false).unwrap();
        assert_eq!(odd.digest, Digest::Sha512);
    }
}
