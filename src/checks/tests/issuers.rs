//! CAs.

use super::*;

#[test]
fn a_ca_that_may_not_sign_crls_is_a_warning() {
    let env = TestEnv::new();
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let name = Name::parse("O=Test, CN=Test CA").unwrap();
    for (usage, warns) in [
        (KeyUsage::KEY_CERT_SIGN.union(KeyUsage::CRL_SIGN), false),
        (KeyUsage::KEY_CERT_SIGN, true),
    ] {
        let certificate = CertificateBuilder {
            subject: name.clone(),
            issuer: name.clone(),
            serial: Serial::random().unwrap(),
            not_before: now(),
            not_after: now() + Duration::days(3650),
            public_key: key.public_key().clone(),
            extensions: vec![
                Extension::basic_constraints(true, None),
                Extension::key_usage(usage),
            ],
        }
        .sign(&key, &key.scheme(Digest::Sha256).unwrap())
        .unwrap();
        write(&env.path("ca.pem"), certificate.to_pem().as_bytes());
        write_key(&env.path("ca.key"), &key);
        let warned = env
            .load()
            .warnings()
            .any(|problem| problem.to_string().contains("cRLSign"));
        assert_eq!(warned, warns);
    }
}

#[test]
fn the_next_ca_is_read_with_or_without_its_key() {
    let mut env = TestEnv::new();
    let (next, key) = create_root(
        &Name::parse("CN=Next CA").unwrap(),
        KeyKind::Ec(Curve::P256),
        now(),
        20,
    )
    .unwrap();
    write(&env.path("next.pem"), next.to_pem().as_bytes());
    write_key(&env.path("next.key"), &key);
    let (certificate, key) = (env.path("next.pem"), env.path("next.key"));
    let issuer = env.config.issuers.first_mut().unwrap();
    issuer.next_ca_cert_path = Some(certificate);
    let next_of = |env: &TestEnv| {
        env.load()
            .loaded
            .unwrap()
            .issuers
            .get("local")
            .unwrap()
            .authority()
            .next()
            .unwrap()
            .to_vec()
    };
    assert_eq!(next_of(&env), [next]);
    env.config.issuers.first_mut().unwrap().next_ca_key_path = Some(key);
    assert_eq!(next_of(&env).len(), 1);
    env.config.issuers.first_mut().unwrap().next_ca_cert_path = None;
    assert!(env.failure().contains("there is no next_ca_cert_path"));
}

#[test]
fn a_neighbour_that_is_no_ca_is_named_with_its_own_setting_and_file() {
    let expect = |setting: &str, file: &str, set: fn(&mut crate::config::Issuer, PathBuf)| {
        let mut env = TestEnv::new();
        // The RA's certificate is good, and no CA's.
        let path = env.path(file);
        fs::copy(env.path("ra.pem"), &path).unwrap();
        set(env.config.issuers.first_mut().unwrap(), path.clone());
        let said = env.failure();
        let start = format!("issuer local: {setting} ({}): ", path.display());
        assert!(said.starts_with(&start), "{said}");
        assert!(!said.contains("ca_cert_path and its key"), "{said}");
    };
    expect("next_ca_cert_path", "next.pem", |issuer, path| {
        issuer.next_ca_cert_path = Some(path);
    });
    expect("previous_ca_cert_paths", "old.pem", |issuer, path| {
        issuer.previous_ca_cert_paths = vec![path];
    });
    expect("chain_path", "chain.pem", |issuer, path| {
        issuer.chain_path = Some(path);
    });
}

#[test]
fn the_next_chain_is_named_when_it_does_not_fit_the_next_ca() {
    let mut env = TestEnv::new();
    fs::copy(env.path("ca.pem"), env.path("next.pem")).unwrap();
    fs::copy(env.path("ra.pem"), env.path("next-chain.pem")).unwrap();
    let (next, chain) = (env.path("next.pem"), env.path("next-chain.pem"));
    let issuer = env.config.issuers.first_mut().unwrap();
    (issuer.next_ca_cert_path, issuer.next_chain_path) = (Some(next), Some(chain.clone()));
    let said = env.failure();
    let start = format!("issuer local: next_chain_path ({}): ", chain.display());
    assert!(said.starts_with(&start), "{said}");
}

