//! What to prepare at EJBCA for a certificate profile of scepd, in words: its profiles are made in its pages.

use super::Profiles;
use issuer::policy::names::IpRule;
use issuer::{CertificatePolicy, NameRule};
use pki::Name;

/// What to set over there, line by line, for what `policy` approves.
#[must_use]
pub fn recommended(policy: &CertificatePolicy, ca: &str, profiles: &Profiles) -> Vec<String> {
    let Profiles {
        certificate,
        end_entity,
    } = profiles;
    let usages: Vec<&str> = policy.key_usage_default.names().collect();
    let days = policy.max_ttl.num_days();
    let mut lines = vec![
        "System Configuration, Protocol Configuration:".to_owned(),
        "  enable REST Certificate Management and REST CA Management".to_owned(),
        format!("CA {ca}:"),
        "  Enforce unique DN, Enforce unique public keys: off, or it refuses every renewal".to_owned(),
        format!("Certificate profile {certificate}:"),
        "  Type: End Entity".to_owned(),
        format!("  Key Usage: {}", usages.join(", ")),
        format!("  Extended Key Usage: {}", policy.ekus_default.join(", ")),
        format!(
            "  Validity: {}d, with accept_shorter_validity = true on the issuer; or Allow Validity Override, with ejbca.send_end_time = true (EJBCA 9)",
            days.saturating_sub(1).max(1)
        ),
        "  Allow Extension Override, Allow Subject DN Override by CSR: off".to_owned(),
        "  LDAP DN order: on if devices ask for CN first, off if they ask for it last; or a custom order, as they ask".to_owned(),
        "  Approvals: none".to_owned(),
        format!("  Available CAs: {ca}"),
        format!("End entity profile {end_entity}:"),
        "  Username: not auto-generated; Password: not auto-generated".to_owned(),
        format!("  Subject DN Attributes, none required: {}", attributes(policy)),
        format!("  Subject Alternative Name, none required: {}", names(policy)),
        "  rfc822Name: without Use entity e-mail field".to_owned(),
        format!("  Default and available: certificate profile {certificate}, CA {ca}, token User Generated"),
        "Role for scepd, its member the client certificate (or the claim of the OAuth token):".to_owned(),
    ];
    let rules = [
        "/administrator".to_owned(),
        format!("/ca/{ca}"),
        "/ca_functionality/create_certificate".to_owned(),
        "/ca_functionality/view_ca".to_owned(),
        "/ca_functionality/view_certificate".to_owned(),
    ];
    lines.extend(rules.into_iter().map(|rule| format!("  {rule}")));
    for action in ["create", "edit", "view", "revoke"] {
        lines.push(format!("  /ra_functionality/{action}_end_entity"));
        lines.push(format!(
            "  /endentityprofilesrules/{end_entity}/{action}_end_entity"
        ));
    }
    lines
}

fn attributes(policy: &CertificatePolicy) -> String {
    match &policy.subject.attributes {
        None => "all that devices ask for".to_owned(),
        Some(all) => {
            let names: Vec<&str> = all.iter().map(|oid| Name::short_name(oid)).collect();
            names.join(", ")
        }
    }
}

fn names(policy: &CertificatePolicy) -> String {
    let sans = &policy.sans;
    let kinds = [
        ("dNSName", sans.dns != NameRule::Refused),
        ("rfc822Name", sans.email != NameRule::Refused),
        ("MS UPN", sans.upn != NameRule::Refused),
        ("uniformResourceIdentifier", sans.uri != NameRule::Refused),
        ("iPAddress", sans.ip != IpRule::Refused),
    ];
    let used: Vec<&str> = kinds
        .iter()
        .filter(|(_, is_used)| *is_used)
        .map(|(kind, _)| *kind)
        .collect();
    match used.is_empty() {
        true => "none".to_owned(),
        false => format!("{}, as many of each as devices ask for", used.join(", ")),
    }
}
