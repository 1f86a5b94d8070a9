//! What OpenSSL, GnuTLS and pyca make of the OCSP responder and the CRL.

use std::fs;
use std::path::Path;

use crate::admin::Operator;
use crate::published::{self, Published};
use crate::tool;

/// What `openssl ocsp` says of a device's certificate.
fn openssl(published: &Published, device: &Path, more: &[&str]) -> String {
    let url = published.url("/ocsp/local");
    let mut args = vec![
        "ocsp", "-issuer", "ca.pem", "-CAfile", "ca.pem", "-url", &url,
    ];
    args.extend(more);
    if !more.contains(&"-serial") {
        args.extend(["-cert", "cert.pem"]);
    }
    let said = tool::run(device, "openssl", &args);
    assert!(said.all.contains("Response verify OK"), "{}", said.all);
    said.all
}

#[test]
#[ignore = "needs openssl"]
fn openssl_agrees_on_every_status() {
    let published = published::start();
    let (kept, lost) = (published.device("kept"), published.device("lost"));
    let operator = Operator::of(&published.server);
    operator.change_status(&published.serial(&lost), "revoke", "key_compromise");
    for digest in ["-sha1", "-sha256", "-sha384", "-sha512"] {
        for nonce in ["-nonce", "-no_nonce"] {
            // The digest goes before the certificate that it is for.
            let said = openssl(&published, &kept, &[digest, nonce]);
            assert!(said.contains("cert.pem: good"), "{said}");
            assert!(!said.contains("WARNING: no nonce"), "{said}");
            let said = openssl(&published, &lost, &[digest, nonce]);
            assert!(said.contains("cert.pem: revoked"), "{said}");
            assert!(said.contains("Reason: keyCompromise"), "{said}");
        }
    }
    let said = openssl(&published, &kept, &["-serial", "0x1234567890"]);
    assert!(said.contains("0x1234567890: unknown"), "{said}");
    // The server's own TLS certificate is not one that it gives statuses of.
    let stranger = tool::run(
        &kept,
        "openssl",
        &[
            "ocsp",
            "-issuer",
            "cert.pem",
            "-cert",
            "ca.pem",
            "-url",
            &published.url("/ocsp/local"),
        ],
    );
    assert!(stranger.all.contains("unauthorized"), "{}", stranger.all);
}

#[test]
#[ignore = "needs openssl"]
fn openssl_goes_by_the_crl() {
    let published = published::start();
    let (kept, lost) = (published.device("kept"), published.device("lost"));
    let operator = Operator::of(&published.server);
    operator.change_status(&published.serial(&lost), "revoke", "superseded");
    // The URL in the certificate, as a relying party has it.
    let text = tool::openssl(&lost, &["x509", "-in", "cert.pem", "-noout", "-text"]);
    let url = text
        .split("URI:")
        .map(|rest| rest.split_whitespace().next().unwrap_or_default())
        .find(|url| url.ends_with(".crl"))
        .expect("it names a CRL");
    let serial = published.serial(&lost);
    let list = published::crl_with(url, &serial);
    fs::write(lost.join("list.pem"), &list).unwrap();
    fs::write(kept.join("list.pem"), &list).unwrap();
    let check = [
        "verify",
        "-crl_check",
        "-CAfile",
        "ca.pem",
        "-CRLfile",
        "list.pem",
        "cert.pem",
    ];
    let said = tool::run(&lost, "openssl", &check);
    assert!(
        !said.ok && said.all.contains("certificate revoked"),
        "{}",
        said.all
    );
    let said = tool::run(&kept, "openssl", &check);
    assert!(said.ok, "{}", said.all);
}

#[test]
#[ignore = "needs ocsptool"]
fn gnutls_agrees_on_every_status() {
    let published = published::start();
    let (kept, lost) = (published.device("kept"), published.device("lost"));
    let operator = Operator::of(&published.server);
    operator.change_status(&published.serial(&lost), "revoke", "key_compromise");
    // It asks where the certificate says.
    let place = format!("Connecting to '{}'", published.address());
    let fixed = [
        "--ask",
        "--load-cert",
        "cert.pem",
        "--load-issuer",
        "ca.pem",
    ];
    for (device, status) in [(&kept, "good"), (&lost, "revoked")] {
        for nonce in [&["--nonce"][..], &[]] {
            let args = [&fixed[..], &["--load-trust", "ca.pem"], nonce].concat();
            let said = tool::run(device, "ocsptool", &args).all;
            assert!(said.contains(&place), "{said}");
            assert!(
                said.contains(&format!("Certificate Status: {status}")),
                "{said}"
            );
            assert!(said.contains("Verifying OCSP Response: Success"), "{said}");
            assert_eq!(said.contains("Nonce:"), !nonce.is_empty(), "{said}");
        }
    }
}

#[test]
#[ignore = "needs pyca cryptography"]
fn pyca_reads_answers_by_post_and_get() {
    let published = published::start();
    let (kept, lost) = (published.device("kept"), published.device("lost"));
    let operator = Operator::of(&published.server);
    operator.change_status(&published.serial(&lost), "revoke", "key_compromise");
    for (device, status) in [(&kept, "GOOD"), (&lost, "REVOKED")] {
        fs::write(device.join("judge.py"), JUDGE).unwrap();
        let url = published.url("/ocsp/local");
        let said = tool::must(device, "/usr/bin/python3", &["judge.py", &url, status]);
        assert!(said.all.contains("8 answers are right"), "{}", said.all);
    }
}

/// Asks in two digests, by POST and by GET in three escapings, and checks signature, signer and status.
const JUDGE: &str = r#"
import base64, sys, urllib.parse, urllib.request
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

url, status = sys.argv[1:]
certificate = x509.load_pem_x509_certificate(open("cert.pem", "rb").read())
ca = x509.load_pem_x509_certificate(open("ca.pem", "rb").read())
right = 0
for digest in (hashes.SHA1(), hashes.SHA256()):
    asked = ocsp.OCSPRequestBuilder().add_certificate(certificate, ca, digest).build()
    der = asked.public_bytes(serialization.Encoding.DER)
    text = base64.b64encode(der).decode()
    ways = [urllib.request.Request(url, der, {"Content-Type": "application/ocsp-request"})]
    for escaped in (text, urllib.parse.quote(text, safe=""), urllib.parse.quote(text, safe="/")):
        ways.append(urllib.request.Request(url + "/" + escaped))
    for way in ways:
        with urllib.request.urlopen(way) as reply:
            assert reply.status == 200 and reply.headers["Content-Type"] == "application/ocsp-response"
            answer = ocsp.load_der_ocsp_response(reply.read())
        assert answer.response_status == ocsp.OCSPResponseStatus.SUCCESSFUL
        assert answer.certificate_status == getattr(ocsp.OCSPCertStatus, status)
        assert answer.serial_number == certificate.serial_number
        assert answer.issuer_key_hash == asked.issuer_key_hash
        assert answer.issuer_name_hash == asked.issuer_name_hash
        assert answer.next_update > answer.this_update
        if status == "REVOKED":
            assert answer.revocation_reason == x509.ReasonFlags.key_compromise
        [signer] = answer.certificates
        signer.public_key().verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(answer.signature_hash_algorithm))
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [ExtendedKeyUsageOID.OCSP_SIGNING]
        signer.extensions.get_extension_for_class(x509.OCSPNoCheck)
        assert signer.issuer == ca.subject
        right += 1
print(right, "answers are right")
"#;
