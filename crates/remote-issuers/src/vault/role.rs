//! The role over there: what it makes of every certificate, and what it should be.

use issuer::{CertificatePolicy, Objection};
use pki::{KeyUsage, oid};
use serde::Deserialize;
use std::collections::BTreeSet;

/// A role as `GET {mount}/roles/{role}` gives it, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Role {
    pub(super) issuer_ref: String,
    pub(super) key_type: String,
    pub(super) key_usage: Vec<String>,
    pub(super) ext_key_usage: Vec<String>,
    pub(super) ext_key_usage_oids: Vec<String>,
    pub(super) server_flag: bool,
    pub(super) client_flag: bool,
    pub(super) code_signing_flag: bool,
    pub(super) email_protection_flag: bool,
    pub(super) use_csr_common_name: bool,
    pub(super) use_csr_sans: bool,
    pub(super) require_cn: bool,
    pub(super) cn_validations: Vec<String>,
    pub(super) allow_any_name: bool,
    pub(super) enforce_hostnames: bool,
    pub(super) allowed_uri_sans: Vec<String>,
    pub(super) allowed_other_sans: Vec<String>,
    pub(super) allowed_serial_numbers: Vec<String>,
    pub(super) allowed_user_ids: Vec<String>,
    pub(super) allow_ip_sans: bool,
    pub(super) generate_lease: bool,
    pub(super) no_store: bool,
    pub(super) basic_constraints_valid_for_non_ca: bool,
    pub(super) country: Vec<String>,
    pub(super) organization: Vec<String>,
    pub(super) ou: Vec<String>,
    pub(super) locality: Vec<String>,
    pub(super) province: Vec<String>,
    pub(super) street_address: Vec<String>,
    pub(super) postal_code: Vec<String>,
}

impl Default for Role {
    /// What the server takes where a role says nothing, for fields that older ones do not have.
    fn default() -> Self {
        Self {
            issuer_ref: "default".to_owned(),
            key_type: "rsa".to_owned(),
            key_usage: Vec::new(),
            ext_key_usage: Vec::new(),
            ext_key_usage_oids: Vec::new(),
            server_flag: true,
            client_flag: true,
            code_signing_flag: false,
            email_protection_flag: false,
            use_csr_common_name: true,
            use_csr_sans: true,
            require_cn: true,
            cn_validations: vec!["email".to_owned(), "hostname".to_owned()],
            allow_any_name: false,
            enforce_hostnames: true,
            allowed_uri_sans: Vec::new(),
            allowed_other_sans: Vec::new(),
            allowed_serial_numbers: Vec::new(),
            allowed_user_ids: Vec::new(),
            allow_ip_sans: true,
            generate_lease: false,
            no_store: false,
            basic_constraints_valid_for_non_ca: false,
            country: Vec::new(),
            organization: Vec::new(),
            ou: Vec::new(),
            locality: Vec::new(),
            province: Vec::new(),
            street_address: Vec::new(),
            postal_code: Vec::new(),
        }
    }
}

/// The extended key usages that a role may name, in lower case (sdk/helper/certutil of OpenBao).
const EXT_KEY_USAGES: [(&str, &str); 10] = [
    ("any", "2.5.29.37.0"),
    ("serverauth", "1.3.6.1.5.5.7.3.1"),
    ("clientauth", "1.3.6.1.5.5.7.3.2"),
    ("codesigning", "1.3.6.1.5.5.7.3.3"),
    ("emailprotection", "1.3.6.1.5.5.7.3.4"),
    ("ipsecendsystem", "1.3.6.1.5.5.7.3.5"),
    ("ipsectunnel", "1.3.6.1.5.5.7.3.6"),
    ("ipsecuser", "1.3.6.1.5.5.7.3.7"),
    ("timestamping", "1.3.6.1.5.5.7.3.8"),
    ("ocspsigning", "1.3.6.1.5.5.7.3.9"),
];

/// Key usages as a role names them.
const KEY_USAGES: [(&str, KeyUsage); 9] = [
    ("digitalsignature", KeyUsage::DIGITAL_SIGNATURE),
    ("contentcommitment", KeyUsage::NON_REPUDIATION),
    ("keyencipherment", KeyUsage::KEY_ENCIPHERMENT),
    ("dataencipherment", KeyUsage::DATA_ENCIPHERMENT),
    ("keyagreement", KeyUsage::KEY_AGREEMENT),
    ("certsign", KeyUsage::KEY_CERT_SIGN),
    ("crlsign", KeyUsage::CRL_SIGN),
    ("encipheronly", KeyUsage::ENCIPHER_ONLY),
    ("decipheronly", KeyUsage::DECIPHER_ONLY),
];

/// The key usage that a role would name so.
fn name_of(usage: KeyUsage) -> &'static str {
    match usage {
        KeyUsage::DIGITAL_SIGNATURE => "DigitalSignature",
        KeyUsage::NON_REPUDIATION => "ContentCommitment",
        KeyUsage::KEY_ENCIPHERMENT => "KeyEncipherment",
        KeyUsage::DATA_ENCIPHERMENT => "DataEncipherment",
        KeyUsage::KEY_AGREEMENT => "KeyAgreement",
        KeyUsage::ENCIPHER_ONLY => "EncipherOnly",
        KeyUsage::DECIPHER_ONLY => "DecipherOnly",
        _ => "",
    }
}

