//! What variables set.
#![allow(clippy::unwrap_used)]
use super::super::{Config, Span};
use super::*;

fn read(file: &str, variables: &[(&str, &str)]) -> (Config, Gathered) {
    let mut tree: Table = toml::from_str(file).unwrap();
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let gathered = apply(&variables, &mut tree);
    (tree.try_into().unwrap(), gathered)
}

#[test]
fn a_profile_whose_name_another_ones_begins_with_has_all_its_variables() {
    let (config, gathered) = read(
        "",
        &[
            ("SCEPD_PROFILES", "corp,corp-intune"),
            ("SCEPD_PROFILE_CORP_ISSUER_ID", "of-corp"),
            ("SCEPD_PROFILE_CORP_INTUNE_ENABLED", "true"),
            ("SCEPD_PROFILE_CORP_INTUNE_ISSUER_ID", "of-intune"),
            ("SCEPD_PROFILE_CORP_INTUNE_INTUNE_AUDIENCE", "https://scep"),
            ("SCEPD_PROFILE_CORP_INTUNE_ISUER_ID", "x"),
        ],
    );
    let [corp, intune] = config.profiles.as_slice() else {
        unreachable!()
    };
    assert_eq!(
        (corp.issuer_id.as_str(), corp.intune.enabled),
        ("of-corp", true)
    );
    assert_eq!(
        (intune.issuer_id.as_str(), intune.intune.enabled),
        ("of-intune", false)
    );
    assert_eq!(intune.intune.audience.as_deref(), Some("https://scep"));
    let [typo] = gathered.notices.as_slice() else {
        unreachable!()
    };
    assert!(
        typo.text.ends_with("SCEPD_PROFILE_CORP_INTUNE_ISSUER_ID?"),
        "{typo:?}"
    );
}

#[test]
fn a_tenants_secret_comes_from_the_environment() {
    let file = "[[tenant]]\nid = 'contoso'\nclient_secret_file = '/etc/secret'\n[[tenant]]\nid = 'contoso-lab'\n";
    let (config, gathered) = read(
        file,
        &[
            ("SCEPD_TENANT_CONTOSO_CLIENT_SECRET", "first"),
            ("SCEPD_TENANT_CONTOSO_LAB_CLIENT_SECRET_FILE", "/run/lab"),
            ("SCEPD_TENANT_CONTOSO_LAB_MANAGED_IDENTITY", "true"),
            ("SCEPD_TENANT_FABRIKAM_CLIENT_SECRET", "canary"),
            ("SCEPD_TENANT_CONTOSO_CLIENT_SECRT", "canary"),
        ],
    );
    let [contoso, lab] = config.tenants.as_slice() else {
        unreachable!()
    };
    let secret = contoso.client_secret.as_ref().map(|secret| secret.expose());
    assert_eq!(secret, Some("first"));
    assert_eq!(contoso.client_secret_file, None, "the file gives way");
    assert_eq!(
        lab.client_secret_file.as_deref(),
        Some(std::path::Path::new("/run/lab"))
    );
    assert!(lab.managed_identity && lab.client_secret.is_none());
    let texts: Vec<&str> = gathered
        .notices
        .iter()
        .map(|one| one.text.as_str())
        .collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("names no tenant")));
    assert!(
        texts
            .iter()
            .any(|text| text.ends_with("SCEPD_TENANT_CONTOSO_CLIENT_SECRET?"))
    );
    assert!(!texts.concat().contains("canary"));
}