#[test]
fn settings_of_other_kinds_are_refused_where_they_stand() {
    let mut env = TestEnv::new();
    let issuer = env.config.issuers.first_mut().unwrap();
    issuer.vault.role = "scepd".to_owned();
    issuer.url = Some(crate::config::AskedUrl::new("https://vault.example.com"));
    issuer.accept_shorter_validity = true;
    let outcome = env.load();
    let failures: Vec<String> = outcome.failures().map(ToString::to_string).collect();
    for (setting, what) in [
        ("vault", "this section is for issuers of type \"vault\""),
        ("url", "somewhere else"),
        ("accept_shorter_validity", "somewhere else"),
    ] {
        let said =
            |line: &&String| line.contains(&format!("local: {setting}")) && line.contains(what);
        assert!(
            failures.iter().any(|line| said(&line)),
            "{setting}: {failures:?}"
        );
    }
    assert_eq!(failures.len(), 3, "{failures:?}");
}

#[test]
fn what_is_wrong_in_a_section_of_aws_is_said_of_its_setting() {
    use crate::config::issuer_kinds::aws_pca::AwsAuth;
    use crate::config::{AskedUrl, IssuerKind};

    const ARN: &str = "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/0d5a";
    let said = |set: &dyn Fn(&TestEnv, &mut crate::config::Issuer)| {
        let mut env = TestEnv::new();
        let mut issuer = crate::config::Issuer {
            id: "aws".to_owned(),
            kind: IssuerKind::AwsPca,
            ..Default::default()
        };
        issuer.aws_pca.ca_arn = ARN.to_owned();
        issuer.aws_pca.auth = AwsAuth::Keys;
        issuer.aws_pca.access_key_id = Some("AKIA1".to_owned());
        issuer.aws_pca.secret_access_key = Some(crate::config::Secret::new("canary"));
        set(&env, &mut issuer);
        env.config.issuers.push(issuer);
        let outcome = env.load();
        let failures = outcome.failures().map(ToString::to_string);
        let of_aws = failures.filter(|line| line.starts_with("issuer aws: "));
        of_aws.collect::<Vec<_>>()
    };
    let expect = |start: &str, set: &dyn Fn(&TestEnv, &mut crate::config::Issuer)| {
        let said = said(set);
        let starts = |line: &String| line.starts_with(&format!("issuer aws: aws_pca.{start}"));
        assert!(said.iter().any(starts), "{start}: {said:?}");
        assert!(!said.join("\n").contains("canary"), "{said:?}");
    };
    expect("ca_arn: it is not set", &|_, issuer| {
        issuer.aws_pca.ca_arn.clear()
    });
    expect("ca_arn: it is no ARN", &|_, issuer| {
        issuer.aws_pca.ca_arn = "arn:aws:acm:eu-central-1:1:certificate/x".to_owned();
    });
    expect("crl_url: ", &|_, issuer| {
        issuer.aws_pca.crl_url = Some(AskedUrl::new("s3://corp/ca.crl"));
    });
    expect("access_key_id: it is not set", &|_, issuer| {
        issuer.aws_pca.access_key_id = None
    });
    expect("secret_access_key_file: it is not set", &|_, issuer| {
        issuer.aws_pca.secret_access_key = None;
    });
    expect("credentials_file: it is not set", &|_, issuer| {
        issuer.aws_pca.auth = AwsAuth::Profile
    });
    expect("role_arn: it is not set", &|_, issuer| {
        issuer.aws_pca.auth = AwsAuth::WebIdentity
    });
    expect("web_identity_token_file ", &|env, issuer| {
        issuer.aws_pca.auth = AwsAuth::WebIdentity;
        issuer.aws_pca.role_arn = Some("arn:aws:iam::1:role/scepd".to_owned());
        issuer.aws_pca.web_identity_token_file = Some(env.path("none"));
    });
    expect("container_url: ", &|_, issuer| {
        issuer.aws_pca.auth = AwsAuth::Container;
        issuer.aws_pca.container_url = Some(AskedUrl::new("http://keys.example.com/"));
    });
    expect("metadata_url: ", &|_, issuer| {
        issuer.aws_pca.auth = AwsAuth::Instance;
        issuer.aws_pca.metadata_url = AskedUrl::new("169.254.169.254");
    });
    let secret = said(&|_, issuer| {
        issuer.aws_pca.ca_arn = ARN.replace("arn:aws:", "arn:aws-iso:");
    });
    assert!(
        secret[0].starts_with("issuer aws: url: it is not set"),
        "{secret:?}"
    );
}
