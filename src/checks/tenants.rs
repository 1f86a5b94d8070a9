//! `[[tenant]]` and `[profile.intune_cloud]`.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use intune_cloud::{Algorithm, Assertions, ManagedIdentity, Overrides, PlaceError, Places};
use pki::{Certificate, PrivateKey};

use super::auto_ra::NewKeys;
use super::files::Files;
use super::problem::{Findings, Location, Problem, date};
use super::{Run, check_id, pair, secrets};
use crate::config::{
    Assertion, Config, DeviceState, IssuerKind, Outage, Profile, Secret, Sid, Tenant,
};

/// A credential that ends within this time is warned about.
const SOON: TimeDelta = TimeDelta::days(30);

/// One tenant with everything it names.
#[derive(Clone, PartialEq)]
pub struct LoadedTenant {
    /// The settings.
    pub settings: Tenant,
    /// What the app authenticates with.
    pub credential: LoadedCredential,
    /// CAs of Microsoft's TLS certificates; `None` = the system's.
    pub ca_bundle: Option<Vec<Certificate>>,
    /// Where the services are.
    pub places: Places,
    /// When the secret or certificate ends, where that is known.
    pub credential_ends: Option<DateTime<Utc>>,
}

/// What the app authenticates with.
#[derive(Clone)]
pub enum LoadedCredential {
    /// A secret.
    Secret(Secret),
    /// A certificate and its key.
    Certificate(Box<(Certificate, PrivateKey)>),
    /// The file of a federated token.
    Federated(std::path::PathBuf),
    /// What Azure gives this machine.
    Managed(ManagedIdentity),
}

impl PartialEq for LoadedCredential {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(one), Self::Secret(other)) => one == other,
            (Self::Certificate(one), Self::Certificate(other)) => one.0 == other.0,
            (Self::Federated(one), Self::Federated(other)) => one == other,
            (Self::Managed(one), Self::Managed(other)) => {
                (&one.source, &one.client_id) == (&other.source, &other.client_id)
            }
            _ => false,
        }
    }
}

/// Checks all tenants; those that are good.
pub(super) fn load(run: &Run<'_>, findings: &mut Findings) -> Vec<LoadedTenant> {
    let all = &run.config.tenants;
    let mut loaded = Vec::new();
    for (index, tenant) in all.iter().enumerate() {
        let location = Location::one_of("tenant", &tenant.id);
        let ids = all.iter().map(|tenant| &tenant.id);
        check_id(&tenant.id, index, ids, &location, findings);
        loaded.extend(one(run, tenant, &location, findings));
        let named = |profile: &Profile| profile.intune_cloud.tenants.contains(&tenant.id);
        super::range(
            tenant.device_sweep_every,
            "1h",
            "7d",
            &location.at("device_sweep_every"),
            findings,
        );
        let shares = |profile: &&Profile| named(profile) && profile.intune_cloud.tenants.len() > 1;
        if tenant.device_sweep != DeviceState::Off
            && let Some(profile) = run.config.profiles.iter().find(shares)
        {
            findings.warn(
                &location.at("device_sweep"),
                format!(
                    "profile `{}` asks other tenants too, so its devices are not swept: nothing says which tenant's they are",
                    profile.path_id
                ),
                "give each tenant a profile of its own",
            );
        }
        if !run.config.profiles.iter().any(named) {
            findings.warn(
                &location.at("id"),
                "no profile names this tenant, so it is never asked",
                "name it in a profile's intune_cloud.tenants, or remove it",
            );
        }
    }
    loaded
}

/// The tenants of a configuration that are good, and what was found about the others.
pub(crate) fn tenants_of(config: &Config, now: DateTime<Utc>) -> (Vec<LoadedTenant>, Vec<Problem>) {
    let (files, new_keys) = (Files::default(), NewKeys::default());
    let run = Run {
        config,
        files: &files,
        new_keys: &new_keys,
        now,
        makes_ras: false,
    };
    let mut findings = Findings::default();
    let loaded = load(&run, &mut findings);
    (loaded, findings.0)
}

