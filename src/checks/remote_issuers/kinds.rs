//! The table of the kinds whose key is somewhere else.

use super::reading::Reading;
use super::{Opened, adcs, aws_pca, ejbca, google_cas, scep, step_ca, vault};
use crate::checks::problem::Findings;
use crate::config::IssuerKind;

/// How issuers of a kind are read.
pub(super) struct Kind {
    pub(super) kind: IssuerKind,
    /// The setting that what is wrong over there is said of.
    pub(super) role: &'static str,
    /// Reads the kind's own section. What it gives reaches the issuer once it is waited for. `None` where something is
    /// wrong, which then is among the findings.
    pub(super) read: fn(&Reading<'_>, &mut Findings) -> Option<Opened>,
}

const fn kind(
    kind: IssuerKind,
    role: &'static str,
    read: fn(&Reading<'_>, &mut Findings) -> Option<Opened>,
) -> Kind {
    Kind { kind, role, read }
}

/// One line a kind, in the order of the configuration's table.
pub(super) const KINDS: &[Kind] = &[
    kind(IssuerKind::Vault, "vault.role", vault::read),
    kind(IssuerKind::StepCa, "step_ca.provisioner", step_ca::read),
    kind(IssuerKind::Ejbca, "ejbca.certificate_profile", ejbca::read),
    kind(IssuerKind::Adcs, "adcs.template", adcs::read),
    kind(IssuerKind::Scep, "scep.signer_cert_path", scep::read),
    kind(IssuerKind::GoogleCas, "google_cas.pool", google_cas::read),
    kind(IssuerKind::AwsPca, "aws_pca.ca_arn", aws_pca::read),
];
