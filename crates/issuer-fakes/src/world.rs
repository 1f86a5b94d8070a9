//! What the fake knows: its kind, its CA, what waits, and how it behaves.

use serde::{Deserialize, Serialize};

use crate::adcs;
use crate::authority::{Authority, Issued};
use crate::aws;
use crate::certificate::Draft;
use crate::change::Change;
use crate::csr::{Csr, SUBJECT_ALT_NAME};
use crate::ejbca;
use crate::fault::{Fault, Script};
use crate::google;
use crate::journal::Journal;
use crate::message::{Answer, Kind, Listener, Operation, Request};

/// How the services behave.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Settings {
    /// Somebody has to approve each request.
    pub approval: bool,
    /// Extended key usages of the profile or template, by object identifier.
    pub ekus: Vec<String>,
    /// The bits of keyUsage in the profile or template, digitalSignature the highest of sixteen.
    pub key_usage: u16,
    /// For how many days a certificate is where the request does not say, and at most.
    pub days: i64,
    /// For how many seconds a CRL is.
    pub crl_life: i64,
    /// EJBCA.
    pub ejbca: ejbca::Settings,
    /// Active Directory Certificate Services.
    pub adcs: adcs::Settings,
    /// AWS Private CA.
    pub aws_pca: aws::Settings,
    /// Google Certificate Authority Service.
    pub google_cas: google::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            approval: false,
            ekus: vec!["1.3.6.1.5.5.7.3.2".to_owned()],
            key_usage: 0xa000,
            days: 365,
            crl_life: 86_400,
            ejbca: ejbca::Settings::default(),
            adcs: adcs::Settings::default(),
            aws_pca: aws::Settings::default(),
            google_cas: google::Settings::default(),
        }
    }
}

/// What became of a request that somebody has to approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// Nobody decided.
    Waiting,
    /// Approved.
    Approved,
    /// Denied.
    Denied,
    /// It expired.
    Expired,
    /// The certificate was collected.
    Done,
}

/// A request that somebody has to approve.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) id: String,
    /// A username where the kind has one.
    pub(crate) user: String,
    pub(crate) draft: Draft,
    pub(crate) changes: Vec<Change>,
    pub(crate) decision: Decision,
}

/// All of it.
pub(crate) struct World {
    pub(crate) kind: Kind,
    /// Where the service is: `https://127.0.0.1:PORT`.
    pub(crate) base: String,
    /// Where redirects lead.
    pub(crate) elsewhere: String,
    pub(crate) authority: Authority,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) settings: Settings,
    pub(crate) script: Script,
    pub(crate) journal: Journal,
    /// Of the call under way.
    pub(crate) faults: Vec<Fault>,
    /// The certificate (DER) of the client that has rights.
    pub(crate) client_certificate: Vec<u8>,
    pub(crate) ejbca: ejbca::State,
    pub(crate) adcs: adcs::State,
    pub(crate) aws_pca: aws::State,
    pub(crate) google_cas: google::State,
}

impl World {
    /// What a request is about.
    pub(crate) fn operation(&self, request: &Request) -> Operation {
        if request.listener == Listener::Elsewhere {
            return Operation::Elsewhere;
        }
        match self.kind {
            Kind::Ejbca => ejbca::operation(request),
            Kind::Adcs => adcs::operation(self, request),
            Kind::AwsPca => aws::operation(request),
            Kind::GoogleCas => google::operation(self, request),
        }
    }

    /// What is answered, and everything that changes by it.
    pub(crate) fn handle(&mut self, request: &Request, now: i64) -> Answer {
        if request.listener == Listener::Elsewhere {
            return Answer::of(404, "text/plain", "nothing is here")
                .problem("a redirect was followed to another host");
        }
        match self.kind {
            Kind::Ejbca => ejbca::answer(self, request, now),
            Kind::Adcs => adcs::answer(self, request, now),
            Kind::AwsPca => aws::answer(self, request, now),
            Kind::GoogleCas => google::answer(self, request, now),
        }
    }

    /// One of the service's errors by its name; 500 for a name that is none.
    pub(crate) fn error(&self, name: &str, request: &Request) -> Answer {
        let answer = match self.kind {
            Kind::Ejbca => ejbca::error(name),
            Kind::Adcs => adcs::error(self, name, request),
            Kind::AwsPca => aws::error(name),
            Kind::GoogleCas => google::error(name),
        };
        answer.unwrap_or_else(|| {
            self.failure(500)
                .problem(format!("there is no error {name}"))
        })
    }

    /// The names of the errors.
    pub(crate) fn errors(&self) -> Vec<&'static str> {
        match self.kind {
            Kind::Ejbca => ejbca::error_names(),
            Kind::Adcs => adcs::error_names(),
            Kind::AwsPca => aws::error_names(),
            Kind::GoogleCas => google::error_names(),
        }
    }

    /// A status in the service's own form of an error.
    pub(crate) fn failure(&self, status: u16) -> Answer {
        match self.kind {
            Kind::Ejbca => ejbca::failure(status, "General failure."),
            Kind::Adcs => adcs::failure(status),
            Kind::AwsPca => aws::failure(status),
            Kind::GoogleCas => google::failure(status),
        }
    }

    /// The answer to somebody whose login is not taken any more.
    pub(crate) fn login_ran_out(&self, request: &Request) -> Answer {
        match self.kind {
            Kind::Ejbca => ejbca::failure(
                403,
                "Authentication failed using OAuth Bearer Token. JWT token has expired.",
            ),
            Kind::Adcs => adcs::login_ran_out(self, request),
            Kind::AwsPca => self.error("ExpiredTokenException", request),
            Kind::GoogleCas => self.error("UNAUTHENTICATED", request),
        }
    }

    /// The differences that were scripted for the call under way.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let changes = self.faults.iter().filter_map(|fault| match fault {
            Fault::Certificate { change } => Some(*change),
            _ => None,
        });
        changes.collect()
    }

    /// True when the call under way has to wait for somebody.
    pub(crate) fn must_wait(&self) -> bool {
        self.settings.approval || self.faults.contains(&Fault::Pending)
    }

    /// The certificate of a profile or template for a request: subject, key and alternative names of the request, and
    /// of the profile all else.
    pub(crate) fn draft(&self, csr: &Csr, now: i64) -> Draft {
        let mut draft = Draft {
            subject: csr.subject.clone(),
            key: csr.key.clone(),
            not_before: now - 600,
            not_after: (now + self.settings.days * 86_400).min(self.authority.not_after),
            ..Draft::default()
        };
        draft.set_ca(false);
        draft.set_key_usage(self.settings.key_usage);
        draft.set_usages(&self.settings.ekus);
        if let Some(names) = csr.extension(SUBJECT_ALT_NAME) {
            draft.put(SUBJECT_ALT_NAME, false, names.value.clone());
            let names = draft.alternative_names();
            draft.set_alternative_names(&names);
        }
        draft
    }

    /// Signs what is to be issued now.
    pub(crate) fn issue(&mut self, draft: Draft, reference: &str) -> Issued {
        let changes = self.changes();
        self.authority.issue(draft, &changes, reference)
    }

    /// The CRL of now.
    pub(crate) fn crl(&mut self, now: i64) -> Vec<u8> {
        let next = now.saturating_add(self.settings.crl_life);
        self.authority.crl(now, next)
    }

    /// What was sent that no program that keeps to the service's documents sends.
    pub(crate) fn problems(&self) -> Vec<String> {
        let calls = self.journal.calls.iter();
        calls
            .flat_map(|call| call.problems.iter().cloned())
            .collect()
    }
}
