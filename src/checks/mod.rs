//! Start-up checks: reads every file that the configuration names, looks at everything, and lists
//! all that is wrong at once. What passes is a [`Loaded`], from which a server can be built.
//!
//! | module | checks |
//! |---|---|
//! | `server` | listeners, limits, TLS, admin, log |
//! | `issuers`, `remote_issuers`, `policies` | CAs here; CAs elsewhere; certificate profiles |
//! | `profiles`, `ra`, `auto_ra`, `ra_files`, `ra_fit`, `trust`, `duplicate_connectors` | SCEP profiles, their RA certificates, whom they trust, which share challenges |
//! | `tenants` | Intune's tenants, and profiles that ask them |
//! | `publish` | what relying parties fetch |
//! | `advice` | what works and may still give trouble |
//! | `formerly` | names that profiles had before |
//! | `store`, `in_use` | the store; who serves from the data directory |
//! | `files`, `pair`, `secrets`, `urls` | how files, certificates with keys, secrets and addresses are read |
//!
//! Nothing here is kept between runs: a reload is another run, and the old [`Loaded`] stays in use
//! until the new one is whole.

mod advice;
mod auto_ra;
mod challenges;
mod duplicate_connectors;
mod files;
mod formerly;
mod in_use;
mod issuers;
mod loaded;
mod pair;
mod policies;
mod problem;
mod profiles;
mod publish;
mod ra;
mod ra_files;
mod ra_fit;
mod ranges;
mod remote_issuers;
mod secrets;
mod server;
mod store;
mod tenants;
#[cfg(test)]
mod tests;
mod trust;
mod urls;
mod webhook;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use issuer::{CertificatePolicy, Issuer};

pub use formerly::forgotten;
pub use in_use::DataDir;
pub use loaded::{
    HeldRa, Loaded, LoadedAdmin, LoadedCompliance, LoadedInterface, LoadedProfile, LoadedTls,
};
pub use problem::{Problem, Severity};
pub use ra_files::{NewRa, OverRa, RaNotKept, WrittenRas, remove_over};
pub(crate) use remote_issuers::chain_file;
pub use server::make_data_dir;
pub(crate) use server::oidc_rules;
pub use store::{check_store, open_store, other_owner, probe_store};
pub use tenants::{LoadedCredential, LoadedTenant};
pub(crate) use tenants::{assertions, attribute_oid, tenants_of};
pub use trust::{TrustFiles, reload_anchors, reload_trust_files};

use crate::config::{Config, Span};
use auto_ra::NewKeys;
use files::Files;
use problem::{Findings, Location};
use store::open_to_others;

/// What a run of the checks came to.
pub struct Outcome {
    /// Everything that was found, failures and warnings, in the order of the configuration.
    pub problems: Vec<Problem>,
    /// Present when nothing failed.
    pub loaded: Option<Loaded>,
}

impl Outcome {
    /// What stops the start.
    pub fn failures(&self) -> impl Iterator<Item = &Problem> {
        self.problems
            .iter()
            .filter(|problem| problem.severity == Severity::Failure)
    }

    /// What works, but should be looked at.
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems
            .iter()
            .filter(|problem| problem.severity == Severity::Warning)
    }
}

/// What every check can see.
struct Run<'a> {
    config: &'a Config,
    files: &'a Files,
    new_keys: &'a NewKeys,
    now: DateTime<Utc>,
    /// Whether automatic RAs that are due are made, in memory.
    makes_ras: bool,
}

/// Runs all checks and loads everything, for a start or a reload, and changes nothing: who accepts
/// what was loaded makes the data directory ([`make_data_dir`]) and writes automatic RAs that were due
/// ([`WrittenRas`]).
///
/// Reads files and may make RSA keys: call it off the async threads. The store is not touched;
/// see [`open_store`].
#[must_use]
pub fn load(config: &Config, now: DateTime<Utc>) -> Outcome {
    run(config, now, true)
}

/// Runs all checks, and makes no RSA keys: `loaded` is absent also when an automatic RA certificate
/// is still to be made.
#[must_use]
pub fn check(config: &Config, now: DateTime<Utc>) -> Outcome {
    run(config, now, false)
}

