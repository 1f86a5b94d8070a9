//! `fuzz_seeds -runs=0`: the first inputs of every target, taken out of the recorded messages (`SCEPD_FUZZ_VECTORS`)
//! and written below `SCEPD_FUZZ_CORPUS`.
//!
//! Its decoders are built to report to the fuzzer, so it is a fuzz target in form.
#![no_main]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use pki::cms::{Enveloped, Signed};
use pki::{Certificate, CrlBuilder, Digest, RevocationReason, RevokedEntry, Serial, ber, der};
use scep::{Answer, CryptoMode};
use scepd_fuzz::keys;

libfuzzer_sys::fuzz_target!(
    init: make().expect("the seeds are written"),
    |_data: &[u8]| {}
);

fn make() -> io::Result<()> {
    let corpus = env::var_os("SCEPD_FUZZ_CORPUS").map(PathBuf::from);
    let (Some(corpus), Some(vectors)) = (corpus, keys::vectors()) else {
        return Err(io::Error::other(
            "SCEPD_FUZZ_VECTORS and SCEPD_FUZZ_CORPUS name no directories",
        ));
    };
    let mut seeds = Seeds { corpus, written: 0 };
    for entry in fs::read_dir(&vectors)? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("p7") => seeds.message(&name, &fs::read(&path)?)?,
            Some("http") => seeds.request(&name, &fs::read_to_string(&path)?)?,
            _ => {}
        }
    }
    for entry in fs::read_dir(vectors.join("keys"))? {
        let path = entry?.path();
        let pem = fs::read(&path)?;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        seeds.write("pem", &name, &pem)?;
        seeds.write("anchors", &name, &pem)?;
        if let Ok(certificate) = Certificate::from_pem(&pem) {
            seeds.write("certificate", &name, certificate.der())?;
            seeds.write("ca_cert", &name, certificate.der())?;
        }
    }
    seeds.replies()?;
    seeds.crl()?;
    seeds.ocsp_requests()?;
    for (name, text) in TEXTS {
        seeds.write("text", name, text.as_bytes())?;
    }
    for (name, payload) in CLAIMS {
        seeds.write("claims", name, payload.as_bytes())?;
        let header = br#"{"alg":"ES256","typ":"JWT"}"#;
        let signed = keys::connector().and_then(|by| {
            challenge::mint::sign_as_given(header, payload.as_bytes(), &by.key).ok()
        });
        if let Some(text) = signed {
            seeds.write("challenge", name, text.as_bytes())?;
        }
    }
    println!("{} seeds", seeds.written);
    if seeds.written < 100 {
        Err(io::Error::other("far too few: is the directory right?"))
    } else {
        Ok(())
    }
}

const TEXTS: [(&str, &str); 5] = [
    ("name", "C=US, O=Example\\, Inc., OU=Fleet, CN=device 1"),
    (
        "sans",
        "dns:a.example,email:a@example.org,upn:a@example.org,uri:urn:x:1,ip:192.0.2.1,ip:2001:db8::1",
    ),
    ("serial", "00ff12"),
    (
        "caps",
        "AES\nPOSTPKIOperation\nSHA-256\nSHA-512\nSCEPStandard\nRenewal\nGetNextCACert\nSHA-1\nDES3\n",
    ),
    ("caps-crlf", "SHA-256\r\nAES\r\n"),
];

const CLAIMS: [(&str, &str); 3] = [
    (
        "good",
        r#"{"iss":"c","sub":"d","aud":"https://scep.example/scep/corp","iat":1767225600,"exp":1767229200,"nonce":"00ff","device_name":"device-1"}"#,
    ),
    (
        "names",
        r#"{"iss":"c","sub":"d","version":"v1","aud":"https://scep.example/scep/corp","iat":1767225000,"exp":1767229200,"nonce":"n","device_name":"device-1","san_dns":["a.example"],"san_rfc822":["a@example.org"],"san_upn":["a@example.org"]}"#,
    ),
    (
        "twice",
        r#"{"iat":1,"iat":2,"exp":1e99,"san_dns":[[],null],"Sub":"x\u0000"}"#,
    ),
];

struct Seeds {
    corpus: PathBuf,
    written: usize,
}

impl Seeds {
    /// A PKIMessage, and every layer of it that can be taken off.
    fn message(&mut self, name: &str, message: &[u8]) -> io::Result<()> {
        for target in ["ber", "pki_message", "signed", "get_message"] {
            self.write(target, name, message)?;
        }
        if let Ok(der) = ber::to_der(message, &ber::Limits::default()) {
            self.write("signed", &format!("{name}-der"), &der)?;
        }
        let Ok(signed) = Signed::parse(message) else {
            return Ok(());
        };
        for certificate in signed.certificates() {
            self.write("certificate", name, certificate.der())?;
        }
        let Some(content) = signed.content() else {
            return Ok(());
        };
        self.write("enveloped", name, content)?;
        self.write("ber", &format!("{name}-envelope"), content)?;
        let Ok(envelope) = Enveloped::parse(content) else {
            return Ok(());
        };
        for ra in keys::ras() {
            let ours = envelope.recipient_for(&ra.certificate).is_some();
            let Ok(plaintext) = envelope.open(&ra.certificate, &ra.key) else {
                continue;
            };
            if ours && plaintext.well_padded() {
                self.write("csr", name, plaintext.bytes())?;
            }
        }
        Ok(())
    }

