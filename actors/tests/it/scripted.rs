//! A validator and an issuer that are somewhere else and do what they are told. What they keep, they keep in a directory:
//! it outlives whoever asks them.

use crate::test_env::{Breakable, TestEnv};
use actors::Clock;
use challenge::{
    Again, Asked, Check, Grounds, NotVouched, Notice, NoticeOf, Proven, Question, Request,
    Reservation, Validator,
};
use chrono::{DateTime, TimeDelta, Utc};
use issuer::{
    Answering, Approved, Authority, Found, Handle, Issuance, IssueError, Issuer, LocalSigner, Order,
};
use pki::{Certificate, RevocationReason};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a call does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Answers as it should, after so many seconds.
    Answers(u64),
    /// Is not ready: to be asked again in so many seconds.
    Later(u64),
    /// Does what it is asked, and its answer is lost.
    LosesItsAnswer,
    /// Does nothing, and cannot be reached.
    Breaks,
    /// Refuses.
    Refuses,
    /// Issues something that nobody approved.
    Meddles,
    /// Never answers.
    Hangs,
}

/// What one of the two is told; then it answers at once.
#[derive(Default)]
pub struct Script {
    acts: Mutex<VecDeque<Act>>,
    calls: AtomicUsize,
}

impl Script {
    pub fn of(acts: impl IntoIterator<Item = Act>) -> Self {
        Self {
            acts: Mutex::new(acts.into_iter().collect()),
            calls: AtomicUsize::new(0),
        }
    }

    pub fn then(&self, acts: impl IntoIterator<Item = Act>) {
        self.acts.lock().unwrap().extend(acts);
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn next(&self) -> Act {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let next = self.acts.lock().unwrap().pop_front();
        next.unwrap_or(Act::Answers(0))
    }
}

pub struct Elsewhere {
    pub script: Script,
    clock: Arc<dyn Clock>,
    ca: Arc<Breakable>,
    directory: PathBuf,
    /// Told of everything that happens.
    say: fn(&str),
}

impl Elsewhere {
    pub fn new(
        env: &TestEnv,
        clock: Arc<dyn Clock>,
        directory: &Path,
        script: Script,
    ) -> Arc<Self> {
        Self::saying(env, clock, directory, script, |_| {})
    }

    pub fn saying(
        env: &TestEnv,
        clock: Arc<dyn Clock>,
        directory: &Path,
        script: Script,
        say: fn(&str),
    ) -> Arc<Self> {
        let directory = directory.join("elsewhere");
        std::fs::create_dir_all(&directory).unwrap();
        Arc::new(Self {
            script,
            clock,
            ca: Arc::clone(&env.issuer),
            directory,
            say,
        })
    }

    fn file(&self, order: &Order, kind: &str) -> PathBuf {
        self.directory
            .join(format!("{}.{kind}", hex::encode(order.id)))
    }

    /// The certificate of an order: made once, whatever becomes of the answer.
    fn make(&self, order: &Order, approved: &Approved, kind: &str) -> Certificate {
        let path = self.file(order, kind);
        if let Ok(der) = std::fs::read(&path) {
            return Certificate::from_der(&der).unwrap();
        }
        let made = self.ca.sign_approved(approved, self.clock.now()).unwrap();
        let new = path.with_extension("new");
        std::fs::write(&new, made.der()).unwrap();
        std::fs::rename(&new, &path).unwrap();
        (self.say)("made");
        made
    }

    /// How many certificates it made.
    pub fn made(&self) -> usize {
        self.kept("der")
    }

    /// How many it revoked.
    pub fn revoked(&self) -> usize {
        self.kept("revoked")
    }

    fn kept(&self, kind: &str) -> usize {
        let all = std::fs::read_dir(&self.directory).unwrap();
        all.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().ends_with(&format!(".{kind}"))
        })
        .count()
    }

    async fn act(&self, order: &Order) -> Result<Issuance, IssueError> {
        let again = |why: &str| IssueError::Again {
            why: why.to_owned(),
            after: None,
            unheard: true,
        };
        (self.say)("issuer asked");
        match self.script.next() {
            Act::Answers(seconds) => {
                sleep(&*self.clock, seconds).await;
                let made = self.make(order, &order.approved, "der");
                (self.say)("issuer answers");
                Ok(Issuance::Issued(made))
            }
            Act::Later(seconds) => Ok(Issuance::Later {
                handle: Handle(hex::encode(order.id)),
                after: Duration::from_secs(seconds),
            }),
            Act::LosesItsAnswer => {
                self.make(order, &order.approved, "der");
                (self.say)("issuer loses its answer");
                Err(again("connection reset"))
            }
            Act::Breaks => Err(again("no route to host")),
            Act::Refuses => Err(IssueError::Refused("not today".to_owned())),
            Act::Meddles => {
                let mut policy = issuer::CertificatePolicy::new("meddling");
                policy.max_ttl = TimeDelta::days(3650);
                let csr = pki::Csr::from_der(&order.csr).unwrap();
                let request = issuer::CertificateRequest {
                    csr: &csr,
                    vouched_sid: None,
                    previous: None,
                };
                let longer = policy.approve(request, order.at).unwrap();
                Ok(Issuance::Issued(self.make(order, &longer, "meddled")))
            }
            Act::Hangs => std::future::pending().await,
        }
    }
}

