//! What others say of our certificates and CRLs: OpenSSL (strict) and rustls-webpki.

use chrono::{DateTime, Utc};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509Crl, X509PurposeId, X509StoreContext};
use pki::{Certificate, Crl};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// 1.3.6.1.4.1.311.20.2.1, as octets.
const REQUEST_AGENT: [u8; 10] = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 20, 2, 1];

/// What a certificate is for.
#[derive(Clone, Copy)]
pub enum Purpose {
    Client,
    Server,
    /// A registration authority.
    RequestAgent,
}

/// Both judges take `leaf` under `chain` (issuing CA first, root last) at `now`.
pub fn accept(leaf: &Certificate, chain: &[Certificate], purpose: Purpose, now: DateTime<Utc>) {
    openssl_accepts(leaf, chain, purpose, now).unwrap_or_else(|error| panic!("OpenSSL: {error}"));
    webpki_accepts(leaf, chain, purpose, now)
        .unwrap_or_else(|error| panic!("rustls-webpki: {error}"));
}

pub fn openssl_accepts(
    leaf: &Certificate,
    chain: &[Certificate],
    purpose: Purpose,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let parse = |certificate: &Certificate| X509::from_der(certificate.der()).unwrap();
    let (root, between) = chain.split_last().unwrap();
    let mut param = X509VerifyParam::new().unwrap();
    param.set_flags(X509VerifyFlags::X509_STRICT).unwrap();
    param.set_time(now.timestamp());
    param
        .set_purpose(match purpose {
            Purpose::Client => X509PurposeId::SSL_CLIENT,
            Purpose::Server => X509PurposeId::SSL_SERVER,
            Purpose::RequestAgent => X509PurposeId::ANY,
        })
        .unwrap();
    let mut store = X509StoreBuilder::new().unwrap();
    store.add_cert(parse(root)).unwrap();
    store.set_param(&param).unwrap();
    let mut stack = Stack::new().unwrap();
    for certificate in between {
        stack.push(parse(certificate)).unwrap();
    }
    let mut context = X509StoreContext::new().unwrap();
    context
        .init(&store.build(), &parse(leaf), &stack, |context| {
            Ok(if context.verify_cert()? {
                Ok(())
            } else {
                Err(context.error().to_string())
            })
        })
        .unwrap()
}

pub fn webpki_accepts(
    leaf: &Certificate,
    chain: &[Certificate],
    purpose: Purpose,
    now: DateTime<Utc>,
) -> Result<(), webpki::Error> {
    let (root, between) = chain.split_last().unwrap();
    let root = CertificateDer::from(root.der());
    let between: Vec<CertificateDer<'_>> = between
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der()))
        .collect();
    let leaf = CertificateDer::from(leaf.der());
    let anchor = anchor_from_trusted_cert(&root)?;
    let usage = match purpose {
        Purpose::Client => KeyUsage::client_auth(),
        Purpose::Server => KeyUsage::server_auth(),
        Purpose::RequestAgent => KeyUsage::required_if_present(&REQUEST_AGENT),
    };
    let seconds = u64::try_from(now.timestamp()).unwrap();
    EndEntityCert::try_from(&leaf)?
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &[anchor],
            &between,
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)),
            usage,
            None,
            None,
        )
        .map(|_| ())
}

/// Both judges read the CRL; OpenSSL takes its signature by `ca`.
pub fn accept_crl(crl: &Crl, ca: &Certificate) {
    let parsed = X509Crl::from_der(crl.der()).unwrap();
    let ca = X509::from_der(ca.der()).unwrap();
    assert!(
        parsed.verify(&ca.public_key().unwrap()).unwrap(),
        "OpenSSL: the signature of the CRL is wrong"
    );
    let owned = webpki::OwnedCertRevocationList::from_der(crl.der())
        .unwrap_or_else(|error| panic!("rustls-webpki: {error:?}"));
    let webpki = webpki::CertRevocationList::from(owned);
    for entry in crl.entries() {
        let listed = webpki
            .find_serial(entry.serial.minimal())
            .unwrap_or_else(|error| panic!("rustls-webpki: {error:?}"));
        assert!(
            listed.is_some(),
            "rustls-webpki does not find {}",
            entry.serial
        );
    }
}