    /// OCSP requests as OpenSSL, Windows and Firefox make them.
    fn ocsp_requests(&mut self) -> io::Result<()> {
        let Some(ca) = keys::ras().first() else {
            return Ok(());
        };
        let Ok(nonce_oid) = der::oid(pki::oid::OCSP_NONCE) else {
            return Ok(());
        };
        for (digest, nonce) in [
            (Digest::Sha1, 0),
            (Digest::Sha1, 16),
            (Digest::Sha256, 32),
            (Digest::Sha512, 128),
        ] {
            let ids = [1_u8, 200].map(|serial| {
                let id = ocsp::CertId::new(digest, &ca.certificate, &Serial::new([0, serial]));
                der::seq(&[&id.der])
            });
            let value = der::octet_string(&der::octet_string(&vec![7; nonce]));
            let extensions = match nonce {
                0 => Vec::new(),
                _ => der::explicit(2, &der::seq(&[&der::seq(&[&nonce_oid, &value])])),
            };
            let list = der::seq(&[&ids[0], &ids[1]]);
            let request = der::seq(&[&der::seq(&[&list, &extensions])]);
            let name = format!("{}-{nonce}", digest.name());
            self.write("ocsp_request", &name, &request)?;
        }
        Ok(())
    }

    /// A CRL, alone and as a GetCRL reply carries it.
    fn crl(&mut self) -> io::Result<()> {
        let Some(ca) = keys::ras().first() else {
            return Ok(());
        };
        let entry = |serial: &[u8], reason| RevokedEntry {
            serial: Serial::new(serial),
            revoked_at: keys::NOW,
            reason,
        };
        let builder = CrlBuilder {
            issuer: ca.certificate.subject().clone(),
            entries: vec![
                entry(&[0, 200, 7], Some(RevocationReason::KeyCompromise)),
                entry(&[9], None),
            ],
            number: 77,
            this_update: keys::NOW,
            next_update: keys::NOW,
            aki: ca.certificate.ski().map(<[u8]>::to_vec),
        };
        let scheme = ca.key.scheme(Digest::Sha256);
        let Ok(crl) = scheme.and_then(|scheme| builder.sign(&ca.key, &scheme)) else {
            return Ok(());
        };
        self.write("crl", "two-entries", crl.der())?;
        let body = pki::cms::degenerate(&[], &[crl.der()]);
        self.write("degenerate", "crl", &body)
    }

    /// The request line of a GET.
    fn request(&mut self, name: &str, text: &str) -> io::Result<()> {
        let target = text.split_whitespace().nth(1).unwrap_or_default();
        match target.split_once('?') {
            Some((_, query)) => {
                self.write("get_message", &format!("{name}-query"), query.as_bytes())
            }
            None => Ok(()),
        }
    }

    /// What the server would answer to the fuzzed request, and the certificates it shows.
    fn replies(&mut self) -> io::Result<()> {
        let Some((request, ra)) = keys::request() else {
            return Ok(());
        };
        let Some(identity) = keys::ras().first() else {
            return Ok(());
        };
        if let Ok(opened) = scep::open(request.message(), keys::ras(), CryptoMode::Modern) {
            let certificates = [ra.clone()];
            let answers = [
                (
                    "success",
                    Answer::Success {
                        certificates: &certificates,
                    },
                ),
                ("pending", Answer::Pending),
                (
                    "failure",
                    Answer::Failure {
                        fail_info: scep::FailInfo::BadRequest,
                        text: "no",
                    },
                ),
            ];
            for (name, answer) in answers {
                if let Ok(reply) = scep::cert_rep(
                    &opened.reply,
                    &answer,
                    identity,
                    CryptoMode::Modern,
                    keys::NOW,
                ) {
                    self.write("cert_rep", name, &reply)?;
                    self.write("signed", &format!("reply-{name}"), &reply)?;
                }
            }
        }
        let all: Vec<&Certificate> = keys::ras().iter().map(|ra| &ra.certificate).collect();
        let body = pki::cms::degenerate(&all, &[]);
        self.write("ca_cert", "degenerate", &body)?;
        self.write("degenerate", "certificates", &body)
    }

    fn write(&mut self, target: &str, name: &str, octets: &[u8]) -> io::Result<()> {
        let dir: &Path = &self.corpus.join(target);
        fs::create_dir_all(dir)?;
        fs::write(dir.join(format!("seed-{name}")), octets)?;
        self.written += 1;
        Ok(())
    }
}