#[test]
fn profiles_by_list() {
    let (config, gathered) = read(
        "",
        &[
            ("SCEPD_PROFILES", "Corp, iot"),
            ("SCEPD_PROFILE_CORP_ISSUER_ID", "local"),
            ("SCEPD_PROFILE_CORP_PROFILE_ID", "device"),
            ("SCEPD_PROFILE_CORP_CHALLENGE_PASSWORD", "12345"),
            ("SCEPD_PROFILE_CORP_RA_CERT_PATH", "/etc/ra.pem"),
            ("SCEPD_PROFILE_CORP_RA_KEY_PATH", "/etc/ra.key"),
            ("SCEPD_PROFILE_CORP_MTLS_ENABLED", "true"),
            (
                "SCEPD_PROFILE_CORP_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH",
                "/etc/mtls.pem",
            ),
            ("SCEPD_PROFILE_IOT_INTUNE_ENABLED", "true"),
            ("SCEPD_PROFILE_IOT_INTUNE_CONNECTOR_CERT_PATH", "/etc/c.pem"),
            ("SCEPD_PROFILE_IOT_INTUNE_AUDIENCE", "https://scep"),
            ("SCEPD_PROFILE_IOT_INTUNE_CHALLENGE_VALIDITY", "30m"),
            ("SCEPD_PROFILE_IOT_INTUNE_PER_DEVICE_RATE_LIMIT_24H", "5"),
            ("SCEPD_PROFILE_IOT_INTUNE_CLOCK_SKEW_TOLERANCE", "90s"),
        ],
    );
    assert!(
        gathered.errors.is_empty() && gathered.notices.is_empty(),
        "{:?}",
        gathered.notices
    );
    let [corp, iot] = config.profiles.as_slice() else {
        unreachable!()
    };
    assert_eq!(
        (
            corp.path_id.as_str(),
            corp.issuer_id.as_str(),
            corp.profile_id.as_str()
        ),
        ("corp", "local", "device")
    );
    assert_eq!(corp.challenge_password.as_ref().unwrap().expose(), "12345");
    assert!(corp.mtls.enabled && corp.mtls.client_ca_trust_bundle_path.is_some());
    assert!(corp.ra_cert_path.is_some() && corp.ra_key_path.is_some() && !corp.intune.enabled);
    assert!(iot.intune.enabled && iot.intune.connector_cert_path.is_some());
    assert_eq!(iot.intune.audience.as_deref(), Some("https://scep"));
    assert_eq!(iot.intune.challenge_validity, Span::minutes(30));
    assert_eq!(iot.intune.per_device_rate_limit_24h, 5);
    assert_eq!(iot.intune.clock_skew_tolerance, Span::seconds(90));
}

#[test]
fn variables_override_the_files_profile_without_a_list() {
    let (config, gathered) = read(
        "[[profile]]\npath_id='corp-eu'\nissuer_id='a'\nchallenge_password_file='/x'\n[[profile]]\npath_id='corp'\n",
        &[
            ("SCEPD_PROFILE_CORP_EU_ISSUER_ID", "b"),
            ("SCEPD_PROFILE_CORP_EU_CHALLENGE_PASSWORD", "s"),
        ],
    );
    assert!(gathered.errors.is_empty() && gathered.notices.is_empty());
    let [eu, corp] = config.profiles.as_slice() else {
        unreachable!()
    };
    assert_eq!(eu.issuer_id, "b");
    assert!(eu.challenge_password.is_some() && eu.challenge_password_file.is_none());
    assert_eq!(corp.issuer_id, "");
}

#[test]
fn the_flat_form_makes_the_root_profile() {
    let flat = [
        ("SCEPD_CHALLENGE_PASSWORD", "s"),
        ("SCEPD_ISSUER_ID", "local"),
        ("SCEPD_PROFILE_ID", "device"),
    ];
    let (config, _) = read("", &flat);
    let [root] = config.profiles.as_slice() else {
        unreachable!()
    };
    assert_eq!(
        (
            root.path_id.as_str(),
            root.issuer_id.as_str(),
            root.profile_id.as_str()
        ),
        ("", "local", "device")
    );

    let mut with_list = flat.to_vec();
    with_list.push(("SCEPD_PROFILES", "iot"));
    let (config, gathered) = read("", &with_list);
    let [iot] = config.profiles.as_slice() else {
        unreachable!()
    };
    assert_eq!((iot.path_id.as_str(), iot.issuer_id.as_str()), ("iot", ""));
    assert_eq!(gathered.notices.len(), 3);
}

