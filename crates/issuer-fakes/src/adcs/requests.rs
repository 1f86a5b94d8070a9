//! The CA's row of requests.

use super::words::{self, Code};
use crate::authority::Issued;
use crate::certificate::{Draft, SID};
use crate::csr::{Csr, SUBJECT_ALT_NAME};
use crate::der;
use crate::message::Answer;
use crate::world::{Decision, Waiting, World};

/// What AD CS knows.
#[derive(Debug)]
pub(crate) struct State {
    next: u64,
    kept: Vec<Kept>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            next: 7,
            kept: Vec::new(),
        }
    }
}

/// A request that was decided at once.
#[derive(Debug)]
struct Kept {
    id: u64,
    decided: Result<Vec<u8>, &'static Code>,
}

/// What became of a request.
pub(super) enum Outcome {
    /// The certificate, DER.
    Issued(u64, Vec<u8>),
    /// Somebody has to approve it.
    Pending(u64),
    /// The policy, or somebody, denied it.
    Denied(u64, &'static Code),
    /// It is none that the CA knows, or could not be read.
    Unknown(&'static Code),
}

fn code(name: &str) -> &'static Code {
    words::named(name).unwrap_or(&words::CODES[0])
}

/// Takes a request, DER, for a template.
pub(super) fn submit(
    world: &mut World,
    request: &[u8],
    template: Option<&str>,
    now: i64,
) -> Outcome {
    let csr = match Csr::parse(request) {
        Ok(csr) => csr,
        Err(problem) if problem.contains("signature") => {
            return Outcome::Unknown(code("0x80090006"));
        }
        Err(_) => return Outcome::Unknown(code("0x8009310b")),
    };
    world.adcs.next += 1;
    let id = world.adcs.next;
    if let Err(code) = judged(world, &csr, template) {
        world.adcs.kept.push(Kept {
            id,
            decided: Err(code),
        });
        return Outcome::Denied(id, code);
    }
    let draft = drafted(world, &csr, now);
    if world.must_wait() {
        let changes = world.changes();
        world.waiting.push(Waiting {
            id: id.to_string(),
            user: world.settings.adcs.account.0.clone(),
            draft,
            changes,
            decision: Decision::Waiting,
        });
        return Outcome::Pending(id);
    }
    let issued = world.issue(draft, &id.to_string());
    keep(world, id, &issued)
}

fn keep(world: &mut World, id: u64, issued: &Issued) -> Outcome {
    world.adcs.kept.push(Kept {
        id,
        decided: Ok(issued.certificate.clone()),
    });
    Outcome::Issued(id, issued.certificate.clone())
}

/// # Errors
/// The policy denies it.
fn judged(world: &World, csr: &Csr, template: Option<&str>) -> Result<(), &'static Code> {
    let settings = &world.settings.adcs;
    let template = template.ok_or(code("0x80094801"))?;
    let is = |known: &String| known == template;
    if settings.forbidden_templates.iter().any(is) {
        return Err(code("0x80094012"));
    }
    if !settings.templates.iter().any(is) {
        return Err(code("0x80094800"));
    }
    if settings.wants_agent {
        return Err(code("0x8009480a"));
    }
    let mut names = Draft::default();
    if let Some(extension) = csr.extension(SUBJECT_ALT_NAME) {
        names.put(SUBJECT_ALT_NAME, false, extension.value.clone());
    }
    let dns = names
        .alternative_names()
        .iter()
        .any(|name| name.first() == Some(&0x82));
    if settings.wants_dns && !dns {
        return Err(code("0x8009480f"));
    }
    Ok(())
}

/// The template's certificate, with all that AD CS puts in by itself.
fn drafted(world: &World, csr: &Csr, now: i64) -> Draft {
    let mut draft = world.draft(csr, now);
    let template = der::sequence(&[
        &der::oid("1.3.6.1.4.1.311.21.8.1.2.3.4.5.6"),
        &der::number(100),
        &der::number(3),
    ]);
    draft.put("1.3.6.1.4.1.311.21.7", false, template);
    let policies: Vec<Vec<u8>> = draft
        .usages()
        .iter()
        .map(|usage| der::sequence(&[&der::oid(usage)]))
        .collect();
    let policies = der::element(der::SEQUENCE, &policies.concat());
    draft.put("1.3.6.1.4.1.311.21.10", false, policies);
    let at = |uri: &str| der::element(0x86, uri.as_bytes());
    let point = der::tagged(0, &der::tagged(0, &at("http://pki.fake.example/fake.crl")));
    let points = der::sequence(&[&der::sequence(&[&point])]);
    draft.put("2.5.29.31", false, points);
    // "Supply in the request" takes the SID of an account from whoever asks (ESC1 and its kin).
    if let Some(sid) = csr.extension(SID) {
        draft.put(SID, false, sid.value.clone());
    }
    draft
}

/// What became of an earlier request.
pub(super) fn ask(world: &mut World, id: &str) -> Outcome {
    let Ok(number) = id.parse::<u64>() else {
        return Outcome::Unknown(code("0x80070057"));
    };
    let kept = world.adcs.kept.iter().find(|kept| kept.id == number);
    if let Some(kept) = kept {
        return match &kept.decided {
            Ok(certificate) => Outcome::Issued(number, certificate.clone()),
            Err(code) => Outcome::Denied(number, code),
        };
    }
    let waiting = world.waiting.iter_mut().find(|one| one.id == id);
    let Some(waiting) = waiting else {
        return Outcome::Unknown(code("0x80070057"));
    };
    match waiting.decision {
        Decision::Waiting => Outcome::Pending(number),
        Decision::Denied | Decision::Expired => Outcome::Denied(number, code("0x80094014")),
        Decision::Approved | Decision::Done => {
            waiting.decision = Decision::Done;
            let (draft, mut changes) = (waiting.draft.clone(), waiting.changes.clone());
            changes.extend(world.changes());
            let issued = world.authority.issue(draft, &changes, id);
            keep(world, number, &issued)
        }
    }
}

/// A page or an envelope with a problem noted.
pub(super) fn noted(answer: Answer, problem: Option<&str>) -> Answer {
    match problem {
        Some(problem) => answer.problem(problem),
        None => answer,
    }
}
