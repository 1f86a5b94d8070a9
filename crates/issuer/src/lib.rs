//! What may go into a certificate, and who signs it.
//!
//! Two doors, passed in this order:
//!
//! 1. [`CertificatePolicy::approve`] looks at what a CSR asks for and answers with an [`Approved`] or a
//!    [`PolicyRefusal`] that names the rule. Nothing else makes an [`Approved`].
//! 2. [`Issuer::issue`] takes the [`Approved`] and has it signed; what a CSR asks for beside it counts nothing.
//!
//! What an issuer elsewhere sends back is held against the approval, field by field, by [`Approved::matches`].
//!
//! | module | holds |
//! |---|---|
//! | [`policy`] | the rules for keys, names, usages, extensions and lifetime |
//! | [`approved`] | what policy let through, and refusals |
//! | [`pattern`] | the `*` and `?` patterns that names are held against |
//! | [`matching`] | is a certificate what was approved? |
//! | [`answer`] | answers that are still to come, and why there is none |
//! | [`issuer`] | the [`Issuer`] trait: what every kind of CA answers, and the faces that only some have |
//! | [`remote`] | the face of an issuer whose key is somewhere else: can it make what was approved? |
//! | [`authority`] | what a CA says of itself |
//! | [`local`] | [`LocalCa`]: a CA whose key this process holds |
//!
//! No I/O and no clock: times are arguments.

pub mod answer;
pub mod approved;
pub mod authority;
pub mod error;
pub mod issuer;
pub mod local;
pub mod matching;
pub mod pattern;
pub mod policy;
pub mod remote;
mod sid;

pub use answer::{Answering, IssueError};
pub use approved::{Approved, PolicyRefusal, Rule};
pub use authority::Authority;
pub use error::Error;
pub use issuer::{
    CrlSigner, Found, Handle, Issuance, Issuer, LocalSigner, Order, RaCertifier, RaRole,
    ResponderCertifier,
};
pub use local::{LocalCa, LocalCaParts, NextCa, PreviousCa, certify_root, create_root, create_sub};
pub use matching::Difference;
pub use pattern::Pattern;
pub use policy::{
    AuthorityNames, CertificatePolicy, CertificateRequest, KeyRules, NameRule, PolicyProblem,
    ReadableRules, SanRules, SubjectRules,
};
pub use remote::{Health, Inexpressible, Objection, RemoteCa};