fn run(config: &Config, now: DateTime<Utc>, makes_ras: bool) -> Outcome {
    let (files, new_keys) = (Files::default(), NewKeys::default());
    let run = Run {
        config,
        files: &files,
        new_keys: &new_keys,
        now,
        makes_ras,
    };
    let mut findings = Findings::default();

    server::check(&run, &mut findings);
    findings.0.extend(open_to_others(config));
    let tls = server::tls(&run, &mut findings);
    let admin = server::admin(&run, &mut findings);
    publish::check(&config.publish, &mut findings);
    let issuers = issuers::load(&run, &mut findings);
    let policies = policies::load(&config.certificate_profiles, &mut findings);
    let tenants = tenants::load(&run, &mut findings);
    let (profiles, reload_at) = if config.server.scep_enabled {
        profiles::overview(&run, &mut findings);
        duplicate_connectors::check(&run, &mut findings);
        advice::check(&run, &mut findings);
        formerly::check(config, &mut findings);
        all_profiles(
            &run,
            &profiles::Referred {
                issuers: &issuers,
                policies: &policies,
            },
            &mut findings,
        )
    } else {
        (Some(Vec::new()), None)
    };

    let whole = !findings.failed();
    let loaded = tls
        .zip(profiles)
        .filter(|_| whole)
        .map(|(tls, profiles)| Loaded {
            tls,
            issuers: by_id(issuers),
            profiles,
            tenants,
            admin,
            reload_at,
        });
    Outcome {
        problems: findings.0,
        loaded,
    }
}

type Profiles = (Option<Vec<LoadedProfile>>, Option<DateTime<Utc>>);

fn all_profiles(
    run: &Run<'_>,
    referred: &profiles::Referred<'_>,
    findings: &mut Findings,
) -> Profiles {
    let mut loaded = Some(Vec::with_capacity(run.config.profiles.len()));
    let mut reload_at = None;
    for (mut found, profile, look_again_at) in profiles::load(run, referred, findings) {
        findings.0.append(&mut found.0);
        reload_at = reload_at.into_iter().chain(look_again_at).min();
        loaded = loaded.zip(profile).map(|(mut all, profile)| {
            all.push(profile);
            all
        });
    }
    (loaded, reload_at)
}

/// The policies of all certificate profiles that can be used.
pub(crate) fn policies_of(config: &Config) -> BTreeMap<String, CertificatePolicy> {
    policies::load(&config.certificate_profiles, &mut Findings::default())
}

/// Loads one issuer alone, and reaches it where it is somewhere else. Blocks.
pub(crate) fn open_issuer(
    config: &Config,
    id: &str,
    now: DateTime<Utc>,
) -> (Vec<Problem>, Option<Arc<dyn Issuer>>) {
    let (files, new_keys) = (Files::default(), NewKeys::default());
    let mut config = config.clone();
    config.issuers.retain(|issuer| issuer.id == id);
    let run = Run {
        config: &config,
        files: &files,
        new_keys: &new_keys,
        now,
        makes_ras: false,
    };
    let mut findings = Findings::default();
    let mut issuers = issuers::load(&run, &mut findings);
    let issuer = issuers.remove(id).map(|ready| ready.issuer);
    (findings.0, issuer)
}

fn by_id(issuers: BTreeMap<String, issuers::ReadyIssuer>) -> BTreeMap<String, Arc<dyn Issuer>> {
    issuers
        .into_iter()
        .map(|(id, ready)| (id, ready.issuer))
        .collect()
}

/// An id must be there, plain, and not be that of an earlier section.
fn check_id<'a>(
    id: &str,
    index: usize,
    all: impl Iterator<Item = &'a String>,
    location: &Location,
    findings: &mut Findings,
) {
    let location = location.at("id");
    if id.is_empty() {
        findings.fail(
            &location,
            "it is not set",
            "give the section a name that profiles can refer to",
        );
    } else if !id
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        || id.len() > 64
    {
        findings.fail(
            &location,
            "it is not a plain name",
            "use letters, digits, -, _ and ., at most 64",
        );
    } else if all.take(index).any(|earlier| earlier == id) {
        findings.fail(
            &location,
            "another section has the same id",
            "give each section its own",
        );
    }
}

/// Fails unless the span lies between two spans, both included. The bounds are written as in the file.
fn range(span: Span, least: &str, most: &str, location: &Location, findings: &mut Findings) {
    let bound = |text: &str| text.parse::<Span>();
    let inside =
        bound(least).is_ok_and(|least| least <= span) && bound(most).is_ok_and(|most| span <= most);
    if !inside {
        findings.fail(
            location,
            format!("{span} is out of range"),
            format!("set it from {least} to {most}"),
        );
    }
}

/// Fails unless the number lies in the range.
fn count(
    number: usize,
    range: RangeInclusive<usize>,
    location: &Location,
    findings: &mut Findings,
) {
    if !range.contains(&number) {
        let (least, most) = range.into_inner();
        findings.fail(
            location,
            format!("{number} is out of range"),
            format!("set it from {least} to {most}"),
        );
    }
}