async fn sleep(clock: &dyn Clock, seconds: u64) {
    if seconds > 0 {
        clock
            .wait_until(clock.instant() + Duration::from_secs(seconds))
            .await;
    }
}

impl Issuer for Elsewhere {
    fn id(&self) -> &str {
        "elsewhere"
    }

    fn authority(&self) -> Arc<Authority> {
        self.ca.authority()
    }

    fn issue<'a>(&'a self, order: &'a Order) -> Answering<'a, Issuance> {
        Box::pin(self.act(order))
    }

    fn resume<'a>(&'a self, order: &'a Order, handle: &'a Handle) -> Answering<'a, Issuance> {
        assert_eq!(handle.0, hex::encode(order.id));
        Box::pin(self.act(order))
    }

    fn find<'a>(&'a self, order: &'a Order) -> Answering<'a, Found> {
        (self.say)("issuer searched");
        let found = match std::fs::read(self.file(order, "der")) {
            Ok(der) => Found::Issued(Certificate::from_der(&der).unwrap()),
            Err(_) => Found::Nothing,
        };
        Box::pin(std::future::ready(Ok(found)))
    }

    fn revoke<'a>(
        &'a self,
        certificate: &'a Certificate,
        _: RevocationReason,
    ) -> Answering<'a, ()> {
        let path = self
            .directory
            .join(format!("{}.revoked", certificate.serial().to_hex()));
        std::fs::write(path, b"").unwrap();
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Vouches for whoever brings a challenge that begins with `ask:`.
pub struct Oracle {
    pub script: Script,
    pub notices: Mutex<Vec<Notice>>,
    pub notifying: Script,
    pub told_first: bool,
    clock: Arc<dyn Clock>,
    say: fn(&str),
}

impl Oracle {
    pub fn new(clock: Arc<dyn Clock>, script: Script) -> Arc<Self> {
        Self::saying(clock, script, |_| {})
    }

    pub fn saying(clock: Arc<dyn Clock>, script: Script, say: fn(&str)) -> Arc<Self> {
        Arc::new(Self {
            script,
            notices: Mutex::default(),
            notifying: Script::default(),
            told_first: false,
            clock,
            say,
        })
    }

    /// One that must know of a certificate before it leaves.
    pub fn told_first(clock: Arc<dyn Clock>, notifying: Script) -> Arc<Self> {
        Arc::new(Self {
            script: Script::default(),
            notices: Mutex::default(),
            notifying,
            told_first: true,
            clock,
            say: |_| {},
        })
    }

    pub fn told(&self) -> Vec<&'static str> {
        let notices = self.notices.lock().unwrap();
        let words = notices.iter().map(|notice| match notice.end {
            NoticeOf::Issued(_) => "issued",
            NoticeOf::Refused { .. } => "refused",
        });
        words.collect()
    }
}

impl Validator for Oracle {
    fn id(&self) -> &str {
        "oracle"
    }

    fn recognises(&self, challenge: Option<&str>) -> bool {
        challenge.is_some_and(|text| text.starts_with("ask:"))
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn check(&self, request: &Request<'_>, _: DateTime<Utc>) -> Check {
        Check::Ask(Question {
            transaction_id: request.transaction_id.to_owned(),
            challenge: request.challenge.unwrap_or_default().to_owned(),
            csr: request.csr.to_vec(),
            source: request.source,
        })
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Asked<'a, Check> {
        Box::pin(async move {
            (self.say)("validator asked");
            match self.script.next() {
                Act::Answers(seconds) => {
                    sleep(&*self.clock, seconds).await;
                    (self.say)("validator answers");
                    let mut key = [0; 16];
                    key.copy_from_slice(&pki::sha256(question.challenge.as_bytes())[..16]);
                    Ok(Check::Proven(Box::new(Proven {
                        grounds: Grounds {
                            device: Some(question.challenge.clone()),
                            ..Grounds::default()
                        },
                        reservations: vec![Reservation::Once {
                            key,
                            until: self.clock.now() + TimeDelta::hours(1),
                        }],
                    })))
                }
                Act::Later(seconds) => Ok(Check::Later {
                    after: Duration::from_secs(seconds),
                }),
                Act::Refuses => Ok(Check::Refused(Box::new(NotVouched {
                    reason: "device_unknown",
                    fail_info: 1,
                    ..NotVouched::of_challenge("nobody knows this device")
                }))),
                Act::Hangs => std::future::pending().await,
                Act::LosesItsAnswer | Act::Breaks | Act::Meddles => {
                    Err(Again::because("no route to host"))
                }
            }
        })
    }

    fn is_told_first(&self) -> bool {
        self.told_first
    }

    fn notify<'a>(&'a self, notice: &'a Notice) -> Asked<'a, String> {
        Box::pin(async move {
            if matches!(self.notifying.next(), Act::Breaks) {
                return Err(Again::because("no route to host"));
            }
            self.notices.lock().unwrap().push(notice.clone());
            Ok("it was told".to_owned())
        })
    }
}