impl Role {
    /// The key usage of every certificate of the role.
    pub(super) fn key_usages(&self) -> KeyUsage {
        let named = self.key_usage.iter().filter_map(|name| {
            let name = name.trim().to_ascii_lowercase();
            let name = name.strip_prefix("keyusage").unwrap_or(&name);
            KEY_USAGES.iter().find(|(known, _)| *known == name)
        });
        named.fold(KeyUsage::empty(), |all, (_, usage)| all.union(*usage))
    }

    /// The extended key usages of every certificate of the role, dotted.
    pub(super) fn ext_key_usages(&self) -> BTreeSet<String> {
        let flags = [
            (self.server_flag, "serverauth"),
            (self.client_flag, "clientauth"),
            (self.code_signing_flag, "codesigning"),
            (self.email_protection_flag, "emailprotection"),
        ];
        let flags = flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name);
        let names = self.ext_key_usage.iter().map(|name| {
            let name = name.trim().to_ascii_lowercase();
            name.strip_prefix("extkeyusage")
                .map_or(name.clone(), str::to_owned)
        });
        flags
            .map(str::to_owned)
            .chain(names)
            .filter_map(|name| {
                let known = EXT_KEY_USAGES.iter().find(|(known, _)| *known == name);
                known.map(|(_, oid)| (*oid).to_owned())
            })
            .chain(self.ext_key_usage_oids.iter().cloned())
            .collect()
    }

    /// The subject's attributes that the role writes before the common name, in the order in which it does: type and value.
    pub(super) fn constants(&self) -> Vec<(&'static str, &str)> {
        [
            ("2.5.4.6", &self.country),
            ("2.5.4.10", &self.organization),
            ("2.5.4.11", &self.ou),
            ("2.5.4.7", &self.locality),
            ("2.5.4.8", &self.province),
            ("2.5.4.9", &self.street_address),
            ("2.5.4.17", &self.postal_code),
        ]
        .into_iter()
        .flat_map(|(oid, values)| values.iter().map(move |value| (oid, value.as_str())))
        .collect()
    }

    /// What must be otherwise, whatever is to be signed.
    pub(super) fn findings(&self, name: &str) -> Vec<Objection> {
        let mut findings = Vec::new();
        let mut say = |wrong: bool, is_fatal: bool, what: &str, setting: &str| {
            if wrong {
                findings.push(Objection {
                    is_fatal,
                    setting: "",
                    what: format!("the role {name}: {what}"),
                    remedy: format!(
                        "set {setting} on the role (`scepd issuer role` prints one that fits)"
                    ),
                });
            }
        };
        say(
            self.use_csr_common_name,
            true,
            "it takes the common name from the request, not from what was approved",
            "use_csr_common_name=false",
        );
        say(
            self.use_csr_sans,
            true,
            "it takes the alternative names from the request, not from what was approved",
            "use_csr_sans=false",
        );
        say(
            self.generate_lease,
            true,
            "its certificates are revoked when scepd's token ends",
            "generate_lease=false",
        );
        say(
            self.no_store,
            false,
            "it keeps no certificates, so none can be revoked by its serial number",
            "no_store=false",
        );
        say(
            self.basic_constraints_valid_for_non_ca,
            false,
            "it writes basicConstraints into certificates of devices",
            "basic_constraints_valid_for_non_ca=false",
        );
        let by_name = !self.allow_any_name;
        say(
            by_name,
            false,
            "it takes names of its allowed_domains alone; others are refused",
            "allow_any_name=true, and leave the choice to the certificate profile,",
        );
        let checks_names =
            self.enforce_hostnames || !self.cn_validations.iter().any(|one| one == "disabled");
        say(
            checks_names,
            false,
            "it takes host names and e-mail addresses alone as common name; names of devices are refused",
            "enforce_hostnames=false and cn_validations=disabled",
        );
        say(
            self.require_cn,
            false,
            "it refuses certificates without a common name",
            "require_cn=false",
        );
        findings
    }

    /// What certificates of a policy the role does not make, or not each.
    pub(super) fn objections(&self, name: &str, policy: &CertificatePolicy) -> Vec<Objection> {
        let mut found = Vec::new();
        let mut say = |is_fatal: bool, setting: &'static str, what: String, remedy: String| {
            found.push(Objection {
                is_fatal,
                setting,
                what,
                remedy,
            });
        };
        let (made, wanted) = (self.key_usages(), policy.key_usage_default);
        let on_role = |setting: &str, value: String| {
            format!("set {setting}={value} on the role {name}, or change this setting")
        };
        if made != wanted {
            say(
                true,
                "key_usages_default",
                format!("it is {wanted}, and the role {name} makes {made}"),
                on_role("key_usage", key_usage_setting(wanted)),
            );
        } else if made.contains(KeyUsage::KEY_ENCIPHERMENT) && !policy.key_types.curves.is_empty() {
            say(
                policy.key_types.rsa_min_bits.is_none(),
                "key_types",
                format!(
                    "EC keys get no keyEncipherment, and the role {name} writes it into every certificate: requests with EC keys are refused"
                ),
                "set key_types = [\"rsa\"], or key_usages_default = [\"digital_signature\"] here and key_usage=DigitalSignature on the role".to_owned(),
            );
        }
        if policy.key_usage_allowed.union(wanted) != wanted {
            say(
                false,
                "key_usages_allowed",
                format!(
                    "the role {name} writes {made} into every certificate: requests for another choice are refused"
                ),
                "allow what key_usages_default has, and no more".to_owned(),
            );
        }
        let made = self.ext_key_usages();
        let wanted: BTreeSet<String> = policy.ekus_default.iter().cloned().collect();
        if made != wanted {
            say(
                true,
                "ekus_default",
                format!(
                    "it is {}, and the role {name} makes {}",
                    listed(&wanted),
                    listed(&made)
                ),
                on_role(
                    "server_flag=false client_flag=false ext_key_usage_oids",
                    listed(&wanted).replace(", ", ","),
                ),
            );
        }
        if policy.ekus_allowed.iter().any(|eku| !wanted.contains(eku)) {
            say(
                false,
                "ekus_allowed",
                format!(
                    "the role {name} writes {} into every certificate: requests for another choice are refused",
                    listed(&made)
                ),
                "allow what ekus_default has, and no more".to_owned(),
            );
        }
        let keys = &policy.key_types;
        let (rsa, ec) = (keys.rsa_min_bits.is_some(), !keys.curves.is_empty());
        if (rsa && !matches!(&*self.key_type, "any" | "rsa"))
            || (ec && !matches!(&*self.key_type, "any" | "ec"))
        {
            say(
                !(rsa && ec),
                "key_types",
                format!(
                    "the role {name} takes keys of the type {} alone: requests with others are refused",
                    self.key_type
                ),
                on_role("key_type", "any".to_owned()),
            );
        }
        found
    }
}

