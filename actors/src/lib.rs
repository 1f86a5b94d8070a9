//! The actors: one for each SCEP profile, and their supervisor.
//!
//! | module | holds |
//! |---|---|
//! | `runtime`, `shared` | all threads together; what profiles use together |
//! | `supervisor`, `directory`, `exit`, `restart` | which profiles there are; starting, exchanging, bringing back |
//! | `spec`, `view`, `hooks` | what a profile is, what it says about itself, whom it asks |
//! | `profile`, `messages`, `admission` | the actor: the state that decides, and nothing that waits; what it is asked |
//! | `transactions`, `pending`, `told` | enrollments under way and just finished; those that wait for an operator; those that were not approved |
//! | `enroll`, `advance`, `waiting`, `compliance`, `issue`, `durable` | one PKIOperation, top to bottom; what comes after the decision; beginning to wait for an operator; the one durable step |
//! | `enrollment` | what an enrollment is made of: data, and nothing that is done with it |
//! | `stages`, `outside`, `worker`, `notices` | enrollments that need somebody outside: their stages; calls with time limits, pauses and a circuit; what is due; the outbox |
//! | `read_request`, `renewal` | from octets to something that can be decided on, policy included |
//! | `challenges` | challenges that are made for one device |
//! | `answer`, `refusal`, `refuse`, `pace` | what a device is told and when, what the operator reads |
//! | `query`, `operator`, `crl`, `revocation`, `revoke`, `remote_revocation`, `bulk`, `superseded`, `compromised` | polls and look-ups, approvals, CRLs, what a revocation is, revoking here and elsewhere, many at once, what was renewed, keys that get nothing any more |
//! | `limits`, `failed_attempts`, `lock_out`, `network`, `audit_sampler`, `budget` | who is turned away before RSA; what is kept out of the audit |
//! | `journal`, `compute`, `commit_barrier` | group commit, RSA threads, safe restarts |
//! | `clock`, `store_clock` | the time, and the time by which things may be forgotten |
//! | `records`, `audit`, `context`, `excerpt`, `meters` | what an enrollment leaves in the store, how much of it, and in the metrics |
//! | `requests`, `registry` | requests counted when they are answered; where metrics are kept |
//!
//! Actors share nothing mutable. No RSA runs on an actor, nothing that decides runs off it, and
//! no certificate leaves before its record is durable.

mod admission;
mod advance;
mod answer;
mod audit;
mod audit_sampler;
mod bucket;
mod budget;
mod bulk;
mod challenges;
mod clock;
mod commit_barrier;
mod compliance;
mod compromised;
mod compute;
mod context;
mod crl;
mod directory;
mod durable;
mod enroll;
mod enrollment;
mod excerpt;
mod exit;
mod failed_attempts;
mod findings;
mod hooks;
mod issue;
mod journal;
mod judge;
mod limits;
mod lock_out;
mod messages;
mod meters;
mod network;
mod notices;
mod operator;
mod outside;
mod pace;
mod peers;
mod pending;
mod primality;
mod profile;
mod query;
mod read_request;
mod records;
mod refusal;
mod refuse;
mod registry;
mod remote_issuers;
mod remote_revocation;
mod renewal;
mod requests;
mod restart;
mod revocation;
mod revoke;
mod runtime;
mod scheduling;
mod shared;
mod spec;
mod stages;
mod start;
mod store_clock;
mod superseded;
mod supervisor;
mod told;
mod transactions;
mod view;
mod waiting;
mod worker;

pub use bulk::{Act, BulkError, Done, MOST_AT_ONCE, Selection, change_many, elsewhere, select};
pub use challenges::{
    ChallengeError, ChallengeWish, Challenges, MOST_USES, Minter, NewChallenge, challenge_id,
};
pub use clock::{Clock, SharedClock, SystemClock};
pub use compromised::CompromisedKeys;
pub use compute::{ComputeError, ComputePool, Stage};
pub use crl::{CrlError, Crls, KeptCrl, StatusListener};
pub use directory::{Current, Directory, Entry, Profiles};
pub use hooks::{
    ComplianceHook, ComplianceQuestion, Former, FormerRevocations, Verdict, VerdictFuture,
};
pub use journal::{Count, Journal, JournalError};
pub use limits::RequestGate;
pub use messages::{
    DecideError, InjectPanic, OperatorDecision, Origin, Outcome, PkiOperation, ProfileStatus,
    Response, Status, Sweep,
};
pub use network::network_of;
pub use outside::OutsideRules;
pub use profile::ProfileActor;
pub use registry::{Labels, Metrics};
pub use remote_issuers::RemoteIssuers;
pub use remote_revocation::waiting_revocations;
pub use requests::{Counting, Operation, RequestResult, Requests};
pub use revocation::{By, Revocation, RevokeError};
pub use revoke::{release, revoke};
pub use runtime::{Runtime, RuntimeConfig, RuntimeError};
pub use shared::Services;
pub use spec::{
    ChainSettings, Intune, OneTimeRules, PendingLimits, ProfileSpec, RenewalRules, RequestLimits,
};
pub use store_clock::StoreClock;
pub use superseded::{SupersedeError, Superseding, supersede};
pub use supervisor::{Applied, ApplyError, ApplyProfiles, ReloadTrust, Supervisor};
pub use view::{Body, View, ViewError};