fn one(
    run: &Run<'_>,
    tenant: &Tenant,
    location: &Location,
    findings: &mut Findings,
) -> Option<LoadedTenant> {
    // It becomes a part of an address.
    let plain = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
    };
    findings.demand(
        !tenant.tenant.is_empty() && plain(&tenant.tenant),
        &location.at("tenant"),
        "it is no tenant",
        "set the tenant's GUID or its domain, such as contoso.onmicrosoft.com",
    );
    findings.demand(
        tenant.managed_identity || !tenant.client_id.is_empty(),
        &location.at("client_id"),
        "it is not set",
        "set the application (client) id of the app registration",
    );
    let credential = credential(run, tenant, location, findings);
    let places = Places::new(tenant.cloud.into(), &overrides(tenant));
    let places = match places {
        Ok(places) => Some(places),
        Err(error) => {
            let setting = match &error {
                PlaceError::UnknownResource => "intune_resource",
                PlaceError::Address { what, .. } => what,
            };
            findings.fail(
                &location.at(setting),
                error.to_string(),
                "correct the address",
            );
            None
        }
    };
    if let Some(proxy) = &tenant.proxy
        && outbound::Url::parse(proxy.as_str()).is_err()
    {
        findings.fail(
            &location.at("proxy"),
            "it is no address",
            "write it as http://host:port",
        );
    }
    let ca_bundle = tenant
        .ca_bundle_path
        .as_deref()
        .map(|path| pair::certificates(run.files, path, &location.at("ca_bundle_path"), findings));
    let ends = secret_expires(run, tenant, location, findings);
    let credential = credential?;
    let ends = match &credential {
        LoadedCredential::Certificate(pair) => Some(pair.0.not_after()),
        _ => ends,
    };
    Some(LoadedTenant {
        settings: tenant.clone(),
        credential,
        ca_bundle: match ca_bundle {
            None => None,
            Some(read) => Some(read?),
        },
        places: places?,
        credential_ends: ends,
    })
}

fn overrides(tenant: &Tenant) -> Overrides {
    Overrides {
        authority: tenant.authority_url.clone(),
        graph: tenant.graph_url.clone(),
        graph_resource: tenant.graph_resource.clone(),
        resource: tenant.intune_resource.clone(),
        discovery: tenant.discovery_url.clone(),
        hosts: tenant.allowed_hosts.clone(),
    }
}

/// Exactly one credential.
fn credential(
    run: &Run<'_>,
    tenant: &Tenant,
    location: &Location,
    findings: &mut Findings,
) -> Option<LoadedCredential> {
    let secret = tenant.client_secret.is_some() || tenant.client_secret_file.is_some();
    let certificate = tenant.client_cert_path.is_some() || tenant.client_key_path.is_some();
    let set_by_azure = || {
        let file = std::env::var_os("AZURE_FEDERATED_TOKEN_FILE")?;
        Some(std::path::PathBuf::from(file))
    };
    let none = !secret && !certificate && !tenant.managed_identity;
    let federated = tenant
        .federated_token_file
        .clone()
        .or_else(|| none.then(set_by_azure).flatten());
    let given = [
        secret,
        certificate,
        federated.is_some(),
        tenant.managed_identity,
    ];
    if given.iter().filter(|given| **given).count() != 1 {
        findings.fail(
            &location.at("client_secret"),
            match none && federated.is_none() {
                true => "the tenant has no credential",
                false => "the tenant has more than one credential",
            },
            "set one of client_secret_file, client_cert_path with client_key_path, federated_token_file, managed_identity",
        );
        return None;
    }
    if secret {
        let secret = secrets::resolve(
            run.files,
            (&location.at("client_secret"), tenant.client_secret.as_ref()),
            (
                &location.at("client_secret_file"),
                tenant.client_secret_file.as_deref(),
            ),
            findings,
        )?;
        if intune_cloud::is_guid(secret.expose()) {
            findings.warn(
                &location.at("client_secret"),
                "it looks like a secret's id, not like its value",
                "use what the portal shows as Value when the secret is made",
            );
        }
        return Some(LoadedCredential::Secret(secret));
    }
    if certificate {
        let pair = pair::load(
            run.files,
            (
                &location.at("client_cert_path"),
                tenant.client_cert_path.as_deref(),
            ),
            (
                &location.at("client_key_path"),
                tenant.client_key_path.as_deref(),
            ),
            run.now,
            findings,
        )?;
        let loaded = (pair.certificate, pair.key);
        if let Err(error) = assertions(&loaded, tenant.assertion) {
            findings.fail(
                &location.at("client_key_path"),
                error.to_string(),
                "use an RSA key of 2048 bits or more",
            );
            return None;
        }
        return Some(LoadedCredential::Certificate(Box::new(loaded)));
    }
    if let Some(path) = federated {
        return Some(LoadedCredential::Federated(path));
    }
    let client_id = Some(tenant.client_id.clone()).filter(|id| !id.is_empty());
    let variable = |name: &str| std::env::var(name).ok();
    match ManagedIdentity::from_environment(client_id, variable) {
        Ok(identity) => Some(LoadedCredential::Managed(identity)),
        Err(error) => {
            findings.fail(
                &location.at("managed_identity"),
                error.to_string(),
                "correct the environment that Azure sets, or use another credential",
            );
            None
        }
    }
}

/// The certificate credential, ready to sign.
pub(crate) fn assertions(
    (certificate, key): &(Certificate, PrivateKey),
    assertion: Assertion,
) -> Result<Assertions, intune_cloud::CredentialError> {
    let algorithm = match assertion {
        Assertion::Ps256 => Algorithm::Ps256,
        Assertion::Rs256 => Algorithm::Rs256,
    };
    Assertions::new(certificate.clone(), key, algorithm)
}

