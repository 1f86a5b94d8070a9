//! `scepd issuer`: issuers that are somewhere else.

mod adcs;
mod aws_pca;
mod ejbca;
mod google_cas;
mod kinds;
mod revocations;
mod scep;
mod step_ca;
mod vault;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use issuer::{CertificatePolicy, CertificateRequest, Issuance, Order, RemoteCa};
use pki::{Certificate, Csr, Curve, KeyKind, Name, PrivateKey, RevocationReason, SubjectAltNames};

use super::server_args::block_on;
use super::{Failure, SourceArgs};
use crate::checks::{self, Severity};
use crate::config::{Config, Issuer, IssuerKind};

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Test issuers that are somewhere else, and prepare them
#[derive(Debug, Args)]
pub(super) struct IssuerArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Reach an issuer, log in, and read its chain, role and CRL; nothing changes there
    Test(#[command(flatten)] Box<TestArgs>),
    /// Print what prepares the other side: a role or template that makes exactly what a certificate profile approves
    Role(#[command(flatten)] Box<RoleArgs>),
    /// Print the revocations that wait for an issuer: as commands, where they are carried out by hand over there
    Revocations(#[command(flatten)] Box<revocations::RevocationsArgs>),
}

#[derive(Debug, Args)]
struct TestArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Have a throwaway certificate issued, compare it with what was approved, and revoke it
    #[arg(long)]
    issue: bool,
    /// Certificate profile of the throwaway certificate [default: that of the issuer's first profile]
    #[arg(long, value_name = "ID")]
    certificate_profile: Option<String>,
    /// The id of the [[issuer]]
    id: String,
}

#[derive(Debug, Args)]
struct RoleArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Names and addresses of this [[issuer]] [default: the first of the kind]
    #[arg(long, value_name = "ID")]
    issuer: Option<String>,
    /// The certificate profile that the role is to fit [default: that of the issuer's first profile]
    #[arg(long, value_name = "ID")]
    certificate_profile: Option<String>,
    /// The kind of issuer, as `type` calls it
    #[arg(value_parser = PossibleValuesParser::new(IssuerKind::ELSEWHERE.iter().map(|(_, name)| *name)))]
    kind: String,
}

pub(super) fn run(args: IssuerArgs) -> Result<(), Failure> {
    super::process::keep_files_private();
    match args.action {
        Action::Test(args) => test(*args),
        Action::Role(args) => role(*args),
        Action::Revocations(args) => revocations::run(*args),
    }
}

/// The policy of the certificate profile that is named, or that the issuer's first profile uses.
fn policy(
    config: &Config,
    named: Option<&str>,
    issuer_id: &str,
) -> Result<CertificatePolicy, Failure> {
    let mut policies = checks::policies_of(config);
    let profiles = config.profiles.iter();
    let used = profiles
        .filter(|profile| profile.issuer_id == issuer_id)
        .map(|profile| profile.profile_id.as_str())
        .next();
    match named.or(used) {
        Some(id) => policies.remove(id).ok_or_else(|| {
            Failure::new(format!(
                "there is no [[certificate_profile]] `{id}` that can be used; see `scepd check`"
            ))
        }),
        None => Ok(CertificatePolicy::new("device")),
    }
}

fn role(args: RoleArgs) -> Result<(), Failure> {
    let kind = kinds::KINDS
        .iter()
        .find(|(kind, _)| IssuerKind::ELSEWHERE.contains(&(*kind, args.kind.as_str())));
    let Some((kind, preparation)) = kind else {
        return Err(Failure::new(format!("there is no kind `{}`", args.kind)));
    };
    let config = args.sources.load()?.config;
    let wanted = args.issuer.as_deref();
    let known = config.issuers.iter().find(|issuer| match wanted {
        Some(id) => issuer.id == id,
        None => issuer.kind == *kind,
    });
    match (wanted, known) {
        (Some(id), None) => return Err(Failure::new(format!("there is no [[issuer]] `{id}`"))),
        (Some(id), Some(issuer)) if issuer.kind != *kind => {
            let what = format!("the [[issuer]] `{id}` is not of the type `{}`", args.kind);
            return Err(Failure::new(what));
        }
        _ => {}
    }
    let id = known.map_or("", |issuer| issuer.id.as_str());
    let policy = policy(&config, args.certificate_profile.as_deref(), id)?;
    let default = Issuer::default();
    print!("{}", preparation(known.unwrap_or(&default), &policy));
    Ok(())
}

fn test(args: TestArgs) -> Result<(), Failure> {
    let config = args.sources.load()?.config;
    let issuer = open(&config, &args.id)?;
    let Some(remote) = issuer.remote() else {
        return Err(Failure::new(format!(
            "the issuer `{}` is a CA of this machine: `scepd check` looks at it",
            args.id
        )));
    };
    if let Some(trouble) = remote.health().trouble {
        return Err(Failure::new(format!("FAIL  {trouble}")));
    }
    println!("ok    reached and logged in");
    let authority = issuer.authority();
    for ca in authority.chain() {
        println!("ok    CA: {}, until {}", ca.subject(), ca.not_after());
    }
    let mut failed = 0_usize;
    let policy = policy(&config, args.certificate_profile.as_deref(), &args.id)?;
    let objections = remote.findings().into_iter();
    for objection in objections.chain(remote.objections(&policy)) {
        failed += usize::from(objection.is_fatal);
        let severity = if objection.is_fatal { "FAIL" } else { "warn" };
        let at = match objection.setting {
            "" => String::new(),
            setting => format!("certificate_profile {}: {setting}: ", policy.id),
        };
        println!("{severity}  {at}{}; {}", objection.what, objection.remedy);
    }
    if failed > 0 {
        return Err(Failure::new(format!("{failed} failures")));
    }
    println!(
        "ok    it can make what the certificate profile {} approves",
        policy.id
    );
    block_on(beyond(issuer.as_ref(), remote, &policy, args.issue))
}

