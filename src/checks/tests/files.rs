//! Files that are absent, damaged, open to others, or of another pair.

use super::*;

/// Every kind of bad file at every setting that names one: each refusal names profile, setting and file.
#[test]
fn each_kind_of_bad_file_is_named() {
    let certificates = ["ca.pem", "tls.pem", "ra.pem", "mtls.pem", "connector.pem"];
    let keys = ["ca.key", "tls.key", "ra.key"];
    let setting = |file: &str| match file {
        "ca.pem" => "issuer local: ca_cert_path",
        "ca.key" => "issuer local: ca_key_path",
        "tls.pem" => "server: tls_cert_path",
        "tls.key" => "server: tls_key_path",
        "ra.pem" => "profile corp: ra_cert_path",
        "ra.key" => "profile corp: ra_key_path",
        "mtls.pem" => "profile corp: mtls.client_ca_trust_bundle_path",
        _ => "profile corp: intune.connector_cert_path",
    };
    for file in certificates.into_iter().chain(keys) {
        let env = TestEnv::new();
        let path = env.path(file);
        let whole = fs::read(&path).unwrap();
        let said = |kind: &str| {
            let outcome = env.load();
            let text: Vec<String> = outcome.failures().map(ToString::to_string).collect();
            let named = format!("{} ({})", setting(file), path.display());
            assert!(outcome.loaded.is_none(), "{file} {kind}");
            assert!(
                text.iter().any(|line| line.starts_with(&named)),
                "{file} {kind}: {text:#?}"
            );
            text.join("\n")
        };
        fs::remove_file(&path).unwrap();
        assert!(said("absent").contains("there is no such file"));
        write(&path, b"");
        assert!(said("empty").contains("it is empty"));
        write(&path, b"garbage");
        said("garbage");
        write(&path, &whole[..whole.len() / 2]);
        said("truncated");
        write(&path, &whole);
        assert!(env.load().loaded.is_some(), "{file} whole again");
    }
}

#[test]
fn keys_of_other_certificates_are_refused() {
    for (key, words) in [
        ("ca.key", "ca.pem"),
        ("tls.key", "tls.pem"),
        ("ra.key", "ra.pem"),
    ] {
        let env = TestEnv::new();
        write_key(
            &env.path(key),
            &PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap(),
        );
        let text = env
            .load()
            .failures()
            .map(ToString::to_string)
            .collect::<String>();
        assert!(
            text.contains("the key is not that of the certificate in") && text.contains(words),
            "{text}"
        );
    }
}

#[test]
fn open_keys_and_secrets_are_refused() {
    for (file, setting) in [
        ("ca.key", "issuer local: ca_key_path"),
        ("tls.key", "server: tls_key_path"),
        ("ra.key", "profile corp: ra_key_path"),
        ("challenge", "profile corp: challenge_password_file"),
    ] {
        let env = TestEnv::new();
        fs::set_permissions(env.path(file), Permissions::from_mode(0o640)).unwrap();
        let text = env.failure();
        assert!(
            text.starts_with(setting) && text.contains("mode 0640") && text.contains("chmod 600"),
            "{text}"
        );
    }
}