fn secret_expires(
    run: &Run<'_>,
    tenant: &Tenant,
    location: &Location,
    findings: &mut Findings,
) -> Option<DateTime<Utc>> {
    let location = location.at("secret_expires");
    let text = tenant.secret_expires.as_deref()?;
    let day = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok();
    let Some(ends) = day.and_then(|day| day.and_hms_opt(0, 0, 0)) else {
        findings.fail(&location, "it is no date", "write it as 2027-11-30");
        return None;
    };
    let ends = ends.and_utc();
    let remedy =
        "make a new secret (Entra admin center, App registrations, Certificates & secrets)";
    if ends <= run.now {
        findings.warn(
            &location,
            format!("the secret ended at {}", date(ends)),
            remedy,
        );
    } else if ends - run.now < SOON {
        findings.warn(
            &location,
            format!("the secret ends at {}", date(ends)),
            remedy,
        );
    }
    Some(ends)
}

/// What a profile says of its tenants.
pub(super) fn of_profile(
    config: &Config,
    profile: &Profile,
    location: &Location,
    findings: &mut Findings,
) {
    let settings = &profile.intune_cloud;
    for (index, id) in settings.tenants.iter().enumerate() {
        let known = config.tenants.iter().map(|tenant| tenant.id.as_str());
        let location = location.at("intune_cloud.tenants");
        super::profiles::refers(id, known, "[[tenant]]", &location, findings);
        if settings.tenants.iter().take(index).any(|other| other == id) {
            findings.fail(&location, format!("`{id}` is named twice"), "name it once");
        }
    }
    if !settings.is_on() {
        return;
    }
    let bootstrap = settings.bootstrap_lifetime;
    if !bootstrap.is_zero() {
        super::range(
            bootstrap,
            "10m",
            "30d",
            &location.at("intune_cloud.bootstrap_lifetime"),
            findings,
        );
        if settings.compliance != DeviceState::Enforce {
            findings.warn(
                &location.at("intune_cloud.bootstrap_lifetime"),
                "it does nothing: nobody looks whether a device is compliant",
                "set intune_cloud.compliance to \"enforce\", or leave it out",
            );
        }
    }
    super::range(
        settings.compliance_remembered,
        "0s",
        "30d",
        &location.at("intune_cloud.compliance_remembered"),
        findings,
    );
    if settings.compliance_outage == Outage::Allow && settings.compliance != DeviceState::Enforce {
        findings.warn(
            &location.at("intune_cloud.compliance_outage"),
            "it does nothing: nobody waits for what Graph says",
            "set intune_cloud.compliance to \"enforce\", or leave it out",
        );
    }
    let issuer = config
        .issuers
        .iter()
        .find(|one| one.id == profile.issuer_id);
    if settings.sid == Sid::Extension && issuer.is_some_and(|one| one.kind != IssuerKind::Local) {
        findings.fail(
            &location.at("intune_cloud.sid"),
            "the profile's issuer is somewhere else, and writes no SID that it is not asked for",
            "use \"keep\" or \"verify\" with the URI in the SCEP profile, or a local issuer",
        );
    }
    if !settings.wait_for_notification {
        findings.warn(
            &location.at("intune_cloud.wait_for_notification"),
            "devices get certificates that Intune may never hear of, against Microsoft's words: \"if this method throws an exception, the SCEP server must not issue\"",
            "leave it on, unless Intune answers so slowly that devices give up",
        );
    }
    if let Some(attribute) = &settings.tenant_attribute
        && attribute_oid(attribute).is_none()
    {
        findings.fail(
            &location.at("intune_cloud.tenant_attribute"),
            "it is no subject attribute",
            "use one of CN, O, OU, C, L, ST, DC, or a dotted OID",
        );
    }
    if profile.intune.enabled
        && profile.intune.per_device_rate_limit_24h != settings.per_device_rate_limit_24h
    {
        findings.fail(
            &location.at("intune_cloud.per_device_rate_limit_24h"),
            "signed challenges are on as well, and a profile has one limit for its devices",
            "set it to the same number as intune.per_device_rate_limit_24h",
        );
    }
}

/// The OID of a subject attribute by its short name, or as it is written.
pub(crate) fn attribute_oid(name: &str) -> Option<String> {
    let known = match name.to_ascii_uppercase().as_str() {
        "CN" => "2.5.4.3",
        "C" => "2.5.4.6",
        "L" => "2.5.4.7",
        "ST" => "2.5.4.8",
        "O" => "2.5.4.10",
        "OU" => "2.5.4.11",
        "DC" => "0.9.2342.19200300.100.1.25",
        _ => "",
    };
    if !known.is_empty() {
        return Some(known.to_owned());
    }
    let dotted = name.contains('.')
        && name
            .split('.')
            .all(|arc| !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()));
    dotted.then(|| name.to_owned())
}
