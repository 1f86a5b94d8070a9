//! What may go into a certificate, and who signs it.
//!
//! Two doors, passed in this order:
//!
//! 1. [`CertificatePolicy::approve`] looks at what a CSR wishes for and answers with an [`Approved`] or a
//!    [`PolicyRefusal`] that names the rule. Nothing else makes an [`Approved`].
//! 2. [`Issuer::issue`] takes the [`Approved`], never the CSR, and signs.
//!
//! | module | holds |
//! |---|---|
//! | [`policy`] | the rules for keys, names, usages, extensions and lifetime |
//! | [`approved`] | what policy let through, and refusals |
//! | [`pattern`] | the `*` and `?` patterns that names are held against |
//! | [`issuer`] | the [`Issuer`] trait: what every kind of CA answers |
//! | [`local`] | [`LocalCa`]: a CA whose key this process holds |
//!
//! No I/O and no clock: times are arguments.

pub mod approved;
pub mod error;
pub mod issuer;
pub mod local;
pub mod pattern;
pub mod policy;

pub use approved::{Approved, PolicyRefusal, Rule};
pub use error::Error;
pub use issuer::Issuer;
pub use local::{LocalCa, LocalCaParts, NextCa, PreviousCa, certify_root, create_root, create_sub};
pub use pattern::Pattern;
pub use policy::{
    CertificatePolicy, KeyRules, NameRule, PolicyProblem, SanRules, SubjectRules, Wish,
};
