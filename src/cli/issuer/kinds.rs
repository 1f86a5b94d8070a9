//! The table of what prepares the other side, for each kind.

use issuer::CertificatePolicy;

use super::{adcs, aws_pca, ejbca, google_cas, scep, step_ca, vault};
use crate::config::{Issuer, IssuerKind};

/// What an operator does over there, so that certificates of this policy can be made for this `[[issuer]]`: commands, with
/// comments, ending with a line feed.
pub(super) type Preparation = fn(&Issuer, &CertificatePolicy) -> String;

/// One line a kind, in the order of the configuration's table.
pub(super) const KINDS: &[(IssuerKind, Preparation)] = &[
    (IssuerKind::Vault, vault::preparation),
    (IssuerKind::StepCa, step_ca::preparation),
    (IssuerKind::Ejbca, ejbca::preparation),
    (IssuerKind::Adcs, adcs::preparation),
    (IssuerKind::Scep, scep::preparation),
    (IssuerKind::GoogleCas, google_cas::preparation),
    (IssuerKind::AwsPca, aws_pca::preparation),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_elsewhere_is_in_the_table() {
        let known: Vec<IssuerKind> = KINDS.iter().map(|(kind, _)| *kind).collect();
        let named: Vec<IssuerKind> = IssuerKind::ELSEWHERE
            .iter()
            .map(|(kind, _)| *kind)
            .collect();
        assert_eq!(known, named);
    }
}
