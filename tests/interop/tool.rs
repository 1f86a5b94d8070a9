//! Running programs, and what OpenSSL says of their results.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a program said and how it ended.
pub(crate) struct Said {
    pub(crate) ok: bool,
    /// Standard output.
    pub(crate) out: Vec<u8>,
    /// Both streams as text, for messages.
    pub(crate) all: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        Said {
            ok: output.status.success(),
            all: text(&output.stdout) + &text(&output.stderr),
            out: output.stdout,
        }
    }
}

/// Runs a program in a directory.
pub(crate) fn run(dir: &Path, program: &str, args: &[&str]) -> Said {
    let mut command = Command::new(program);
    command.current_dir(dir).args(args).stdin(Stdio::null());
    command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {program}: {error}"))
        .into()
}

/// Runs a program that must succeed.
pub(crate) fn must(dir: &Path, program: &str, args: &[&str]) -> Said {
    let said = run(dir, program, args);
    assert!(
        said.ok,
        "{program} {} failed:\n{}",
        args.join(" "),
        said.all
    );
    said
}

/// What `openssl` prints; it must succeed.
pub(crate) fn openssl(dir: &Path, args: &[&str]) -> String {
    must(dir, "openssl", args).all
}

/// A new RSA key in `name`.
pub(crate) fn rsa_key(dir: &Path, name: &str) {
    openssl(
        dir,
        &[
            "genpkey",
            "-quiet",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
            "-out",
            name,
        ],
    );
}

/// OpenSSL accepts the certificate below the CA, it is about the key, and for this subject. Its serial number.
pub(crate) fn judge(dir: &Path, ca: &Path, certificate: &str, key: &str, subject: &str) -> String {
    openssl(
        dir,
        &[
            "verify",
            "-x509_strict",
            "-CAfile",
            ca.to_str().unwrap(),
            certificate,
        ],
    );
    let of_certificate = openssl(dir, &["x509", "-in", certificate, "-noout", "-pubkey"]);
    let of_key = openssl(dir, &["pkey", "-in", key, "-pubout"]);
    assert_eq!(
        of_certificate, of_key,
        "the certificate is about the client's key"
    );
    let named = openssl(
        dir,
        &[
            "x509",
            "-in",
            certificate,
            "-noout",
            "-subject",
            "-nameopt",
            "RFC2253,-esc_msb",
        ],
    );
    assert!(named.contains(subject), "{named} does not name {subject}");
    openssl(dir, &["x509", "-in", certificate, "-noout", "-serial"])
        .trim()
        .to_owned()
}
