//! A device is not the authority that certifies it.

use pki::Certificate;

use super::readable::quoted;
use crate::Authority;
use crate::approved::{Approved, PolicyRefusal, Rule};

impl Approved {
    /// Refuses what has the key of a CA (the issuing one, those above it, before it and after it) or of the RA, or bears
    /// one's subject: such a certificate would pass for the authority's own, or break chains that are built by names.
    ///
    /// # Errors
    /// [`PolicyRefusal`], naming what is whose.
    pub fn check_apart(
        &self,
        authority: &Authority,
        ras: &[&Certificate],
    ) -> Result<(), PolicyRefusal> {
        let chains = authority
            .chain()
            .iter()
            .chain(authority.next().unwrap_or_default());
        let cas = chains
            .chain(authority.certificates())
            .map(|ca| ("a CA", ca));
        let ras = ras.iter().map(|ra| ("the RA", *ra));
        for (whose, certificate) in cas.chain(ras) {
            if certificate.public_key() == self.public_key() {
                return Err(PolicyRefusal::new(
                    Rule::Key,
                    format!(
                        "the request is for the key of {whose} itself, which no device can have"
                    ),
                ));
            }
            let name = certificate.subject();
            if !name.is_empty() && self.subject().matches(name) {
                return Err(PolicyRefusal::new(
                    Rule::Subject,
                    format!(
                        "the subject {} is that of {whose}, which no device can have",
                        quoted(&name.to_string())
                    ),
                ));
            }
        }
        Ok(())
    }
}
