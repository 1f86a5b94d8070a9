//! Challenges that Intune's service itself validates, as one of a profile's validators.

use crate::actions::{Issued, Verdict};
use crate::codes;
use crate::error::{ServiceError, Step};
use crate::graph::{DEVICE, Standing};
use crate::remembered::Recalled;
use crate::rules::{Compliance, Mode, Rules, SidRule};
use crate::shape::looks_like_cloud_challenge;
use crate::tenant::Tenant;
use challenge::{
    Again, Asked, Check, Grounds, NotVouched, Notice, NoticeOf, Proven, Question, Request,
    Reservation, Terms, Validator,
};
use chrono::{DateTime, TimeDelta, Utc};
use pki::{Certificate, Csr};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// For how long an enrollment counts for its device.
const WINDOW: TimeDelta = TimeDelta::hours(24);

/// How long Graph may take where its last answer, or none, will do as well.
const PATIENCE: Duration = Duration::from_secs(4);

/// Sources of which it is remembered which tenant they belong to.
const MOST_SOURCES: usize = 10_000;

/// Challenges that Intune validates.
pub struct CloudChallenges {
    tenants: Vec<Arc<Tenant>>,
    rules: Rules,
    /// Which tenant a source belonged to last.
    sources: Mutex<HashMap<IpAddr, usize>>,
}

impl CloudChallenges {
    /// The validator's name.
    pub const ID: &'static str = "intune_cloud";

    /// Of these tenants; there is at least one.
    #[must_use]
    pub fn new(tenants: Vec<Arc<Tenant>>, rules: Rules) -> Self {
        Self {
            tenants,
            rules,
            sources: Mutex::default(),
        }
    }

    /// The tenants, in the order in which they are asked: the one that the request names alone, else the one that the
    /// source belonged to last first.
    fn order(&self, question: &Question, csr: Option<&Csr>) -> Vec<usize> {
        let all: Vec<usize> = (0..self.tenants.len()).collect();
        if let (Some(oid), Some(csr)) = (&self.rules.tenant_attribute, csr) {
            let attributes = csr.subject().attributes().iter();
            let values: Vec<&str> = attributes
                .filter(|attribute| attribute.oid == *oid)
                .map(|attribute| attribute.value.as_str())
                .collect();
            let named = |index: &usize| {
                let tenant = &self.tenants[*index];
                values.iter().any(|value| {
                    tenant.id().eq_ignore_ascii_case(value)
                        || tenant.tenant().eq_ignore_ascii_case(value)
                })
            };
            let named: Vec<usize> = all.iter().copied().filter(named).collect();
            if !named.is_empty() {
                return named;
            }
        }
        let mut order = all;
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let last = question.source.and_then(|source| sources.get(&source));
        if let Some(last) = last.copied() {
            order.sort_by_key(|index| *index != last);
        }
        order
    }

    fn remember(&self, source: Option<IpAddr>, tenant: usize) {
        let Some(source) = source.filter(|_| self.tenants.len() > 1) else {
            return;
        };
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() >= MOST_SOURCES {
            sources.clear();
        }
        sources.insert(source, tenant);
    }

