//! A certificate that differs in any one field from what was approved is never delivered, is revoked where that can be done,
//! and the audit names the field.

use issuer_fakes::{CHANGES, Change, Fake, Issued, Operation};
use store::CaId;

use super::{clean, ejbca, enrolled, first_request, is_signed_by, said, until_decided};
use crate::device::{Device, issued, refused};
use crate::test_env::Running;

/// What becomes of the certificate at the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Revoked,
    /// By the issuer that it names nobody finds it.
    NotRevoked,
}

use End::{NotRevoked, Revoked};

/// Each difference with the field that the audit names.
const TABLE: [(Change, &str, End); 36] = [
    (Change::AnotherKey, "subjectPublicKeyInfo", Revoked),
    (Change::AnotherCommonName, "subject", Revoked),
    (Change::CommonNameCase, "subject", Revoked),
    (Change::AddedRdn, "subject", Revoked),
    (Change::DroppedRdn, "subject", Revoked),
    (Change::EmptySubject, "subject", Revoked),
    (Change::AddedDns, "subjectAltName (DNS)", Revoked),
    (Change::AddedEmail, "subjectAltName (e-mail)", Revoked),
    (Change::AddedUri, "subjectAltName (URI)", Revoked),
    (Change::AddedIp, "subjectAltName (IP address)", Revoked),
    (Change::AddedUpn, "subjectAltName (UPN)", Revoked),
    (
        Change::AddedDirectoryName,
        "subjectAltName (other kinds)",
        Revoked,
    ),
    (Change::DroppedSan, "subjectAltName (DNS)", Revoked),
    (Change::NoSans, "subjectAltName (DNS)", Revoked),
    (Change::AddedEku, "extKeyUsage", Revoked),
    (Change::AddedAnyEku, "extKeyUsage", Revoked),
    (Change::DroppedEku, "extKeyUsage", Revoked),
    (Change::NoEku, "extKeyUsage", Revoked),
    (Change::AddedKeyUsage, "keyUsage", Revoked),
    (Change::DroppedKeyUsage, "keyUsage", Revoked),
    (Change::NoKeyUsage, "keyUsage", Revoked),
    (Change::CaTrue, "basicConstraints", Revoked),
    (Change::SigningCa, "keyUsage", Revoked),
    (Change::Clipped, "notAfter", Revoked),
    (Change::Prolonged, "notAfter", Revoked),
    (Change::LaterNotBefore, "notBefore", Revoked),
    (Change::EarlierNotBefore, "notBefore", Revoked),
    (Change::AnotherIssuer, "issuer", NotRevoked),
    (Change::AnotherSigner, "signature", Revoked),
    (
        Change::AnotherAuthorityKey,
        "authorityKeyIdentifier",
        Revoked,
    ),
    (Change::AddedSid, "extensions", Revoked),
    (Change::AddedSidUri, "subjectAltName (URI)", Revoked),
    (Change::CriticalExtension, "extensions", Revoked),
    (Change::SerialZero, "serialNumber", Revoked),
    (Change::SerialNegative, "serialNumber", Revoked),
    (Change::SerialLong, "serialNumber", Revoked),
];

/// Asks for a certificate that will differ so, is refused, and gives what was made over there.
async fn made_with(change: Change, fake: &Fake, server: &Running) -> Issued {
    let device = Device::of(server, "corp").await;
    fake.change(change);
    let reply = until_decided(&device, &first_request(&device)).await;
    let (_, text) = refused(reply);
    assert_eq!(
        text, "the issuer made another certificate than was approved",
        "{change:?}"
    );
    let made = fake.issued().pop().unwrap();
    assert_eq!(made.changes, [change]);
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn no_difference_is_delivered() {
    let (fake, server) = ejbca().await;
    let before = server.events("scep_pkcsreq").len();
    let mut wrong = Vec::new();
    for (change, field, end) in TABLE {
        let made = made_with(change, &fake, &server).await;
        let said = said(&server);
        let words = match end {
            Revoked => "it was revoked",
            NotRevoked => "it could not be revoked: do so at the issuer",
        };
        let is_revoked = made.revoked.is_some() == (end == Revoked);
        let named = format!("is not what was approved: {field}: ");
        let is_said = ["issuer_mismatch", &named, words];
        if !is_revoked || !is_said.iter().all(|part| said.contains(part)) {
            wrong.push(format!("{change:?}, revoked {:?}: {said}", made.revoked));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(server.events("scep_pkcsreq").len(), before + TABLE.len());
    clean(&fake);
}

#[test]
fn the_table_has_every_difference() {
    let listed = TABLE.iter().map(|(change, ..)| *change);
    let beside: Vec<Change> = CHANGES
        .into_iter()
        .filter(|change| listed.clone().all(|known| known != *change))
        .collect();
    // Each has a test of its own below.
    assert_eq!(beside, [Change::SerialRepeated, Change::Garbage]);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_number_that_was_given_twice_nobody_elses_certificate_is_revoked() {
    let (fake, server) = ejbca().await;
    let first = enrolled(&Device::of(&server, "corp").await).await;
    made_with(Change::SerialRepeated, &fake, &server).await;
    let said = said(&server);
    for part in [
        "issuer_mismatch",
        "is not what was approved: serialNumber: ",
        "it was not revoked, because another certificate has its number",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(fake.count(Operation::Revoke), 0);
    let ca = server.profile("corp").spec.issuer.authority();
    let ca = CaId::of_ca(ca.certificate());
    let store = &server.server.runtime().services.store;
    let kept = store.certificate(&ca, first.serial().as_bytes()).unwrap();
    let kept = kept.unwrap();
    assert!(kept.revoked.is_none() && kept.der == first.der());
    clean(&fake);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_certificate_is_not_delivered_and_another_one_is_made() {
    let (fake, server) = ejbca().await;
    let before = fake.issued().len();
    let device = Device::of(&server, "corp").await;
    fake.change(Change::Garbage);
    let reply = until_decided(&device, &first_request(&device)).await;
    let certificate = issued(reply);
    assert!(is_signed_by(&fake, &certificate));
    let made = fake.issued();
    assert_eq!(made.len(), before + 2);
    assert_eq!(made.last().unwrap().certificate, certificate.der());
    clean(&fake);
}