/// The issuer with this id, reached.
fn open(config: &Config, id: &str) -> Result<Arc<dyn issuer::Issuer>, Failure> {
    if !config.issuers.iter().any(|issuer| issuer.id == id) {
        return Err(Failure::new(format!("there is no [[issuer]] `{id}`")));
    }
    let (problems, issuer) = checks::open_issuer(config, id, Utc::now());
    let failures = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Failure);
    let words: Vec<String> = failures.map(|problem| format!("FAIL  {problem}")).collect();
    issuer.ok_or_else(|| Failure::new(words.join("\n")))
}

async fn beyond(
    issuer: &dyn issuer::Issuer,
    remote: &dyn RemoteCa,
    policy: &CertificatePolicy,
    issues: bool,
) -> Result<(), Failure> {
    match within(remote.newest_crl(Utc::now())).await? {
        Some(crl) => {
            let end = crl.next_update().map(|end| format!(", until {end}"));
            let entries = crl.entries().len();
            println!("ok    CRL: {entries} revoked{}", end.unwrap_or_default());
        }
        None => println!("warn  there is no CRL: GetCRL is refused"),
    }
    if !issues {
        return Ok(());
    }
    let order = throwaway(policy, &remote.fixed_subject())?;
    let issued = within(issuer.issue(&order)).await?;
    let Issuance::Issued(certificate) = issued else {
        println!("ok    the request was taken and waits there; nothing more can be tested now");
        return Ok(());
    };
    println!("ok    issued {}", certificate.serial().to_hex());
    let compared = compare(issuer, remote, &order, &certificate);
    if remote.revokes_by_hand() {
        println!(
            "warn  it is not revoked: this is done by hand over there, and its CRL tells when it was"
        );
        return compared;
    }
    let revoked = match remote.revokes() {
        true => {
            let reason = RevocationReason::CessationOfOperation;
            within(issuer.revoke(&certificate, reason)).await
        }
        false => Err(Failure::new(
            "FAIL  certificates of this issuer cannot be revoked from here",
        )),
    };
    if revoked.is_ok() {
        println!("ok    revoked it");
    }
    compared.and(revoked)
}

fn compare(
    issuer: &dyn issuer::Issuer,
    remote: &dyn RemoteCa,
    order: &Order,
    certificate: &Certificate,
) -> Result<(), Failure> {
    let approved = &order.approved;
    let whole = approved
        .whole_validity(certificate)
        .and_then(|()| approved.has_begun(certificate, Utc::now()));
    let compared = approved
        .matches(certificate)
        .and_then(|()| issuer.authority().made(certificate))
        .and(match remote.accepts_shorter_validity() {
            true => Ok(()),
            false => whole,
        });
    compared.map_err(|difference| {
        Failure::new(format!(
            "FAIL  it is not what was approved: {difference}; a device would get none"
        ))
    })?;
    println!("ok    it is exactly what was approved");
    Ok(())
}

async fn within<T>(
    asked: impl Future<Output = Result<T, issuer::IssueError>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Failure::new(format!("FAIL  {error}"))),
        Err(_) => Err(Failure::new("FAIL  there was no answer in time")),
    }
}

/// A certificate that no device has the key of.
fn throwaway(policy: &CertificatePolicy, fixed: &str) -> Result<Order, Failure> {
    let wrong = |error: pki::Error| Failure::new(error.to_string());
    let id = pki::random::<16>().map_err(wrong)?;
    let kind = match policy.key_types.rsa_min_bits {
        Some(bits) => KeyKind::Rsa { bits },
        None => KeyKind::Ec(
            policy
                .key_types
                .curves
                .first()
                .copied()
                .unwrap_or(Curve::P256),
        ),
    };
    let key = PrivateKey::generate(kind).map_err(wrong)?;
    let number = hex::encode(id.get(..4).unwrap_or_default());
    let before = if fixed.is_empty() { "" } else { ", " };
    let name = format!("{fixed}{before}CN=scepd test {number}");
    let subject = Name::parse(&name).map_err(wrong)?;
    let csr = Csr::build(&subject, &SubjectAltNames::default(), None, &[], &key).map_err(wrong)?;
    let mut policy = policy.clone();
    // Its name is no device's.
    policy.subject.common_name.clear();
    let (request, now) = (
        CertificateRequest {
            csr: &csr,
            vouched_sid: None,
            previous: None,
        },
        Utc::now(),
    );
    let approved = policy
        .approve(request, now)
        .map_err(|refusal| Failure::new(refusal.to_string()))?;
    Ok(Order {
        id,
        transaction_id: "scepd-issuer-test".to_owned(),
        approved,
        csr: csr.der().to_vec(),
        at: now,
    })
}