    async fn judge(&self, question: &Question) -> Result<Check, Again> {
        let csr = Csr::from_der(&question.csr).ok();
        let mut refused: Option<(&Tenant, Verdict)> = None;
        let mut failed: Option<ServiceError> = None;
        for index in self.order(question, csr.as_ref()) {
            let Some(tenant) = self.tenants.get(index) else {
                continue;
            };
            let asked = tenant
                .validate(&question.transaction_id, &question.csr)
                .await;
            match asked {
                Ok(verdict) if verdict.is_success() => {
                    self.remember(question.source, index);
                    let state = self.state(tenant, csr.as_ref()).await?;
                    return Ok(self.proven(tenant, &verdict, question, csr.as_ref(), state));
                }
                Ok(verdict) => {
                    // What another tenant says of a challenge that is not its own says the least.
                    let is_better = refused
                        .as_ref()
                        .is_none_or(|(_, known)| is_elsewhere(known) && !is_elsewhere(&verdict));
                    if is_better {
                        refused = Some((tenant, verdict));
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        match (failed, refused) {
            // The tenant that could not be asked may be the one.
            (Some(error), _) => Err(again(&error)),
            (None, Some((tenant, verdict))) => {
                Ok(Check::Refused(Box::new(refusal(tenant, &verdict))))
            }
            (None, None) => Err(Again::because("the profile names no tenant")),
        }
    }

    /// What Graph says of the device and its user.
    async fn state(&self, tenant: &Tenant, csr: Option<&Csr>) -> Result<State, Again> {
        let mut terms = Terms {
            without_sid: self.rules.sid == SidRule::Strip,
            ..Terms::default()
        };
        let checks = matches!(self.rules.sid, SidRule::Verify | SidRule::Extension);
        let named = csr.and_then(|csr| Some((csr, sid(csr)?)));
        if let (Some((csr, sid)), true) = (named, checks) {
            let foreign = tenant.foreign_sid(csr, &sid).await;
            if let Some(words) = foreign.map_err(|error| again(&error))? {
                return Ok(State {
                    objection: Some(words),
                    ..State::default()
                });
            }
        }
        if let (Some(csr), SidRule::Extension) = (csr, self.rules.sid) {
            let of_user = tenant.sid_of_user(csr).await;
            terms.sid = of_user.map_err(|error| again(&error))?;
        }
        let Compliance {
            mode,
            grace,
            bootstrap,
            ..
        } = self.rules.compliance;
        let (Some(csr), Mode::Observe | Mode::Enforce) = (csr, mode) else {
            return Ok(State {
                terms,
                ..State::default()
            });
        };
        let asked = match mode {
            Mode::Enforce => self.deciding(tenant, csr).await,
            _ => tenant.standing(csr, grace).await.map(|it| (it, None)),
        };
        let (standing, instead) = match (asked, mode) {
            (Ok(known), _) => known,
            (Err(error), Mode::Enforce) => return Err(again(&error)),
            (Err(error), _) => {
                return Ok(State {
                    note: Some(format!("device state is not known: {error}")),
                    objection: None,
                    terms,
                });
            }
        };
        if let (Standing::New, Mode::Enforce) = (&standing, mode) {
            terms.longest = bootstrap.map(|bootstrap| bootstrap.num_seconds());
        }
        let (note, objection) = match standing {
            Standing::Good => (None, None),
            Standing::New => (
                Some("the device is new and not compliant yet".to_owned()),
                None,
            ),
            Standing::Nameless => (
                Some("the request names no device or user that Graph knows".to_owned()),
                None,
            ),
            Standing::Bad(words) if mode == Mode::Observe => (
                Some(format!("{words}; let in, because compliance is observed")),
                None,
            ),
            Standing::Bad(words) => (None, Some(words)),
        };
        let notes = [instead, note].into_iter().flatten();
        Ok(State {
            note: notes.reduce(|one, other| format!("{one}; {other}")),
            objection,
            terms,
        })
    }

    /// What Graph says, or what counts in its place, with the words for the audit. What somebody has to mend is no outage.
    async fn deciding(
        &self,
        tenant: &Tenant,
        csr: &Csr,
    ) -> Result<(Standing, Option<String>), ServiceError> {
        let Compliance { grace, outage, .. } = self.rules.compliance;
        let last = || tenant.last_standing(csr, grace, outage.remembered);
        let asked = match last() {
            Recalled::Nothing if !outage.lets_in => tenant.standing(csr, grace).await,
            Recalled::Bad => tenant.standing(csr, grace).await,
            // There is something to go by, so nobody is kept waiting for long.
            _ => tokio::select! {
                biased;
                asked = tenant.standing(csr, grace) => asked,
                () = tenant.clock().wait(PATIENCE) => {
                    let asked = Err(slow());
                    tenant.looked(DEVICE, &asked);
                    asked
                }
            },
        };
        let error = match asked {
            Ok(standing) => return Ok((standing, None)),
            Err(error) if error.is_lasting => return Err(error),
            Err(error) => error,
        };
        match last() {
            Recalled::Good(standing, age) => {
                let minutes = age.as_secs() / 60;
                let words = format!("{error}; what it said {minutes} minutes ago counts");
                Ok((standing, Some(words)))
            }
            Recalled::Nothing if outage.lets_in => {
                let words = format!("{error}; let in, as compliance_outage says");
                Ok((Standing::Good, Some(words)))
            }
            Recalled::Nothing | Recalled::Bad => Err(error),
        }
    }

    fn proven(
        &self,
        tenant: &Tenant,
        verdict: &Verdict,
        question: &Question,
        csr: Option<&Csr>,
        state: State,
    ) -> Check {
        let device = csr.and_then(device);
        let whose = match &device {
            Some(device) => format!("device:{}", device.to_ascii_lowercase()),
            None => format!(
                "challenge:{}",
                hex::encode(pki::sha256(question.challenge.as_bytes()))
            ),
        };
        let digest = pki::sha256(format!("{}\n{whose}", tenant.id()).as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        let note = format!(
            "validated by Intune, tenant {} (client-request-id {})",
            tenant.id(),
            verdict.request_id
        );
        let note = match state.note {
            Some(words) => format!("{note}; {words}"),
            None => note,
        };
        Check::Proven(Box::new(Proven {
            grounds: Grounds {
                device,
                sid: csr.and_then(sid),
                by: Some(tenant.id().to_owned()),
                note: Some(note),
                objection: state.objection,
                terms: state.terms,
                ..Grounds::default()
            },
            reservations: vec![Reservation::Quota {
                key,
                limit: self.rules.per_device_limit_24h,
                window: WINDOW,
            }],
        }))
    }

    async fn tell(&self, notice: &Notice) -> Result<String, Again> {
        let by = notice.by.as_deref();
        let of = |tenant: &&Arc<Tenant>| by.is_none_or(|by| tenant.id() == by);
        let Some(tenant) = self.tenants.iter().find(of) else {
            let by = by.unwrap_or_default();
            return Err(Again::because(format!(
                "the tenant `{by}` is not among the profile's any more"
            )));
        };
        let (transaction_id, csr) = (&notice.transaction_id, &notice.csr);
        let what = match &notice.end {
            NoticeOf::Issued(_) => "certificate",
            NoticeOf::Refused { .. } => "failure",
        };
        let told = match &notice.end {
            NoticeOf::Issued(der) => {
                let certificate = Certificate::from_der(der)
                    .map_err(|error| Again::because(error.to_string()))?;
                let issued = Issued::of(&certificate, &self.rules.profile);
                tenant.notify_success(transaction_id, csr, &issued).await
            }
            NoticeOf::Refused { reason, message } => {
                tenant
                    .notify_failure(transaction_id, csr, reason, message)
                    .await
            }
        };
        match told {
            Ok(request_id) => Ok(format!(
                "Intune was told of the {what}, tenant {} (client-request-id {request_id})",
                tenant.id()
            )),
            Err(error) => Err(again(&error)),
        }
    }
}

/// What became of Graph's answer.
#[derive(Default)]
struct State {
    note: Option<String>,
    objection: Option<String>,
    terms: Terms,
}

impl Validator for CloudChallenges {
    fn id(&self) -> &str {
        Self::ID
    }

    fn recognises(&self, challenge: Option<&str>) -> bool {
        challenge.is_some_and(|text| {
            looks_like_cloud_challenge(text) || (self.rules.takes_all && !text.trim().is_empty())
        })
    }

    fn check(&self, request: &Request<'_>, _: DateTime<Utc>) -> Check {
        Check::Ask(Question {
            transaction_id: request.transaction_id.to_owned(),
            challenge: request.challenge.unwrap_or_default().to_owned(),
            csr: request.csr.to_vec(),
            source: request.source,
        })
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn is_told_first(&self) -> bool {
        self.rules.wait_for_notification
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Asked<'a, Check> {
        Box::pin(self.judge(question))
    }

    fn guards_renewals(&self) -> bool {
        true
    }

    fn device_limit(&self) -> Option<u32> {
        Some(self.rules.per_device_limit_24h)
    }

    fn notify<'a>(&'a self, notice: &'a Notice) -> Asked<'a, String> {
        Box::pin(self.tell(notice))
    }
}

fn slow() -> ServiceError {
    let words = format!("no answer within {} s", PATIENCE.as_secs());
    ServiceError::new(Step::Graph, words)
}

fn again(error: &ServiceError) -> Again {
    Again {
        why: error.to_string(),
        after: error.after,
    }
}

fn is_elsewhere(verdict: &Verdict) -> bool {
    verdict.code.as_deref() == Some("BadTenantIdInChallenge")
}

/// What a device is told, and the operator.
fn refusal(tenant: &Tenant, verdict: &Verdict) -> NotVouched {
    let known = verdict
        .code
        .as_deref()
        .and_then(codes::find)
        .filter(|code| code.name != codes::SUCCESS);
    let name = known.map(|code| code.name);
    let said = match (name, &verdict.code) {
        (Some(name), _) => name.to_owned(),
        (None, Some(code)) => format!("the unknown code {code:?}"),
        (None, None) => "no code at all".to_owned(),
    };
    let meaning = match known {
        Some(code) => format!(": {}. {}", code.meaning, code.advice),
        None => ". Look whether this version of scepd is the newest; Microsoft's support knows the code.".to_owned(),
    };
    let words = match verdict.description.as_str() {
        "" => String::new(),
        words => format!(" Intune's words: {words:?}"),
    };
    let message = format!(
        "Intune answered {said}{meaning}{words} (tenant {}, client-request-id {})",
        tenant.id(),
        verdict.request_id
    );
    NotVouched {
        reason: "intune_refused",
        fail_info: match name {
            Some("KeyLengthMismatch") => 0,
            _ => 2,
        },
        told: format!("Intune: {}", name.unwrap_or("Unknown")),
        is_anonymous: false,
        is_guess: known.is_some_and(|code| code.is_guess),
        ..NotVouched::of_challenge(&message)
    }
}

/// The device, where the CSR names one: by Intune's URI, else by a GUID as its common name.
#[must_use]
pub fn device(csr: &Csr) -> Option<String> {
    const SCHEME: &str = "intunedeviceid://";
    let by_uri = csr.sans().uri.iter().find_map(|uri| {
        let (scheme, rest) = uri.split_at_checked(SCHEME.len())?;
        let rest = rest.trim_matches('/');
        (scheme.eq_ignore_ascii_case(SCHEME) && is_guid(rest)).then(|| rest.to_ascii_lowercase())
    });
    by_uri.or_else(|| {
        let name = csr.subject().common_name()?;
        is_guid(name).then(|| name.to_ascii_lowercase())
    })
}

/// Whether a text is a GUID without braces.
#[must_use]
pub fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(index, character)| match index {
            8 | 13 | 18 | 23 => character == '-',
            _ => character.is_ascii_hexdigit(),
        })
}

/// The SID in the CSR's URI: Intune compares the names with those that it asked for.
fn sid(csr: &Csr) -> Option<String> {
    let prefix = challenge::SID_URI_PREFIX;
    let mut sids = csr.sans().uri.iter().filter_map(|uri| {
        let (start, rest) = uri.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(rest)
    });
    match (sids.next(), sids.next()) {
        (Some(sid), None) => Some(sid.to_owned()),
        _ => None,
    }
}
