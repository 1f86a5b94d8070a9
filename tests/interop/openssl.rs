//! OpenSSL's command line reads everything that the server sends.

use std::fs;
use std::path::{Path, PathBuf};

use pki::{Csr, KeyKind, Name, PrivateKey, SubjectAltNames, cms};
use scep::client::{CaCertificates, Content, RequestBuilder, self_signed};

use crate::server::Server;
use crate::{http, tool};

/// A device with a key, a self-signed certificate and the profile's certificates, its files in `dir`.
struct Device {
    dir: PathBuf,
    url: String,
    key: PrivateKey,
    certificate: pki::Certificate,
    ca: CaCertificates,
}

impl Device {
    fn of(server: &Server, path_id: &str) -> Device {
        let (dir, url) = (server.scratch("openssl"), server.http(path_id));
        let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        let name = Name::parse("O=Example, CN=box-4").unwrap();
        let certificate = self_signed(&name, &key, chrono::Utc::now()).unwrap();
        let body = http::get(&format!("{url}?operation=GetCACert")).body;
        fs::write(dir.join("key.pem"), key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
        fs::write(dir.join("signer.pem"), certificate.to_pem()).unwrap();
        fs::write(dir.join("ca.p7"), &body).unwrap();
        Device {
            dir,
            url,
            key,
            certificate,
            ca: CaCertificates::read(&body).unwrap(),
        }
    }

    /// Sends a request; what OpenSSL makes of the outside of the reply is in `envelope.der`.
    fn ask(&self, server: &Server, content: Content<'_>) {
        let recipient = self.ca.recipient().unwrap();
        let request = RequestBuilder::new(content, (&self.certificate, &self.key), &[recipient])
            .build()
            .unwrap();
        let reply = http::post(&self.url, request.message());
        assert_eq!(
            (reply.status, reply.content_type.as_str()),
            (200, "application/x-pki-message")
        );
        fs::write(self.dir.join("reply.der"), &reply.body).unwrap();
        let ca = server.ca();
        let verify = [
            "cms",
            "-verify",
            "-inform",
            "DER",
            "-in",
            "reply.der",
            "-CAfile",
            ca.to_str().unwrap(),
            "-purpose",
            "any",
            "-binary",
            "-out",
            "envelope.der",
        ];
        tool::openssl(&self.dir, &verify);
    }

    /// Opens the envelope of the last reply; the degenerate SignedData inside.
    fn open(&self) -> Vec<u8> {
        let decrypt = [
            "cms",
            "-decrypt",
            "-inform",
            "DER",
            "-in",
            "envelope.der",
            "-recip",
            "signer.pem",
            "-inkey",
            "key.pem",
            "-binary",
            "-out",
            "inside.p7",
        ];
        tool::openssl(&self.dir, &decrypt);
        fs::read(self.dir.join("inside.p7")).unwrap()
    }

    fn csr(&self, challenge: &str) -> Csr {
        let name = Name::parse("O=Example, CN=box-4").unwrap();
        let sans = SubjectAltNames::parse("dns:box-4.example.org").unwrap();
        Csr::build(&name, &sans, Some(challenge), &[], &self.key).unwrap()
    }
}

fn certificates_in(dir: &Path, p7: &str) -> String {
    tool::openssl(dir, &["pkcs7", "-inform", "DER", "-in", p7, "-print_certs"])
}

#[test]
#[ignore = "needs the openssl command"]
fn it_opens_the_reply_and_verifies_the_certificate() {
    for flags in [["--ca", "rsa"], ["--ca", "ec"]] {
        let server = Server::start_with(&flags, &[], |_, _| {});
        let device = Device::of(&server, "corp");
        let csr = device.csr(&server.challenge("corp"));
        device.ask(&server, Content::PkcsReq(&csr));
        device.open();
        let printed = certificates_in(&device.dir, "inside.p7");
        // The certificate of the device stands first: clients store the first.
        let first = printed.split("-----END").next().unwrap();
        assert!(first.contains("box-4"), "{printed}");
        fs::write(device.dir.join("cert.pem"), &printed).unwrap();
        tool::judge(
            &device.dir,
            &server.ca(),
            "cert.pem",
            "key.pem",
            "CN=box-4,O=Example",
        );
        let lint = tool::openssl(&device.dir, &["x509", "-in", "cert.pem", "-noout", "-text"]);
        for part in [
            "DNS:box-4.example.org",
            "TLS Web Client Authentication",
            "Subject Key Identifier",
            "Authority Key Identifier",
        ] {
            assert!(lint.contains(part), "no {part} in {lint}");
        }
        assert!(!lint.contains("CA:TRUE"), "{lint}");
    }
}

#[test]
#[ignore = "needs the openssl command"]
fn it_verifies_the_signature_of_a_refusal() {
    let server = Server::start(&[]);
    let device = Device::of(&server, "corp");
    device.ask(&server, Content::PkcsReq(&device.csr("wrong")));
    assert_eq!(
        fs::read(device.dir.join("envelope.der")).unwrap(),
        b"",
        "a refusal has an empty content"
    );
}

#[test]
#[ignore = "needs the openssl command"]
fn it_verifies_the_crl() {
    let server = Server::start(&[]);
    let device = Device::of(&server, "corp");
    let issuing = device.ca.issuing();
    device.ask(
        &server,
        Content::GetCrl {
            issuer: issuing.subject(),
            serial: issuing.serial(),
        },
    );
    let (_, crls) = cms::parse_degenerate(&device.open()).unwrap();
    fs::write(
        device.dir.join("crl.der"),
        crls.first().expect("a CRL").der(),
    )
    .unwrap();
    fs::write(device.dir.join("issuing.pem"), issuing.to_pem()).unwrap();
    let checked = tool::openssl(
        &device.dir,
        &[
            "crl",
            "-inform",
            "DER",
            "-in",
            "crl.der",
            "-noout",
            "-text",
            "-verify",
            "-CAfile",
            "issuing.pem",
        ],
    );
    assert!(
        checked.contains("verify OK") && checked.contains("CRL Number"),
        "{checked}"
    );
}

#[test]
#[ignore = "needs the openssl command"]
fn it_chains_the_ra_certificate_to_the_root() {
    let server = Server::start(&[]);
    let device = Device::of(&server, "corp");
    let printed = certificates_in(&device.dir, "ca.p7");
    assert!(
        printed.matches("BEGIN CERTIFICATE").count() >= 2,
        "{printed}"
    );
    for (at, ra) in device.ca.ras().iter().enumerate() {
        let name = format!("ra-{at}.pem");
        fs::write(device.dir.join(&name), ra.to_pem()).unwrap();
        let ca = server.ca();
        tool::openssl(
            &device.dir,
            &[
                "verify",
                "-x509_strict",
                "-CAfile",
                ca.to_str().unwrap(),
                "-untrusted",
                &name,
                &name,
            ],
        );
    }
    assert!(
        !device.ca.ras().is_empty(),
        "quickstart has an RA of its own"
    );
}

#[test]
#[ignore = "needs the openssl command"]
fn it_speaks_tls_1_2_and_1_3_and_is_asked_for_no_certificate() {
    let server = Server::start(&[]);
    let dir = server.scratch("tls");
    let url = server.https("");
    let (address, ca) = (url.trim_start_matches("https://"), server.ca());
    for version in ["-tls1_2", "-tls1_3"] {
        let connect = [
            "s_client",
            "-connect",
            address,
            "-servername",
            "localhost",
            "-verify_hostname",
            "localhost",
            "-CAfile",
            ca.to_str().unwrap(),
            "-verify_return_error",
            version,
        ];
        let said = tool::openssl(&dir, &connect);
        assert!(
            said.contains("Verify return code: 0 (ok)"),
            "{version}: {said}"
        );
        assert!(
            said.contains("No client certificate CA names sent"),
            "{version}: {said}"
        );
    }
    let old = tool::run(
        &dir,
        "openssl",
        &[
            "s_client",
            "-connect",
            address,
            "-tls1_1",
            "-cipher",
            "ALL:@SECLEVEL=0",
        ],
    );
    assert!(!old.ok, "TLS 1.1 is refused: {}", old.all);
}
