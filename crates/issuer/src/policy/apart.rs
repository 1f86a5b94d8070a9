//! A device is not the authority that certifies it.

use std::collections::HashMap;

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
            let is_its_name = self.subject().matches(name) || self.subject().matches_reversed(name);
            if !name.is_empty() && is_its_name {
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

/// The names of many CAs and RAs: those of every profile of a server, whose devices they could be mistaken by.
#[derive(Debug, Clone, Default)]
pub struct AuthorityNames(HashMap<String, &'static str>);

impl AuthorityNames {
    /// Adds a CA with those above it, before it and after it.
    pub fn add_authority(&mut self, authority: &Authority) {
        let chains = authority.chain().iter();
        let next = authority.next().unwrap_or_default();
        for ca in chains.chain(next).chain(authority.certificates()) {
            self.add(ca, "a CA");
        }
    }

    /// Adds an RA.
    pub fn add_ra(&mut self, ra: &Certificate) {
        self.add(ra, "an RA");
    }

    fn add(&mut self, certificate: &Certificate, whose: &'static str) {
        let name = certificate.subject();
        if !name.is_empty() {
            self.0.entry(name.match_key()).or_insert(whose);
        }
    }

    /// Refuses the subject of one of them, also with its RDNs in reverse order, as some clients write names.
    ///
    /// # Errors
    /// [`PolicyRefusal`], naming whose it is.
    pub fn check(&self, approved: &Approved) -> Result<(), PolicyRefusal> {
        let name = approved.subject();
        let keys = [name.match_key(), name.reversed_match_key()];
        match keys.iter().find_map(|key| self.0.get(key)) {
            Some(whose) => Err(PolicyRefusal::new(
                Rule::Subject,
                format!(
                    "the subject {} is that of {whose} of this server, which no device can have",
                    quoted(&name.to_string())
                ),
            )),
            None => Ok(()),
        }
    }
}
