//! Each way in which a certificate can differ: OpenSSL sees a difference, and that one.

use issuer_fakes::{CHANGES, Change};
use openssl::x509::X509;

use crate::client::{KEY, csr_of, pem, read, unbase64};
use crate::ejbca::administrator;

/// What OpenSSL says of a certificate, less what differs every time.
fn told(certificate: &X509) -> String {
    let text = String::from_utf8(certificate.to_text().unwrap()).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    // The signature ends it and the serial number stands before the algorithm.
    let signature = lines
        .iter()
        .rposition(|line| line.contains("Signature Algorithm"))
        .unwrap();
    lines.truncate(signature);
    let serial = lines
        .iter()
        .position(|line| line.contains("Signature Algorithm"))
        .unwrap();
    lines.drain(..serial);
    lines.join("\n")
}

#[tokio::test]
async fn each_change_changes_what_it_says() {
    let (fake, client) = administrator().await;
    let request = pem("CERTIFICATE REQUEST", &csr_of(&KEY, "laptop-1"));
    let issue = || async {
        let body = serde_json::json!({
            "certificate_request": request, "certificate_profile_name": "DEVICE",
            "end_entity_profile_name": "Devices", "certificate_authority_name": "ManagementCA",
            "username": "scepd-1", "response_format": "DER",
        });
        let url = format!(
            "{}/ejbca/ejbca-rest-api/v1/certificate/pkcs10enroll",
            fake.url()
        );
        let request = client.post(url).header("content-type", "application/json");
        let (_, answer) = read(request.body(body.to_string()).send().await.unwrap()).await;
        unbase64(&answer["certificate"])
    };
    let right = X509::from_der(&issue().await).unwrap();
    let again = X509::from_der(&issue().await).unwrap();
    assert_eq!(told(&right), told(&again), "nothing else differs");
    let issuing = X509::from_der(&fake.chain()[0])
        .unwrap()
        .public_key()
        .unwrap();
    for change in CHANGES {
        let before = fake.issued().last().unwrap().serial.clone();
        fake.change(change);
        let der = issue().await;
        if change == Change::Garbage {
            assert!(X509::from_der(&der).is_err());
            continue;
        }
        let wrong = X509::from_der(&der).unwrap();
        let serial = wrong.serial_number().to_bn().unwrap();
        match change {
            Change::SerialZero => assert_eq!(serial.num_bits(), 0),
            Change::SerialNegative => assert!(serial.is_negative()),
            Change::SerialLong => assert_eq!(serial.num_bytes(), 21),
            Change::SerialRepeated => assert_eq!(hex::encode(serial.to_vec()), before),
            Change::AnotherSigner => {
                assert_eq!(told(&wrong), told(&right));
                assert!(!wrong.verify(&issuing).unwrap());
                continue;
            }
            _ => assert_ne!(told(&wrong), told(&right), "{change:?}"),
        }
        assert!(wrong.verify(&issuing).unwrap(), "{change:?}");
    }
    assert_eq!(fake.issued().len(), CHANGES.len() + 2);
}