fn listed(oids: &BTreeSet<String>) -> String {
    match oids.is_empty() {
        true => "none".to_owned(),
        false => oids.iter().cloned().collect::<Vec<_>>().join(", "),
    }
}

fn key_usage_setting(usage: KeyUsage) -> String {
    let names = KeyUsage::NAMES
        .iter()
        .filter(|(bit, _)| usage.contains(*bit))
        .map(|(bit, _)| name_of(*bit))
        .filter(|name| !name.is_empty());
    names.collect::<Vec<_>>().join(",")
}

/// The settings of a role that makes exactly what a policy approves, as `bao write` and `vault write` take them.
#[must_use]
pub fn recommended(policy: &CertificatePolicy) -> Vec<String> {
    let ekus: BTreeSet<String> = policy.ekus_default.iter().cloned().collect();
    let mut settings: Vec<String> = [
        "key_type=any",
        "use_csr_common_name=false",
        "use_csr_sans=false",
        "require_cn=false",
        "cn_validations=disabled",
        "enforce_hostnames=false",
        "allow_any_name=true",
        "allow_ip_sans=true",
        "allowed_uri_sans='*'",
        "allowed_other_sans='*'",
        "allowed_serial_numbers='*'",
        "allowed_user_ids='*'",
        "server_flag=false",
        "client_flag=false",
    ]
    .map(str::to_owned)
    .to_vec();
    settings.push(format!(
        "key_usage={}",
        key_usage_setting(policy.key_usage_default)
    ));
    if !ekus.is_empty() {
        settings.push(format!(
            "ext_key_usage_oids={}",
            listed(&ekus).replace(", ", ",")
        ));
    }
    settings.push(format!("max_ttl={}s", policy.max_ttl.num_seconds()));
    settings.extend(["no_store=false", "generate_lease=false"].map(str::to_owned));
    settings
}

/// The short name that operators know an attribute by.
pub(super) fn attribute(dotted: &str) -> String {
    pki::Name::short_name(dotted).to_owned()
}

/// The role's setting for an attribute that it can have as a constant.
pub(super) fn constant_setting(dotted: &str) -> Option<&'static str> {
    Some(match dotted {
        "2.5.4.6" => "country",
        "2.5.4.10" => "organization",
        "2.5.4.11" => "ou",
        "2.5.4.7" => "locality",
        "2.5.4.8" => "province",
        "2.5.4.9" => "street_address",
        "2.5.4.17" => "postal_code",
        _ => return None,
    })
}

/// Attributes that a request may name.
pub(super) const FREE: [&str; 3] = [oid::COMMON_NAME, SERIAL_NUMBER, USER_ID];

/// id-at-serialNumber.
pub(super) const SERIAL_NUMBER: &str = "2.5.4.5";

/// UID (RFC 4519, section 2.39).
pub(super) const USER_ID: &str = "0.9.2342.19200300.100.1.1";