#[test]
fn certctl_names_are_read_with_one_line_and_yield_to_ours() {
    let (config, gathered) = read(
        "",
        &[
            ("CERTCTL_SCEP_ENABLED", "false"),
            ("CERTCTL_SCEP_PROFILES", "corp"),
            ("CERTCTL_SCEP_PROFILE_CORP_ISSUER_ID", "theirs"),
            ("SCEPD_PROFILE_CORP_ISSUER_ID", "ours"),
            ("CERTCTL_SCEP_PROFILE_CORP_CHALLENGE_PASSWORD", "canary-9"),
        ],
    );
    assert!(!config.server.scep_enabled);
    let [corp] = config.profiles.as_slice() else {
        unreachable!()
    };
    assert_eq!(corp.issuer_id, "ours");
    assert_eq!(
        corp.challenge_password.as_ref().unwrap().expose(),
        "canary-9"
    );
    let [notice] = gathered.notices.as_slice() else {
        unreachable!("{:?}", gathered.notices)
    };
    assert!(
        notice.text.contains("4 variables named CERTCTL_SCEP_*"),
        "{}",
        notice.text
    );
}

#[test]
fn sections_by_variable() {
    let (config, gathered) = read(
        "[server]\nhttp_listen='0.0.0.0:80'\n",
        &[
            ("SCEPD_SERVER_HTTP_LISTEN", "off"),
            ("SCEPD_SERVER_DATA_DIR", "/srv"),
            ("SCEPD_ADMIN_OIDC_ROLE_CLAIM", "groups"),
            ("SCEPD_LOG_FORMAT", "json"),
            ("SCEPD_STORE_TYPE", "sled"),
            ("SCEPD_SERVER_TLS_CERT_PATH", ""),
        ],
    );
    assert!(gathered.errors.is_empty() && gathered.notices.is_empty());
    assert_eq!(config.server.http_listen, None);
    assert_eq!(config.server.data_dir.to_str(), Some("/srv"));
    assert_eq!(config.admin.oidc.role_claim, "groups");
    assert_eq!(config.server.tls_cert_path, None);
}

#[test]
fn unknown_variables_are_said_and_ignored() {
    let (_, gathered) = read(
        "",
        &[
            ("SCEPD_PROFILES", "corp"),
            ("SCEPD_PROFILE_CORP_CHALENGE_PASSWORD", "canary"),
            ("SCEPD_PROFILE_OTHER_ISSUER_ID", "x"),
            ("SCEPD_SERVR_DATA_DIR", "x"),
            ("SCEPD_PORT", "tcp://10.0.0.1:8443"),
            ("SCEPD_SERVICE_HOST", "10.0.0.1"),
            ("SCEPD_CONFIG", "/x"),
        ],
    );
    let text: Vec<_> = gathered
        .notices
        .iter()
        .map(|notice| notice.text.as_str())
        .collect();
    assert_eq!(text.len(), 3, "{text:?}");
    assert!(
        text.iter()
            .any(|t| t.contains("did you mean SCEPD_PROFILE_CORP_CHALLENGE_PASSWORD?")),
        "{text:?}"
    );
    assert!(
        text.iter()
            .any(|t| t.contains("SCEPD_PROFILE_OTHER_ISSUER_ID") && t.contains("no profile"))
    );
    assert!(
        text.iter()
            .any(|t| t.contains("did you mean SCEPD_SERVER_DATA_DIR?"))
    );
    assert!(!text.concat().contains("canary"));
}

#[test]
fn wrong_values_name_the_variable_and_no_secret() {
    let (_, gathered) = read(
        "",
        &[
            ("SCEPD_PROFILES", "corp"),
            ("SCEPD_PROFILE_CORP_MTLS_ENABLED", "perhaps"),
            ("SCEPD_PROFILE_CORP_CHALLENGE_PASSWORD", "canary-1"),
            ("SCEPD_PROFILE_CORP_CHALLENGE_PASSWORD_FILE", "/x"),
        ],
    );
    let errors: Vec<_> = gathered.errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 2);
    assert!(
        errors
            .iter()
            .any(|e| e.starts_with("SCEPD_PROFILE_CORP_MTLS_ENABLED: ")),
        "{errors:?}"
    );
    assert!(errors.iter().any(|e| e.contains("keep one of the two")));
    assert!(!errors.concat().contains("canary"));
}
